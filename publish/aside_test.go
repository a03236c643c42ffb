package publish_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// onSmallServer is a bus on a server that takes messages of 1 MiB, with bodies stored aside, and an operator's client.
func onSmallServer(t *testing.T) (*publish.Bus, jetstream.JetStream) {
	t.Helper()
	cfg := config.Default()
	cfg.NATSURL = bustest.NATSServer(t, func(*server.Options) {})
	cfg.MaxBody, cfg.LargeBodies = 25<<20, true
	b := bustest.Open(t, cfg)
	_, js := bustest.ClientOf(t, cfg.NATSURL)
	return b, js
}

// large is a webhook that fits into no message of 1 MiB.
func large(id string, size int) *event.Event {
	e := bustest.Event(id)
	e.Body = make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size)})
	random.Read(e.Body)
	return e
}

// bodies are the objects in the bucket.
func bodies(t *testing.T, js jetstream.JetStream) (jetstream.ObjectStore, []*jetstream.ObjectInfo) {
	t.Helper()
	store, err := js.ObjectStore(t.Context(), topology.BucketBodies)
	if err != nil {
		t.Fatal(err)
	}
	all, err := store.List(t.Context())
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		t.Fatal(err)
	}
	return store, all
}

// What fits into no message is stored aside and read whole; what fits is not. An event that is there already leaves nothing
// behind, and neither does one that the store refuses.
func TestBodyAside(t *testing.T) {
	t.Parallel()
	b, js := onSmallServer(t)
	if b.Limits().Room != 64<<20 || b.Limits().Body != 25<<20 || b.Limits().Event != 1<<20-64<<10 {
		t.Errorf("room for %d, %d, and %d in an event", b.Limits().Room, b.Limits().Body, b.Limits().Event)
	}
	const fits = 1<<20 - 64<<10
	for i, size := range []int{fits, fits + 1, 20 << 20} {
		e := large(fmt.Sprint("evt_", i), size)
		body := e.Body
		r, err := b.Publish(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		h, err := b.EventLog().Read(t.Context(), r.Stream, r.Seq)
		if err != nil || h.Size != size || (len(h.Body) == 0) != (size > fits) {
			t.Fatalf("%d bytes: size %d, %d in the message, %v", size, h.Size, len(h.Body), err)
		}
		if err := b.EventLog().Complete(t.Context(), &h.Event); err != nil || !bytes.Equal(h.Body, body) {
			t.Errorf("%d bytes: got %d, %v", size, len(h.Body), err)
		}
	}
	store, all := bodies(t, js)
	if len(all) != 2 {
		t.Fatalf("%d bodies are aside", len(all))
	}
	if r, err := b.Publish(t.Context(), large("evt_2", 20<<20)); err != nil || !r.Duplicate {
		t.Errorf("again: %+v, %v", r, err)
	}
	if _, all := bodies(t, js); len(all) != 2 {
		t.Errorf("%d bodies are aside after a duplicate", len(all))
	}
	s, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	full := s.CachedInfo().Config
	full.MaxMsgs = 3
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), large("evt_3", 2<<20)); err == nil {
		t.Error("a full stream took an event")
	}
	if _, all := bodies(t, js); len(all) != 2 {
		t.Errorf("%d bodies are aside after a refusal", len(all))
	}
	status, err := store.Status(t.Context())
	if err != nil || status.TTL() != config.Default().Retention+30*24*time.Hour {
		t.Errorf("they stay for %v, %v", status.TTL(), err)
	}
}

// The events of one request are stored aside one by one, and all are there.
func TestBodiesAsideOfOneRequest(t *testing.T) {
	t.Parallel()
	b, _ := onSmallServer(t)
	events := []*event.Event{large("evt_1", 2<<20), bustest.Event("evt_2"), large("evt_3", 3<<20)}
	if err := b.PublishAll(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		h, err := b.EventLog().Read(t.Context(), topology.StreamWebhooks, uint64(i+1))
		if err == nil {
			err = b.EventLog().Complete(t.Context(), &h.Event)
		}
		if err != nil || h.ID != e.ID || !bytes.Equal(h.Body, e.Body) || h.Size != len(e.Body) {
			t.Errorf("%s: got %s with %d bytes, size %d: %v", e.ID, h.ID, len(h.Body), h.Size, err)
		}
	}
}

