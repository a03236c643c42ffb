package consume

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
)

// A delivery whose schedule the server has forgotten is made due; one whose time is yet to come stays.
func TestBringLate(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.DataDir, cfg.NATSListen, cfg.Sync = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", config.Sync(time.Minute)
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	nc, err := nats.Connect(bus.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	late := time.Now().Add(-time.Hour)
	for id, due := range map[string]time.Time{"late": late, "dead": late, "delivered": late, "early": time.Now().Add(time.Hour)} {
		m := &nats.Msg{Subject: "jethook.retry.ep_a.events:" + id, Data: []byte("{}"), Header: nats.Header{
			"Jethook-Id": {id}, "Jethook-Endpoint": {"ep_a"}, "Jethook-Attempt": {"2"}, "Jethook-Why": {"retry"},
			"Jethook-Due": {due.UTC().Format(time.RFC3339Nano)},
			// Not before the test is over, as if the server had forgotten it.
			"Nats-Schedule": {"@at " + time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339)}, "Nats-Schedule-Target": {"jethook.due.ep_a.x"},
		}}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	// What became of two of them is stored: their schedules came back by themselves.
	stored := make(chan error, 2)
	bus.Bury(&publish.Delivery{Endpoint: "ep_a", Event: publish.Event{ID: "dead"}, Attempt: 3}, func(err error) { stored <- err })
	bus.Record(publish.Trait{Endpoint: "ep_a", Outcome: string(OutcomeDelivered), Class: "ok", Status: 200},
		[]byte(`{"delivery":"ep_a.events:delivered"}`), func(err error) { stored <- err })
	for range 2 {
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
	}
	e := New(bus, nil, cfg, "test", log)
	if err := e.bringLate(t.Context(), time.Now().Add(-lateAfter)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"dead", "delivered"} {
		if trace, err := bus.Trace(t.Context(), "ep_a.events:"+id); err != nil || !trace.Scheduled.IsZero() || !trace.Due.IsZero() {
			t.Errorf("the %s one: %+v %v", id, trace, err)
		}
	}
	for due := false; !due; <-time.After(5 * time.Millisecond) { // the server looks at schedules every so often
		trace, err := bus.Trace(t.Context(), "ep_a.events:late")
		if err != nil {
			t.Fatal(err)
		}
		due = trace.Scheduled.IsZero() && !trace.Due.IsZero()
	}
	if trace, err := bus.Trace(t.Context(), "ep_a.events:early"); err != nil || trace.Scheduled.IsZero() || !trace.Due.IsZero() {
		t.Errorf("the early one: %+v %v", trace, err)
	}
}
