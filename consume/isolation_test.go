package consume_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/topology"
)

// An endpoint that hangs takes nothing from one that does not, however many events wait for it.
func TestHangingEndpointHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	release := make(chan struct{})
	hanging := receive(t, func(_ int, _ request, w http.ResponseWriter) { <-release })
	defer close(release)
	healthy := receive(t, always(http.StatusOK))
	r.add(t, hanging.URL, nil, "events.>")
	r.add(t, healthy.URL, nil, "events.>")
	const n = 4600 // more than one process holds
	r.burst(t, n)
	seen := map[string]bool{}
	for len(seen) < n {
		seen[healthy.next(t).header.Get("webhook-id")] = true
	}
}

// What does not fit into a lane waits in its stream. That is no attempt, and nothing is lost or doubled by it.
func TestOverflowWaitsInItsStream(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	slow := receive(t, after(t, 5*time.Millisecond)) // 4 at once, 5 ms each: 800 a second at most
	other := receive(t, always(http.StatusOK))
	four := 4
	ep := r.add(t, slow.URL, func(s *endpoint.Spec) { s.Concurrency = &four }, "events.>")
	r.add(t, other.URL, nil, "events.unused")
	const n = 2400
	r.burst(t, n)
	deferred := false
	eventually(t, "some wait", func() bool {
		for _, d := range r.list(t, deliveries.Query{Status: deliveries.StatusWaiting}) {
			deferred = deferred || d.Waits == string(cursor.Behind) && d.Attempts == 0
		}
		return deferred
	})
	seen := map[string]int{}
	for len(seen) < n {
		got := slow.next(t)
		seen[got.header.Get("webhook-id")]++
		if a := got.header.Get("Jethook-Attempt"); a != "1" {
			t.Fatalf("waiting was counted as an attempt: %s", a)
		}
	}
	r.settled(t, topology.StreamDeliveries)
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
	eventually(t, "none waits", func() bool { // the last ones are recorded a moment after they came
		return len(r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting})) == 0
	})
}

// A graceful stop finishes what is in flight, puts the rest back, and makes no delivery twice.
func TestStopLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	r := start(t, cfg)
	rc := receive(t, after(t, 5*time.Millisecond))
	two := 2
	r.add(t, rc.URL, func(s *endpoint.Spec) { s.Concurrency = &two }, "events.>")
	const n = 600
	for i := range n {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	seen := map[string]int{}
	for range 20 {
		seen[rc.next(t).header.Get("webhook-id")]++
	}
	for range 3 {
		r.stop()
		r = start(t, cfg)
		for range 20 {
			seen[rc.next(t).header.Get("webhook-id")]++
		}
	}
	for len(seen) < n {
		seen[rc.next(t).header.Get("webhook-id")]++
	}
	r.settled(t, topology.StreamEvents)
	r.settled(t, topology.StreamDeliveries)
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}
