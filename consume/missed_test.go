package consume_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/endpoint"
	"jethook/consume/recovery"
	"jethook/consume/status"
	"jethook/consume/toggle"
	"jethook/publish/topology"
)

// take removes the first n messages of a stream, as retention does.
func (r *rig) take(t testing.TB, stream string, n uint64) {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream)
	if err == nil {
		err = s.Purge(t.Context(), jetstream.WithPurgeSequence(s.CachedInfo().State.FirstSeq+n))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) countMissed(t testing.TB) {
	t.Helper()
	if err := r.engine.CountMissed(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// missed is what the history of an endpoint and a recovery say that it has missed.
func (r *rig) missed(t testing.TB, ep *endpoint.Endpoint) (n uint64) {
	t.Helper()
	for _, a := range r.history(t, ep.ID) {
		n += a.Missed
	}
	rec, err := recovery.New(r.bus).Count(t.Context(), ep, time.Time{}, time.Time{}, false)
	if err != nil || rec.Gone != n {
		t.Errorf("a recovery says that %d are gone, the history %d: %v", rec.Gone, n, err)
	}
	return n
}

// What retention takes while it waits for an endpoint is counted, exactly and once, and told.
func TestMissed(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	r := start(t, cfg)
	next := ops(t, r)
	rc, answers := gone(t)
	ep := r.add(t, rc.URL, one, "events.a.*", "events.*.b")
	publishOne := func(i int) { // one in two is the endpoint's, and some of those match twice
		r.publish(t, fmt.Sprint("evt_", i), []string{"a.b", "x.y", "a.c", "x.y"}[i%4])
	}
	publishOne(0)
	rc.next(t)
	r.awaitDisabled(t, ep.ID)
	if kind, _ := next(); kind != "jethook.ops.endpoint.disabled" {
		t.Errorf("got %s", kind)
	}
	for i := 1; i < 400; i++ {
		publishOne(i)
	}
	r.settled(t, topology.StreamEvents)
	r.countMissed(t)
	if n := r.missed(t, &ep); n != 0 {
		t.Errorf("%d are missed although none was taken", n)
	}
	r.take(t, topology.StreamEvents, 100) // 0 to 99: one was attempted
	r.countMissed(t)
	r.countMissed(t)
	if n := r.missed(t, &ep); n != 49 {
		t.Errorf("%d are missed, want 49", n)
	}
	if kind, data := next(); kind != "jethook.ops.endpoint.missed" || data["missed"] != 49.0 || data["endpoint"] != ep.ID || data["stream"] != "EVENTS" {
		t.Errorf("got %s %v", kind, data)
	}
	board, err := status.NewBoard(r.bus, r.registry, nil).Status(t.Context())
	if err != nil || !slices.ContainsFunc(board.Endpoints, func(e status.Endpoint) bool { return e.ID == ep.ID && e.Missed == 49 }) {
		t.Errorf("the status does not tell what was missed: %+v, %v", board, err)
	}
	for i := 400; i < 500; i++ {
		publishOne(i)
	}
	r.settled(t, topology.StreamEvents)
	r.stop()

	r = start(t, cfg) // a process that starts later counts on
	r.take(t, topology.StreamEvents, 100)
	eventually(t, "it knows of the cursor", func() bool { r.countMissed(t); return r.missed(t, &ep) > 49 })
	if n := r.missed(t, &ep); n != 99 {
		t.Errorf("%d are missed, want 99", n)
	}
	answers.Store(http.StatusOK)
	r.set(t, ep.ID, false, time.Time{})
	for i := 200; i < 500; i += 2 {
		if got := rc.next(t).header.Get("webhook-id"); got != fmt.Sprint("evt_", i) {
			t.Fatalf("got %s, want evt_%d", got, i)
		}
	}
	eventually(t, "it has joined the others again", func() bool {
		keys, err := r.bus.Consumers().Records().ListKeys(t.Context())
		if err != nil {
			return false
		}
		n := 0
		for range keys.Keys() {
			n++
		}
		return n == 0
	})
	if n := r.missed(t, &ep); n != 99 {
		t.Errorf("%d are missed, want 99", n)
	}
}

// What passed by an endpoint that its operator disabled is not missed when retention takes it.
func TestWhatPassedByIsNotMissed(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, one, "events.>")
	r.publishAll(t, "before_", 10)
	rc.gets(t, "before_", 10)
	r.set(t, ep.ID, true, time.Time{})
	r.publishAll(t, "meanwhile_", 100)
	r.settled(t, topology.StreamEvents)
	r.countMissed(t)
	r.take(t, topology.StreamEvents, 60)
	r.countMissed(t)
	if n := r.missed(t, &ep); n != 0 {
		t.Errorf("%d are missed", n)
	}
	r.set(t, ep.ID, false, toggle.FromDisabled)
	for i := 50; i < 100; i++ {
		if got := rc.next(t).header.Get("webhook-id"); got != fmt.Sprint("meanwhile_", i) {
			t.Fatalf("got %s, want meanwhile_%d", got, i)
		}
	}
	r.last(t, rc, "end")
	r.countMissed(t)
	if n := r.missed(t, &ep); n != 0 {
		t.Errorf("%d are missed", n)
	}
}
