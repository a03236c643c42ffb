package consume_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// Nothing is written for an event that waits for a slow endpoint.
func TestWaitingIsNotWritten(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, after(t, 4*time.Millisecond)) // 500 a second at most, as fast as they are published or slower
	two := 2
	r.add(t, rc.URL, func(s *endpoint.Spec) { s.Concurrency = &two }, "events.>")
	other := receive(t, always(http.StatusOK))
	r.add(t, other.URL, nil, "events.unused")
	const n = 1000
	r.burst(t, n)
	for range n {
		rc.next(t)
	}
	s, err := r.js.Stream(t.Context(), topology.StreamDeliveries)
	if err != nil {
		t.Fatal(err)
	}
	if written := s.CachedInfo().State.LastSeq; written > 0 {
		t.Errorf("%d messages were written for %d deliveries", written, n)
	}
}

// The last attempt of a delivery is not given up without a request to an endpoint that is well again.
func TestLastAttemptsOutliveTheCircuit(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, after(t, 50*time.Millisecond))
	ep := r.add(t, rc.URL, nil, "events.>")
	if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) error {
		e.FailingSince = time.Now().Add(-time.Minute)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const n = 300
	due := time.Now().Add(time.Second)
	r.schedule(t, n, func(i int) delivery.Delivery {
		return delivery.Delivery{
			Endpoint: ep.ID, Event: *internal(fmt.Sprint("last_", i), "a"), Attempt: 2, Due: due, Why: delivery.WhyRetry,
		}
	})
	for range n {
		rc.next(t)
	}
	r.settled(t, topology.StreamDeliveries)
	if dead := r.list(t, deliveries.Query{Status: deliveries.StatusDead}); len(dead) > 0 {
		t.Errorf("%d are dead", len(dead))
	}
}
