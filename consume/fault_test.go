package consume_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/consume/deliveries"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// never is a receiver that answers nothing until the test ends.
func never(t testing.TB) *receiver {
	release := make(chan struct{})
	rc := receive(t, func(int, request, http.ResponseWriter) { <-release })
	t.Cleanup(func() { close(release) }) // runs before the server is closed, which waits for its requests
	return rc
}

// hangingSettings are such that a test which waits for a hanging endpoint's timeout fails.
func hangingSettings(t testing.TB) *config.Config {
	cfg := settings(t, time.Hour)
	cfg.DeliveryTimeout = 5 * time.Minute
	return cfg
}

// Large events for a hanging endpoint fill neither the memory nor the way of others.
func TestLargeEventsForAHangingEndpoint(t *testing.T) {
	t.Parallel()
	r := start(t, hangingSettings(t))
	hanging, healthy := never(t), receive(t, always(http.StatusOK))
	r.add(t, hanging.URL, nil, "events.large")
	r.add(t, healthy.URL, nil, "events.small")
	large := make([]byte, 1<<20)
	var publishers errgroup.Group
	publishers.SetLimit(8)
	for i := range 270 { // more than a process holds
		publishers.Go(func() error {
			e := internal(fmt.Sprint("large_", i), "large")
			e.Body = large
			for { // a busy disk may take longer than a publisher waits
				_, err := r.bus.Publish(t.Context(), e)
				if err == nil || t.Context().Err() != nil {
					return err
				}
			}
		})
	}
	if err := publishers.Wait(); err != nil {
		t.Fatal(err)
	}
	r.publish(t, "small", "small")
	healthy.next(t)
}

// An event that is larger than what is usually fetched at once gets through, and so does the next one.
func TestEventLargerThanOneFetch(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	const size = 9 << 20 // twice what a request for messages brings
	cfg.MaxBody = size
	r := start(t, cfg)
	rc := receive(t, always(http.StatusOK))
	r.add(t, rc.URL, nil, "events.>")
	e := internal("large", "a")
	e.Body = make([]byte, size)
	eventually(t, "it is stored", func() bool { // a busy disk may take longer than a publisher waits
		_, err := r.bus.Publish(t.Context(), e)
		return err == nil
	})
	r.publish(t, "small", "a")
	sizes := len(rc.next(t).body) + len(rc.next(t).body)
	if sizes < size {
		t.Errorf("got %d bytes", sizes)
	}
}

// An event that fills a message leaves no room for the headers of a retry: it waits with its event. Where the event ends
// before the retry is due, it becomes a dead letter that says so, instead of holding its place for ever.
func TestEventTooLargeForARetry(t *testing.T) {
	t.Parallel()
	for name, retention := range map[string]time.Duration{"that stays": 168 * time.Hour, "that ends": 30 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, time.Hour)
			cfg.MaxBody, cfg.DedupWindow, cfg.Retention = 1<<20, time.Minute, retention
			r := start(t, cfg)
			s, err := r.js.Stream(t.Context(), "EVENTS")
			if err != nil {
				t.Fatal(err)
			}
			sc := s.CachedInfo().Config
			sc.MaxMsgSize = -1 // an operator's choice
			if _, err := r.js.UpdateStream(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
			rc := receive(t, always(http.StatusInternalServerError))
			r.add(t, rc.URL, nil, "events.>")
			if _, err := r.js.Publish(t.Context(), "events.a", make([]byte, r.js.Conn().MaxPayload())); err != nil {
				t.Fatal(err)
			}
			r.settled(t, topology.StreamEvents)
			dead, waiting := r.list(t, deliveries.Query{Status: deliveries.StatusDead}), r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})
			switch {
			case name == "that stays" && (len(dead) != 0 || len(waiting) != 1):
				t.Errorf("dead %+v, waiting %+v", dead, waiting)
			case name == "that ends" && (len(dead) != 1 || !strings.Contains(dead[0].Reason, "without its body")):
				t.Errorf("got %+v", dead)
			}
		})
	}
}

