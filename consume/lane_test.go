package consume_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/consume"
	"jethook/consume/endpoint"
	"jethook/publish"
)

// However many retries come due for an endpoint, first attempts get their share of its lane.
func TestRetriesDoNotHoldBackFirstAttempts(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, after(t, 10*time.Millisecond))
	four := 4
	ep := r.add(t, rc.URL, func(s *endpoint.Spec) { s.Concurrency = &four }, "events.>")
	r.add(t, rc.URL, nil, "events.unused")
	const retries, events = 2000, 100
	due := time.Now().Add(time.Second)
	r.schedule(t, retries, func(i int) publish.Delivery {
		return publish.Delivery{
			Endpoint: ep.ID, Event: *internal(fmt.Sprint("old_", i), "a"), Attempt: 2, Due: due, Why: publish.WhyRetry,
		}
	})
	for range 20 {
		rc.next(t) // they come due
	}
	for i := range events {
		r.publish(t, fmt.Sprint("new_", i), "a")
	}
	fresh, late := 0, 20
	for fresh < events {
		if rc.next(t).header.Get("Jethook-Attempt") == "1" {
			fresh++
		} else {
			late++
		}
	}
	if late > retries/2 {
		t.Errorf("%d retries were made before %d first attempts", late, events)
	}
	for ; late < retries; late++ {
		rc.next(t)
	}
}

// Turns that were given while an endpoint was slow are brought forward when it is fast.
func TestTurnsAreBroughtForward(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.DeliveryTimeout = time.Minute
	r := start(t, cfg)
	gate, tooLong := make(chan struct{}), time.After(patience)
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n == 1 {
			select {
			case <-gate:
			case <-tooLong:
			}
		}
	})
	one := 1
	ep := r.add(t, rc.URL, func(s *endpoint.Spec) { s.Concurrency = &one }, "events.>")
	r.publish(t, "slow", "a")
	rc.next(t)
	time.AfterFunc(2*time.Second, func() { close(gate) })
	<-gate // a quarter of a second is what the lane expects of a request now
	const n = 1000
	for i := range n {
		go r.bus.Publish(t.Context(), internal(fmt.Sprint("evt_", i), "a"))
	}
	far := false
	seen := map[string]bool{}
	for len(seen) < n {
		seen[rc.next(t).header.Get("webhook-id")] = true
		if far || len(seen)%50 != 1 {
			continue
		}
		for _, d := range r.list(t, consume.Query{Endpoint: ep.ID, Status: consume.StatusWaiting}) {
			far = far || d.Next != nil && time.Until(*d.Next) > 10*time.Second
		}
	}
	if !far {
		t.Log("no turn lay far ahead on this machine")
	}
}

// A delivery that waits for a slow endpoint is written a few times, however long it waits.
func TestTurnsAreWrittenAFewTimes(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, after(t, 10*time.Millisecond))
	two := 2
	r.add(t, rc.URL, func(s *endpoint.Spec) { s.Concurrency = &two }, "events.>")
	other := receive(t, always(http.StatusOK))
	r.add(t, other.URL, nil, "events.unused")
	const n = 1500
	for i := range n {
		go r.bus.Publish(t.Context(), internal(fmt.Sprint("evt_", i), "a"))
	}
	for range n {
		rc.next(t)
	}
	s, err := r.js.Stream(t.Context(), publish.StreamDeliveries)
	if err != nil {
		t.Fatal(err)
	}
	// Each deferral is one message, and its coming due another one.
	written := int(s.CachedInfo().State.LastSeq)
	t.Logf("%d messages for %d deliveries", written, n)
	if written > 6*n {
		t.Errorf("%d messages were written for %d deliveries", written, n)
	}
}

// Turns that an earlier process gave, however far ahead, are brought forward by an idle lane.
func TestTurnsOfAnEarlierProcess(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.>")
	due := time.Now().Add(time.Hour)
	r.schedule(t, 3, func(i int) publish.Delivery {
		return publish.Delivery{
			Endpoint: ep.ID, Event: *internal(fmt.Sprint("old_", i), "a"), Attempt: 1, Due: due, Why: publish.WhyTurn,
		}
	})
	r.publish(t, "new", "a")
	for range 4 {
		rc.next(t)
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
	r.schedule(t, n, func(i int) publish.Delivery {
		return publish.Delivery{
			Endpoint: ep.ID, Event: *internal(fmt.Sprint("last_", i), "a"), Attempt: 2, Due: due, Why: publish.WhyRetry,
		}
	})
	for range n {
		rc.next(t)
	}
	r.settled(t, publish.StreamDeliveries)
	if dead := r.list(t, consume.Query{Status: consume.StatusDead}); len(dead) > 0 {
		t.Errorf("%d are dead", len(dead))
	}
}