// A body that is stored without its event, as when the process is killed in between, is nobody's, and the sender's next
// try is stored.
func TestBodyAsideWithoutItsEvent(t *testing.T) {
	t.Parallel()
	b, js := onSmallServer(t)
	if err := b.SetAside(t.Context(), large("evt_1", 2<<20)); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil || s.CachedInfo().State.Msgs != 0 {
		t.Fatalf("%d events: %v", s.CachedInfo().State.Msgs, err)
	}
	e := large("evt_1", 2<<20)
	body := e.Body
	r, err := b.Publish(t.Context(), e)
	if err != nil || r.Duplicate {
		t.Fatalf("the next try: %+v, %v", r, err)
	}
	h, err := b.EventLog().Read(t.Context(), r.Stream, r.Seq)
	if err == nil {
		err = b.EventLog().Complete(t.Context(), &h.Event)
	}
	if err != nil || !bytes.Equal(h.Body, body) {
		t.Errorf("got %d bytes: %v", len(h.Body), err)
	}
}

// Neither a sender's headers nor those of an event that a service publishes refer to a body.
func TestForgedReferenceIsIgnored(t *testing.T) {
	t.Parallel()
	b, js := onSmallServer(t)
	if _, err := b.Publish(t.Context(), large("evt_1", 2<<20)); err != nil {
		t.Fatal(err)
	}
	whole, err := b.EventLog().Read(t.Context(), topology.StreamWebhooks, 1)
	if err != nil {
		t.Fatal(err)
	}
	reference := nats.Header{}
	for _, name := range []string{"Jethook-Body-Object", "Jethook-Body-Size", "Jethook-Body-Digest"} {
		if reference[name] = whole.Header[name]; len(reference[name]) != 1 {
			t.Fatalf("%s: %v", name, reference[name])
		}
	}
	sent := bustest.Event("evt_2")
	sent.Body, sent.Header = nil, reference
	r, err := b.Publish(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	reference = nats.Header{}
	for name, values := range whole.Header {
		reference[name] = values
	}
	delete(reference, nats.MsgIdHdr)
	ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "events.a", Header: reference})
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []struct {
		stream string
		seq    uint64
	}{{r.Stream, r.Seq}, {ack.Stream, ack.Sequence}} {
		h, err := b.EventLog().Read(t.Context(), place.stream, place.seq)
		if err == nil {
			err = b.EventLog().Complete(t.Context(), &h.Event)
		}
		if err != nil || len(h.Body) != 0 || h.Size != 0 {
			t.Errorf("%v: %d bytes, size %d: %v", place, len(h.Body), h.Size, err)
		}
	}
}

