package consume_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// switchable is a receiver that answers with the status that was set last.
func switchable(t testing.TB, status int32) (*receiver, *atomic.Int32) {
	var now atomic.Int32
	now.Store(status)
	return receive(t, func(_ int, _ request, w http.ResponseWriter) { w.WriteHeader(int(now.Load())) }), &now
}

// ops subscribes a receiver to the operational events and returns a func that waits for the next one.
func ops(t testing.TB, r *rig) func() (kind string, data map[string]any) {
	rc := receive(t, always(http.StatusOK))
	r.add(t, rc.URL, nil, "jethook.ops.endpoint.*")
	return func() (string, map[string]any) {
		var event struct {
			Type string
			Data map[string]any
		}
		if err := json.Unmarshal(rc.next(t).body, &event); err != nil {
			t.Fatal(err)
		}
		return event.Type, event.Data
	}
}

func outcomes(history []history.Attempt, class attempt.Class, outcome history.Outcome) (n int) {
	for _, a := range history {
		if a.Class == class && a.Outcome == outcome {
			n++
		}
	}
	return n
}

// An endpoint that keeps failing is probed. What is not attempted waits in its stream, uses no attempt up and writes nothing.
// When it takes one, it gets everything. Both are told to whom it concerns.
func TestCircuitOpensAndCloses(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour, time.Hour))
	next := ops(t, r)
	rc, status := switchable(t, http.StatusInternalServerError)
	ep := r.add(t, rc.URL, nil, "events.>")
	const n = 300
	r.publishAll(t, "evt_", n)
	r.settled(t, topology.StreamEvents)
	if kind, data := next(); kind != "jethook.ops.endpoint.failing" || data["endpoint"] != ep.ID || data["reason"] == "" {
		t.Errorf("got %s %v", kind, data)
	}
	if asked := len(rc.got); asked > n/3 {
		t.Errorf("an endpoint that fails was asked %d times for %d events", asked, n)
	}
	if e, _ := r.registry.Lookup(ep.ID); e.FailingSince.IsZero() {
		t.Error("the endpoint does not say that it is failing")
	}

	status.Store(http.StatusOK) // a probe finds it well
	if kind, data := next(); kind != "jethook.ops.endpoint.recovered" || data["endpoint"] != ep.ID {
		t.Errorf("got %s %v", kind, data)
	}
	requests := map[string]int{}
	for len(requests) < n { // each is attempted at last
		requests[rc.next(t).header.Get("webhook-id")]++
	}
	r.last(t, rc, "end")
	for id, times := range requests {
		if times > 1 {
			t.Errorf("%s was attempted %d times", id, times)
		}
	}
	// What was attempted before waits for its retry, and nothing else does.
	failed := outcomes(r.history(t, ep.ID), attempt.ClassStatus, history.Failed)
	waiting := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting})
	if len(waiting) != failed || r.lastOf(t, topology.StreamDeliveries) > uint64(failed) {
		t.Errorf("%d attempts failed, %d deliveries wait, %d were written", failed, len(waiting), r.lastOf(t, topology.StreamDeliveries))
	}
	for _, d := range waiting {
		if d.Attempts != 1 || d.Reason == "" || d.Waits != string(delivery.WhyRetry) {
			t.Fatalf("got %+v", d)
		}
	}
	recorded := func(o history.Outcome) uint64 {
		n, _, err := r.bus.Query().Count(t.Context(), delivery.HistoryKey{Endpoint: ep.ID, Outcome: string(o)}.Selection())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if o, c := recorded(history.CircuitOpened), recorded(history.CircuitClosed); o != 1 || c != 1 {
		t.Errorf("recorded: opened %d times, closed %d times", o, c)
	}
}

// That an endpoint fails is known to a process that starts later, too.
func TestOpenCircuitOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	r := start(t, cfg)
	rc, _ := switchable(t, http.StatusInternalServerError)
	ep := r.add(t, rc.URL, nil, "events.>")
	for i := range 100 {
		r.publish(t, fmt.Sprint("before_", i), "a")
	}
	eventually(t, "it is failing", func() bool { e, _ := r.registry.Lookup(ep.ID); return !e.FailingSince.IsZero() })
	r.settled(t, topology.StreamEvents)
	r.stop()
	before := len(rc.got)

	r = start(t, cfg)
	for i := range 100 {
		r.publish(t, fmt.Sprint("after_", i), "a")
	}
	r.settled(t, topology.StreamEvents)
	if asked := len(rc.got) - before; asked > 25 {
		t.Errorf("asked %d times for 100 events", asked)
	}
}

// A poor but working endpoint keeps its circuit closed: every event gets its request.
func TestFlakyEndpointKeepsItsCircuit(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n%3 != 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	r.add(t, rc.URL, nil, "events.>")
	for i := range 200 {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	for range 200 {
		rc.next(t)
	}
}

// An endpoint that refuses some events for good is well: their retries, which come due one after the other, don't open its
// circuit.
func TestRefusedRetriesDoNotOpenTheCircuit(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Second))
	rc := receive(t, func(_ int, req request, w http.ResponseWriter) {
		if strings.HasPrefix(req.header.Get("webhook-id"), "bad_") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	ep := r.add(t, rc.URL, nil, "events.>")
	const bad = 30
	for i := range bad {
		r.publish(t, fmt.Sprint("bad_", i), "a")
		r.publish(t, fmt.Sprint("good_", i), "a")
	}
	eventually(t, "those that it refuses are dead", func() bool {
		return len(r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusDead})) == bad
	})
	if opened := outcomes(r.history(t, ep.ID), attempt.ClassNone, history.CircuitOpened); opened > 0 {
		t.Errorf("the circuit opened %d times", opened)
	}
}

// An endpoint that has taken nothing for DISABLE_AFTER is disabled. What waits for it stays, and goes on when it
// is enabled.
func TestDisabledAfterFailingForLong(t *testing.T) {
	t.Parallel()
	pauses := make([]time.Duration, 15)
	for i := range pauses {
		pauses[i] = 200 * time.Millisecond
	}
	cfg := settings(t, pauses...)
	cfg.DisableAfter = time.Second
	r := start(t, cfg)
	next := ops(t, r)
	rc, status := switchable(t, http.StatusInternalServerError)
	ep := r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt", "a")
	if kind, _ := next(); kind != "jethook.ops.endpoint.failing" {
		t.Errorf("got %s", kind)
	}
	if kind, data := next(); kind != "jethook.ops.endpoint.disabled" || !strings.Contains(fmt.Sprint(data["reason"]), "1s") {
		t.Errorf("got %s %v", kind, data)
	}
	e, _ := r.registry.Lookup(ep.ID)
	if !e.Disabled || e.DisabledReason == "" {
		t.Errorf("got %+v", e)
	}
	eventually(t, "it waits for being enabled", func() bool {
		w := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting})
		return len(w) == 1 && w[0].Waits == string(delivery.WhyDisabled)
	})
	r.publish(t, "meanwhile", "a") // waits in its stream
	r.settled(t, topology.StreamEvents)

	status.Store(http.StatusOK)
	made := len(rc.got)
	off := false
	if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) (err error) {
		*e, err = e.With(&endpoint.Spec{Disabled: &off}, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range made {
		rc.next(t)
	}
	got := []string{rc.next(t).header.Get("webhook-id"), rc.next(t).header.Get("webhook-id")}
	if slices.Sort(got); !slices.Equal(got, []string{"evt", "meanwhile"}) {
		t.Errorf("got %s", got)
	}
	r.settled(t, topology.StreamDeliveries)
	if len(rc.got) > 0 {
		t.Error("more than what waited was delivered")
	}
}
