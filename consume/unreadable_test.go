package consume_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config/logtest"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/recovery"
	"jethook/publish/report"
	"jethook/publish/topology"
)

// An ordered endpoint whose record is spoilt loses nothing: its events wait in the stream, and go on in their order.
func TestOrderedEndpointWithASpoiltRecord(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	r := start(t, cfg)
	rc := receive(t, always(http.StatusOK))
	ordered := true
	ep := r.add(t, rc.URL, func(s *endpoint.Spec) { s.Ordered = &ordered }, "events.>")
	r.publish(t, "evt_0", "a")
	rc.next(t)
	kv := r.bus.Buckets().Endpoints
	entry, err := kv.Get(t.Context(), ep.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), ep.ID, []byte("{")); err != nil {
		t.Fatal(err)
	}
	r.stop()

	var log logtest.Buffer
	r = startLogging(t, cfg, slog.New(slog.NewTextHandler(&log, nil)))
	other := receive(t, always(http.StatusOK))
	r.add(t, other.URL, nil, "events.>")
	const n = 5
	for i := range n {
		r.publish(t, fmt.Sprint("evt_", i+1), "a")
		other.next(t)
	}
	if _, err := r.js.Consumer(t.Context(), topology.StreamEvents, ep.ID); err != nil {
		t.Errorf("its place in the stream: %v", err)
	}
	if strings.Count(log.String(), "cannot read a stored record") != 1 || strings.Contains(log.String(), "removed endpoints") {
		t.Errorf("the log says\n%s", log.String())
	}
	if _, err := r.bus.Buckets().Endpoints.Put(t.Context(), ep.ID, entry.Value()); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if id := rc.next(t).header.Get("webhook-id"); id != fmt.Sprint("evt_", i+1) {
			t.Errorf("got %s as number %d", id, i+1)
		}
	}
}

// Records of recoveries that can't be read stop no other, and not the next one of their endpoint.
func TestBadRecoveriesStopNoOther(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	r := startLogging(t, settings(t), slog.New(slog.NewTextHandler(&log, nil)))
	m := newMoody(t)
	ep := r.add(t, m.URL, nil, "events.>")
	m.refuse("dead_")
	r.publish(t, "dead_0", "a")
	eventually(t, "it is dead", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusDead})) == 1 })
	m.takeAll()
	bad := map[string]string{
		"ep_cut": `{"id":"rec_`, "ep_null": "null", "ep_large": `{"x":"` + strings.Repeat("x", 1<<20) + `"}`,
		ep.ID: `{"id":"rec_` + ep.ID[3:] + `_x","endpoint":"` + ep.ID + `","state":"running","phase":"dead","started":"2026-01-01T00:00:00Z","until":"2026-01-01T00:00:00Z","place":{"leg":-1}}`,
	}
	for key, data := range bad {
		if _, err := r.bus.Buckets().Recoveries.Put(t.Context(), key, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "each is named", func() bool { _, n := r.engine.Unreadable(); return n == len(bad) })
	named, _ := r.engine.Unreadable()
	if !slices.IsSortedFunc(named, func(a, b report.Unreadable) int { return strings.Compare(a.Key, b.Key) }) {
		t.Errorf("got %+v", named)
	}
	jobs := recovery.New(r.bus)
	if all, err := jobs.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	rec, err := jobs.Start(t.Context(), &ep, time.Time{}, time.Time{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if rec = r.recovered(t, rec.ID); rec.State != recovery.Done || rec.Counts.Dead != 1 {
		t.Errorf("got %+v", rec)
	}
	eventually(t, "it comes", func() bool { return m.times("dead_0") == 1 })
	eventually(t, "what was replaced is named no more", func() bool { _, n := r.engine.Unreadable(); return n == len(bad)-1 })
	if n := strings.Count(log.String(), "cannot read a stored record"); n != len(bad) {
		t.Errorf("%d lines in the log for %d records:\n%s", n, len(bad), log.String())
	}
}