// A body is never given for another one: with another content, another size, without a part, or not there at all.
func TestAlteredBodyAside(t *testing.T) {
	t.Parallel()
	b, js := onSmallServer(t)
	for what, alter := range map[string]func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error{
		"another content": func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error {
			_, err := store.PutBytes(t.Context(), was.Name, bytes.Repeat([]byte("x"), int(was.Size)))
			return err
		},
		"shorter": func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error {
			_, err := store.PutBytes(t.Context(), was.Name, []byte("x"))
			return err
		},
		"longer": func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error {
			_, err := js.Publish(t.Context(), "$O.jethook_bodies.C."+was.NUID, []byte("x"))
			return err
		},
		"without a part": func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error {
			s, err := js.Stream(t.Context(), "OBJ_jethook_bodies")
			if err == nil {
				err = s.Purge(t.Context(), jetstream.WithPurgeSubject("$O.jethook_bodies.C."+was.NUID), jetstream.WithPurgeKeep(1))
			}
			return err
		},
		"deleted": func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error {
			return store.Delete(t.Context(), was.Name)
		},
		"too old": func(t *testing.T, store jetstream.ObjectStore, was *jetstream.ObjectInfo) error {
			s, err := js.Stream(t.Context(), "OBJ_jethook_bodies")
			for _, subject := range []string{"C." + was.NUID, "M." + base64.URLEncoding.EncodeToString([]byte(was.Name))} {
				if err == nil {
					err = s.Purge(t.Context(), jetstream.WithPurgeSubject("$O.jethook_bodies."+subject))
				}
			}
			return err
		},
	} {
		r, err := b.Publish(t.Context(), large(what, 2<<20))
		if err != nil {
			t.Fatal(err)
		}
		h, err := b.EventLog().Read(t.Context(), r.Stream, r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		store, _ := bodies(t, js)
		was, err := store.GetInfo(t.Context(), h.Header.Get("Jethook-Body-Object"))
		if err == nil {
			err = alter(t, store, was)
		}
		if err != nil {
			t.Fatal(what, err)
		}
		if err := b.EventLog().Complete(t.Context(), &h.Event); !errors.Is(err, failure.ErrBodyGone) || len(h.Body) > 0 {
			t.Errorf("%s: %d bytes, %v", what, len(h.Body), err)
		}
	}
	if err := js.DeleteObjectStore(t.Context(), topology.BucketBodies); err != nil {
		t.Fatal(err)
	}
	h, err := b.EventLog().Read(t.Context(), topology.StreamWebhooks, 1)
	if err == nil {
		err = b.EventLog().Complete(t.Context(), &h.Event)
	}
	if !errors.Is(err, failure.ErrBodyGone) {
		t.Errorf("without the bucket: %v", err)
	}
}

// The bucket follows a longer retention, and one that would lose bodies ends the start.
func TestBucketOfBodies(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.NATSURL = bustest.NATSServer(t, func(*server.Options) {})
	cfg.LargeBodies = true
	bustest.Open(t, cfg).Close()
	cfg.Retention *= 2
	bustest.Open(t, cfg).Close()
	_, js := bustest.ClientOf(t, cfg.NATSURL)
	s, err := js.Stream(t.Context(), "OBJ_jethook_bodies")
	if err != nil || s.CachedInfo().Config.MaxAge != cfg.Retention+30*24*time.Hour {
		t.Errorf("%v, %v", s.CachedInfo().Config.MaxAge, err)
	}
	if err := js.DeleteObjectStore(t.Context(), topology.BucketBodies); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: topology.BucketBodies, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, topology.ErrStreamMismatch) {
		t.Errorf("in memory: %v", err)
		b.Close()
	}
}

// On the embedded server a service gets a body with the client's object store, and can neither write nor remove one.
func TestServiceReadsBodiesAside(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.LargeBodies, cfg.MaxBody = true, 16<<20
	b := bustest.Open(t, cfg)
	e := large("evt_1", 9<<20)
	body := e.Body
	if _, err := b.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	o := outside(t, b.Server().ClientURL())
	s, err := o.js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil || len(m.Data) > 0 {
		t.Fatalf("%d bytes are in the message: %v", len(m.Data), err)
	}
	name := m.Header.Get("Jethook-Body-Object")
	store, _ := bodies(t, o.js)
	object, err := store.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(object); err != nil || !bytes.Equal(got, body) {
		t.Errorf("got %d bytes: %v", len(got), err)
	}
	old, err := o.Conn.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	older, err := old.ObjectStore(topology.BucketBodies)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := older.GetBytes(name); err != nil || !bytes.Equal(got, body) {
		t.Errorf("by the old API: %d bytes: %v", len(got), err)
	}
	if refused := o.settle(t); len(refused) > 0 {
		t.Errorf("reading was refused: %v", refused)
	}

	info, err := store.GetInfo(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	forbidden := []string{
		"$O.jethook_bodies.C." + info.NUID, "$O.jethook_bodies.M." + base64.URLEncoding.EncodeToString([]byte(name)),
		"$JS.API.STREAM.PURGE.OBJ_jethook_bodies", "$JS.API.STREAM.MSG.DELETE.OBJ_jethook_bodies",
		"$JS.API.STREAM.DELETE.OBJ_jethook_bodies", "$JS.API.STREAM.UPDATE.OBJ_jethook_bodies",
	}
	for _, subject := range forbidden {
		if err := o.PublishRequest(subject, o.NewInbox(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if refused := o.settle(t); len(refused) != len(forbidden) {
		t.Errorf("%d of %d were refused: %v", len(refused), len(forbidden), refused)
	}
	if got, err := store.GetBytes(t.Context(), name); err != nil || !bytes.Equal(got, body) {
		t.Errorf("afterwards: %d bytes: %v", len(got), err)
	}
}