// A replay that was killed between its two writes leaves a dead letter that is older than the delivery. That
// one is no outcome of it.
func TestOldDeadLetterIsNoOutcome(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	r := start(t, cfg)
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.other")
	r.stop()

	bus, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := &delivery.Delivery{Endpoint: ep.ID, Event: *internal("evt_1", "a"), Attempt: 1, Why: delivery.WhyRetry, Due: time.Now()}
	done := make(chan error, 1)
	bus.Deliveries().DeadLetter(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	bus.Deliveries().Schedule(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	consumer, err := bus.Queues().Open(t.Context(), topology.QueueDue)
	if err != nil {
		t.Fatal(err)
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Nak(); err != nil { // as if its holder had been killed
		t.Fatal(err)
	}
	bus.Close()

	start(t, cfg)
	if got := rc.next(t); got.header.Get("webhook-id") != "evt_1" {
		t.Errorf("got %v", got.header)
	}
}

// An operator who deletes the consumer stops nothing for good.
func TestDeletedConsumerIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	if err := r.js.DeleteConsumer(t.Context(), "EVENTS", "jethook"); err != nil {
		t.Fatal(err)
	}
	r.publish(t, "evt_2", "a")
	for rc.next(t).header.Get("webhook-id") != "evt_2" { // the first comes again: the consumer knew that it had been
	}
}

// An endpoint that is removed while a request to it is under way leaves nothing behind.
func TestRemovedWhileUnderWay(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	release := make(chan struct{})
	rc := receive(t, func(_ int, _ request, w http.ResponseWriter) {
		<-release
		w.WriteHeader(http.StatusInternalServerError)
	})
	ep := r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	if err := r.registry.Delete(t.Context(), ep.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.bus.Deliveries().Forget(t.Context(), ep.ID); err != nil {
		t.Fatal(err)
	}
	close(release)
	r.settled(t, topology.StreamEvents)
	if left := r.list(t, deliveries.Query{}); len(left) != 0 {
		t.Errorf("left behind: %+v", left)
	}
}

// A page does not end, and does not lose its order, where one stream has nothing near.
func TestListLooksBeyondWhatOthersLeft(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n == 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	ep := r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "delivered", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	since := time.Now()
	r.publish(t, "waiting", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	const others = 12_000
	r.schedule(t, others, func(i int) delivery.Delivery {
		return delivery.Delivery{
			Endpoint: "ep_other", Event: *internal(fmt.Sprint(i), "a"), Attempt: 2, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry,
		}
	})
	if items := r.list(t, deliveries.Query{Endpoint: ep.ID, Since: since}); len(items) != 1 || items[0].EventID != "waiting" {
		t.Errorf("since: %+v", items)
	}
	if items := r.list(t, deliveries.Query{Endpoint: ep.ID}); len(items) != 2 || items[0].EventID != "waiting" {
		t.Errorf("all: %+v", items)
	}
}

// A filter chooses among all deliveries, not among those of one page.
func TestFiltersLookBeyondAPage(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	r.add(t, rc.URL, nil, "events.>")
	for i := range 6 {
		r.publish(t, fmt.Sprint("rare_", i), "rare")
	}
	r.settled(t, topology.StreamEvents)
	before := time.Now()
	for i := range 700 {
		r.publish(t, fmt.Sprint("common_", i), "common")
	}
	r.settled(t, topology.StreamEvents)
	for _, q := range []deliveries.Query{
		{Type: "rare", Limit: 4},
		{Until: before, Limit: 4},
		{Type: "rare", Status: deliveries.StatusDelivered, Limit: 4},
	} {
		first, cursor, err := r.ledger.List(t.Context(), q)
		if err != nil || len(first) != 4 || cursor == "" {
			t.Fatalf("%+v: %d items, cursor %q, %v", q, len(first), cursor, err)
		}
		q.Cursor = cursor
		second, cursor, err := r.ledger.List(t.Context(), q)
		if err != nil || len(second) != 2 || cursor != "" {
			t.Errorf("%+v: then %d items, cursor %q, %v", q, len(second), cursor, err)
		}
		seen := map[string]bool{}
		for _, d := range append(first, second...) {
			seen[d.EventID] = d.Type == "rare"
		}
		for i := range 6 {
			if !seen[fmt.Sprint("rare_", i)] {
				t.Errorf("%+v: rare_%d is missing in %v", q, i, seen)
			}
		}
	}
}
