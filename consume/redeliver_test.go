package consume_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/config/quantity"
	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// A retry that is pressed by many at once, before, while and after its automatic attempt starts, delivers once.
func TestRetryAroundTheDueTime(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	cfg.Sync = 0 // as in production: writes of one moment are one atomic batch
	r := start(t, cfg)
	var mu sync.Mutex
	requests := map[string]int{}
	rc := receive(t, func(_ int, q request, _ http.ResponseWriter) {
		mu.Lock()
		defer mu.Unlock()
		requests[q.header.Get("webhook-id")]++
	})
	ep := r.add(t, rc.URL, nil, "events.none")
	const rounds, hammers = 40, 3
	var taken, underWay, over atomic.Int32
	r.schedule(t, rounds, func(i int) delivery.Delivery {
		// The due times lie before, at and after the moment from which a schedule is left alone.
		return delivery.Delivery{
			Endpoint: ep.ID, Event: *internal(fmt.Sprint("evt_", i), "none"), Attempt: 2, Why: delivery.WhyRetry,
			Due: time.Now().Add(900*time.Millisecond + time.Duration(i)*20*time.Millisecond),
		}
	})
	var wg sync.WaitGroup
	for i := range rounds {
		id := (&delivery.Delivery{Endpoint: ep.ID, Event: *internal(fmt.Sprint("evt_", i), "none")}).ID()
		for range hammers {
			wg.Go(func() {
				for {
					switch err := r.ledger.Retry(t.Context(), id); {
					case err == nil:
						taken.Add(1)
					case errors.Is(err, deliveries.ErrUnderWay):
						underWay.Add(1)
					case errors.Is(err, deliveries.ErrNoDelivery): // delivered
						over.Add(1)
						return
					case errors.Is(err, failure.ErrUnavailable): // a busy disk may take longer than who asks waits
					default:
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	r.settled(t, topology.StreamDeliveries)
	mu.Lock()
	defer mu.Unlock()
	for i := range rounds {
		if n := requests[fmt.Sprint("evt_", i)]; n != 1 {
			t.Errorf("evt_%d was requested %d times", i, n)
		}
	}
	if taken.Load() > rounds || over.Load() != rounds*hammers {
		t.Errorf("%d retries were taken for %d deliveries, %d found them delivered", taken.Load(), rounds, over.Load())
	}
	t.Logf("%d taken, %d under way, %d delivered already", taken.Load(), underWay.Load(), over.Load())
}

// stored returns an event as it lies in its stream.
func (r *rig) stored(t testing.TB, id string) *event.Event {
	t.Helper()
	h, _, err := archive.New(r.bus, nil).Find(t.Context(), id, archive.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return &h.Event
}

// redeliver asks for one event's redelivery from several goroutines at once, and returns how many were taken.
func redeliver(t testing.TB, r *rig, endpoint string, e *event.Event, key string) (taken int32) {
	t.Helper()
	mark, err := r.ledger.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch err := r.ledger.Redeliver(t.Context(), endpoint, e, deliveries.Asked{Key: key, Mark: mark}); {
			case err == nil:
				n.Add(1)
			case !errors.Is(err, deliveries.ErrUnderWay):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return n.Load()
}

func TestRedeliverWhateverTheState(t *testing.T) {
	t.Parallel()
	for name, sync := range map[string]quantity.Sync{"batches": 0, "one by one": quantity.Sync(2 * time.Minute)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, time.Hour)
			cfg.Sync = sync
			r := start(t, cfg)
			m := newMoody(t)
			ep := r.add(t, m.URL, nil, "events.a")
			expect := func(id, state string, times int) {
				t.Helper()
				eventually(t, state+" is delivered", func() bool { return m.times(id) >= times })
				r.settled(t, topology.StreamDeliveries)
				if got := m.times(id); got != times {
					t.Errorf("%s: taken %d times, want %d", state, got, times)
				}
				for _, s := range []deliveries.Status{deliveries.StatusDead, deliveries.StatusWaiting} {
					if left := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: s}); len(left) != 0 {
						t.Errorf("%s: %s is left: %+v", state, s, left)
					}
				}
			}
			never := internal("never", "b")
			redeliver(t, r, ep.ID, never, "k")
			expect("never", "an event that never matched", 1)
			redeliver(t, r, ep.ID, never, "k")
			expect("never", "asked again with the same key", 1)
			redeliver(t, r, ep.ID, never, "another")
			expect("never", "a delivered one", 2)

			m.refuse("waits")
			r.publishSome(t, 1, "waits_")
			m.takeAll()
			redeliver(t, r, ep.ID, r.stored(t, "waits_0"), "k")
			expect("waits_0", "a waiting one", 1)

			m.refuse("dead")
			r.publishSome(t, 1, "dead_")
			r.killAll(t, ep.ID)
			m.takeAll()
			redeliver(t, r, ep.ID, r.stored(t, "dead_0"), "k")
			expect("dead_0", "a dead one", 1)
		})
	}
}

// What is being attempted, for the first time or a later one, is left as it is.
func TestRedeliverWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	cfg.Sync = 0
	r := start(t, cfg)
	release := make(chan struct{})
	var requests atomic.Int32
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		requests.Add(1)
		<-release
	})
	ep := r.add(t, rc.URL, nil, "events.a")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	events, _, err := r.bus.Query().Forward(t.Context(), query.Events(topology.StreamEvents, []string{"events.>"}), 1, 10)
	if err != nil || len(events) != 1 {
		t.Fatalf("got %d events, %v", len(events), err)
	}
	event := event.Of(&events[0], topology.StreamEvents)
	if taken := redeliver(t, r, ep.ID, &event, "k"); taken != 0 {
		t.Errorf("taken %d times during the first attempt", taken)
	}
	other := internal("evt_2", "b")
	if taken := redeliver(t, r, ep.ID, other, "k"); taken == 0 {
		t.Error("never taken")
	}
	rc.next(t)
	if taken := redeliver(t, r, ep.ID, other, "another"); taken != 0 {
		t.Errorf("taken %d times during a later attempt", taken)
	}
	close(release)
	r.settled(t, topology.StreamEvents)
	r.settled(t, topology.StreamDeliveries)
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// A replay that was killed before it removed the dead letter leaves nothing dead once the delivery is attempted.
func TestReplayThatWasCutOff(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.other")
	d := &delivery.Delivery{Endpoint: ep.ID, Event: *internal("evt_1", "a"), Attempt: 2, Reason: "status 500"}
	done := make(chan error, 1)
	r.bus.Deliveries().DeadLetter(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	letters, _, err := r.bus.Query().Forward(t.Context(), query.Dead(ep.ID), 1, 10)
	if err != nil || len(letters) != 1 {
		t.Fatalf("%d dead letters, %v", len(letters), err)
	}
	// The first of its two writes.
	replay := &nats.Msg{Subject: "jethook.due." + d.ID(), Header: letters[0].Header, Data: []byte("{}")}
	replay.Header.Set("Jethook-Replays", fmt.Sprint(letters[0].Seq))
	if _, err := r.js.PublishMsg(t.Context(), replay); err != nil {
		t.Fatal(err)
	}
	rc.next(t)
	r.settled(t, topology.StreamDeliveries)
	if dead := r.list(t, deliveries.Query{Status: deliveries.StatusDead}); len(dead) != 0 {
		t.Errorf("it is delivered, and dead: %+v", dead)
	}
}

func TestDeadInBulk(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	ep := r.add(t, "http://127.0.0.1:1/", nil, "events.none")
	bury := func(n int, reason string) {
		done := make(chan error, n)
		for i := range n {
			d := &delivery.Delivery{Endpoint: ep.ID, Event: *internal(fmt.Sprint(reason, i), "none"), Attempt: 2, Reason: reason}
			d.Event.ID = event.HashID(reason, fmt.Sprint(i))
			r.bus.Deliveries().DeadLetter(d, func(err error) { done <- err })
		}
		for range n {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	bury(6000, "Status 503") // more than one call does
	bury(10, "timeout")
	q := deliveries.DeadQuery{Endpoint: ep.ID, Reason: "status 5"}
	removed, calls := 0, 0
	for {
		n, next, err := r.ledger.RemoveSome(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		removed, calls = removed+n, calls+1
		if q.Cursor = next; next == "" {
			break
		}
	}
	left, _, err := r.bus.Query().Count(t.Context(), query.Dead(ep.ID))
	if err != nil || removed != 6000 || calls < 2 || left != 10 {
		t.Errorf("removed %d in %d calls, %d are left: %v", removed, calls, left, err)
	}
	if _, _, err := r.ledger.RemoveSome(t.Context(), deliveries.DeadQuery{Cursor: "x"}); !errors.Is(err, paging.ErrBadCursor) {
		t.Errorf("got %v", err)
	}
	if n, _, err := r.ledger.ReplaySome(t.Context(), deliveries.DeadQuery{Until: time.Now().Add(-time.Hour)}); err != nil || n != 0 {
		t.Errorf("replayed %d, %v", n, err)
	}
}
