package consume_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// aside is a webhook whose body fits into no message.
func aside(id string) *event.Event {
	e := large(id)
	e.Source, e.Subject, e.Body = "acme", "webhooks.acme.big", bytes.Repeat(e.Body, 9<<20/len(e.Body)+1)
	return e
}

// startAside is start with bodies stored aside.
func startAside(t *testing.T, schedule ...time.Duration) *rig {
	t.Helper()
	cfg := settings(t, schedule...)
	cfg.LargeBodies, cfg.MaxBody = true, 16<<20
	return start(t, cfg)
}

// A body that is stored aside comes with every attempt, in order too, waits without a copy however long that is, and is
// there for the dead letter when its event is gone.
func TestBodyAsideIsDelivered(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		r := startAside(t, 300*24*time.Hour)
		rc, ok := mended(t)
		r.add(t, rc.URL, func(s *endpoint.Spec) { s.Ordered = &ordered }, "webhooks.>")
		e := aside("evt_1")
		body := e.Body
		check := func(what string) {
			t.Helper()
			if got := rc.next(t); !bytes.Equal(got.body, body) {
				t.Errorf("ordered %v, %s: got %d bytes of %d", ordered, what, len(got.body), len(body))
			}
		}
		if _, err := r.bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		check("first")
		d := r.one(t, deliveries.StatusWaiting)
		if n := r.waitingBytes(t); n > delivery.LargeBody {
			t.Errorf("%d bytes wait", n)
		}
		r.retry(t, d.ID)
		check("retried")
		dead := r.one(t, deliveries.StatusDead)
		if !dead.Cut || len(dead.Body) != 16<<10 || !strings.HasPrefix(string(body), dead.Body) {
			t.Errorf("it shows %d bytes, cut: %v", len(dead.Body), dead.Cut)
		}
		s, err := r.js.Stream(t.Context(), topology.StreamWebhooks)
		if err == nil {
			err = s.Purge(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		ok.Store(true)
		r.retry(t, d.ID)
		check("replayed")
		r.one(t, deliveries.StatusDelivered)
		r.stop()
	}
}

// What is not the body that came is sent to nobody: the delivery is dead and says why, and so again when it is replayed.
func TestBodyAsideThatIsNotIt(t *testing.T) {
	t.Parallel()
	for reason, alter := range map[string]func(store jetstream.ObjectStore, name string) error{
		"its size or digest is another": func(store jetstream.ObjectStore, name string) error {
			_, err := store.PutBytes(t.Context(), name, make([]byte, len(aside("evt_1").Body)))
			return err
		},
		"not in the object store jethook_bodies any more": func(store jetstream.ObjectStore, name string) error {
			return store.Delete(t.Context(), name)
		},
	} {
		r := startAside(t, time.Hour)
		rc, ok := mended(t)
		r.add(t, rc.URL, nil, "webhooks.>")
		if _, err := r.bus.Publish(t.Context(), aside("evt_1")); err != nil {
			t.Fatal(err)
		}
		rc.next(t)
		d := r.one(t, deliveries.StatusWaiting)
		store, err := r.js.ObjectStore(t.Context(), topology.BucketBodies)
		if err != nil {
			t.Fatal(err)
		}
		all, err := store.List(t.Context())
		if err == nil {
			err = alter(store, all[0].Name)
		}
		if err != nil {
			t.Fatal(err)
		}
		ok.Store(true)
		var last time.Time
		for range 2 {
			r.retry(t, d.ID)
			eventually(t, "it is dead", func() bool {
				dead := r.list(t, deliveries.Query{Status: deliveries.StatusDead})
				if len(dead) != 1 || !dead[0].At.After(last) {
					return false
				}
				last = dead[0].At
				return strings.Contains(dead[0].Reason, reason)
			})
		}
		if len(rc.got) > 0 {
			t.Error("a request was made with another body")
		}
		r.stop()
	}
}
