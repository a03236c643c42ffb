package consume_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// large is an event whose body waits with it.
func large(id string) *event.Event {
	e := internal(id, "big")
	e.Body = make([]byte, 3*delivery.LargeBody)
	for i := range e.Body {
		e.Body[i] = 'a' + byte(rand.IntN(26))
	}
	return e
}

// mended is an endpoint that answers 500 until ok is set.
func mended(t *testing.T) (rc *receiver, ok *atomic.Bool) {
	ok = &atomic.Bool{}
	return receive(t, func(_ int, _ request, w http.ResponseWriter) {
		if !ok.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), ok
}

// put publishes the event and returns once it has been attempted.
func (r *rig) put(t *testing.T, rc *receiver, e *event.Event) {
	t.Helper()
	if _, err := r.bus.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	rc.next(t)
}

// one returns the only delivery with a status, once there is one.
func (r *rig) one(t *testing.T, status deliveries.Status) (d deliveries.Delivery) {
	t.Helper()
	eventually(t, "one is "+string(status), func() bool {
		all := r.list(t, deliveries.Query{Status: status})
		if len(all) == 1 {
			d = all[0]
		}
		return len(all) == 1
	})
	return d
}

// purge removes all events of services, as an operator might.
func (r *rig) purge(t *testing.T) {
	t.Helper()
	s, err := r.js.Stream(t.Context(), topology.StreamEvents)
	if err == nil {
		err = s.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// waitingBytes is how much lies in the stream of what waits.
func (r *rig) waitingBytes(t *testing.T) uint64 {
	t.Helper()
	s, err := r.js.Stream(t.Context(), topology.StreamDeliveries)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Bytes
}

// A large body waits with its event, and comes as it is with the retry.
func TestLargeBodyWaitsWithItsEvent(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc, ok := mended(t)
	r.add(t, rc.URL, nil, "events.big")
	e := large("evt_1")
	r.put(t, rc, e)
	d := r.one(t, deliveries.StatusWaiting)
	if n := r.waitingBytes(t); n > delivery.LargeBody {
		t.Errorf("%d bytes wait", n)
	}
	ok.Store(true)
	r.retry(t, d.ID)
	if got := rc.next(t); !bytes.Equal(got.body, e.Body) || got.header.Get("Jethook-Attempt") != "2" {
		t.Errorf("got %d bytes of %d at attempt %s", len(got.body), len(e.Body), got.header.Get("Jethook-Attempt"))
	}
	r.one(t, deliveries.StatusDelivered)
}

// What waits for longer than its event is kept has a copy of the body: nothing that happens to the event matters.
func TestLargeBodyThatOutlivesItsEvent(t *testing.T) {
	t.Parallel()
	cfg := settings(t, 2*time.Hour)
	cfg.Retention = time.Hour
	r := start(t, cfg)
	rc, ok := mended(t)
	r.add(t, rc.URL, nil, "events.big")
	e := large("evt_1")
	r.put(t, rc, e)
	d := r.one(t, deliveries.StatusWaiting)
	r.purge(t)
	ok.Store(true)
	r.retry(t, d.ID)
	if got := rc.next(t); !bytes.Equal(got.body, e.Body) {
		t.Errorf("got %d bytes of %d", len(got.body), len(e.Body))
	}
}

// A delivery that was taken over from its event's stream and comes too late for that to be there still: it is fetched
// before it waits on.
func TestLargeBodyIsFetchedToOutliveItsEvent(t *testing.T) {
	t.Parallel()
	cfg := settings(t, 15*time.Minute, 2*time.Hour)
	cfg.Retention = time.Hour
	r := start(t, cfg)
	rc, ok := mended(t)
	ep := r.add(t, rc.URL, nil, "events.big")
	e := large("evt_1")
	r.put(t, rc, e)
	d := r.one(t, deliveries.StatusWaiting)
	if n := r.waitingBytes(t); n > delivery.LargeBody {
		t.Fatalf("%d bytes wait at first", n)
	}
	r.switchOff(t, ep.ID, true) // it waits for an hour without an attempt
	r.retry(t, d.ID)
	eventually(t, "it has a copy", func() bool { return r.waitingBytes(t) > delivery.LargeBody })
	r.purge(t)
	ok.Store(true)
	r.switchOff(t, ep.ID, false)
	if got := rc.next(t); !bytes.Equal(got.body, e.Body) {
		t.Errorf("got %d bytes of %d", len(got.body), len(e.Body))
	}
}

// When the event is gone all the same, the delivery is not lost: it is dead and says why.
func TestLargeBodyIsGone(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc, ok := mended(t)
	r.add(t, rc.URL, nil, "events.big")
	e := large("evt_1")
	r.put(t, rc, e)
	d := r.one(t, deliveries.StatusWaiting)
	r.purge(t)
	ok.Store(true)
	r.retry(t, d.ID)
	dead := r.one(t, deliveries.StatusDead)
	if !strings.Contains(dead.Reason, failure.ErrBodyGone.Error()) || !strings.Contains(dead.Reason, "500") || dead.Attempts != 1 || dead.Body != "" {
		t.Errorf("got %+v", dead)
	}
	r.retry(t, d.ID) // replayed, it is dead again, and no empty request is made
	eventually(t, "it is dead again", func() bool {
		all := r.list(t, deliveries.Query{Status: deliveries.StatusDead})
		return len(all) == 1 && all[0].At.After(dead.At)
	})
	if len(rc.got) > 0 {
		t.Error("a request was made without a body")
	}
}

// The dead letters of one event share one copy of its body, which outlives the event. A list shows the beginning.
func TestLargeDeadLetters(t *testing.T) {
	t.Parallel()
	for _, purged := range []bool{false, true} {
		r := start(t, settings(t))
		rc, ok := mended(t)
		const n = 5
		for range n {
			r.add(t, rc.URL, func(s *endpoint.Spec) { s.RetrySchedule = nil }, "events.big")
		}
		e := large("evt_1")
		r.put(t, rc, e)
		for range n - 1 {
			rc.next(t)
		}
		var dead []deliveries.Delivery
		eventually(t, "all are dead", func() bool {
			dead = r.list(t, deliveries.Query{Status: deliveries.StatusDead})
			return len(dead) == n
		})
		for _, d := range dead {
			if !d.Cut || len(d.Body) != 16<<10 || !strings.HasPrefix(string(e.Body), d.Body) {
				t.Errorf("%s shows %d bytes, cut: %v", d.ID, len(d.Body), d.Cut)
			}
		}
		s, err := r.js.Stream(t.Context(), topology.StreamDead)
		if err != nil {
			t.Fatal(err)
		}
		if used := s.CachedInfo().State.Bytes; used > uint64(2*len(e.Body)) {
			t.Errorf("%d letters of %d bytes take %d", n, len(e.Body), used)
		}
		if purged {
			r.purge(t)
		}
		ok.Store(true)
		if done, _, err := r.ledger.ReplaySome(t.Context(), deliveries.DeadQuery{}); err != nil || done != n {
			t.Fatalf("replayed %d: %v", done, err)
		}
		for range n {
			if got := rc.next(t); !bytes.Equal(got.body, e.Body) {
				t.Errorf("purged %v: got %d bytes of %d", purged, len(got.body), len(e.Body))
			}
		}
		eventually(t, "nothing is dead", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusDead})) == 0 })
		r.stop()
	}
}

// What earlier releases stored has the body in the message, and goes on with it.
func TestLargeBodyInTheMessage(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc, ok := mended(t)
	ep := r.add(t, rc.URL, nil, "events.none")
	e := large("evt_1")
	d := delivery.Delivery{Endpoint: ep.ID, Event: *e, Attempt: 1, Due: time.Now(), Why: delivery.WhyRetry}
	r.schedule(t, 1, func(int) delivery.Delivery { return d })
	rc.next(t)
	r.settled(t, topology.StreamDeliveries)
	w := r.one(t, deliveries.StatusWaiting)
	if n := r.waitingBytes(t); n < uint64(len(e.Body)) {
		t.Errorf("%d bytes wait", n)
	}
	r.retry(t, w.ID)
	rc.next(t)
	r.one(t, deliveries.StatusDead)
	r.settled(t, topology.StreamDeliveries)
	ok.Store(true)
	r.retry(t, w.ID)
	if got := rc.next(t); !bytes.Equal(got.body, e.Body) {
		t.Errorf("got %d bytes of %d", len(got.body), len(e.Body))
	}
	r.one(t, deliveries.StatusDelivered)
}
