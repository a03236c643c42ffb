package publish_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config/quantity"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/quarantine"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// What was removed for good stays so, though the server brings it back after a kill.
func TestRemovedStaysRemoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream, root string
		selection    query.Selection
		store        func(*testing.T, *publish.Bus, string)
		remove       func(*testing.T, *publish.Bus, *query.Stored)
	}{
		"dead letters":                       {topology.StreamDead, "jethook.dead.", query.Dead("ep_1"), die, exhume},
		"replayed dead letters":              {topology.StreamDead, "jethook.dead.", query.Dead("ep_1"), die, replay},
		"dead letters that replaced others":  {topology.StreamDead, "jethook.dead.", query.Dead("ep_1"), die, replaceAndExhume},
		"dead letters replayed together":     {topology.StreamDead, "jethook.dead.", query.Dead("ep_1"), die, replayTogether},
		"dead letters of a removed endpoint": {topology.StreamDead, "jethook.dead.", query.Dead("ep_1"), die, forget},
		"rejected requests":                  {topology.StreamRejected, "jethook.rejected.", query.Rejected("stripe"), rejectOne, dropRejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			cfg.Sync = quantity.Sync(50 * time.Millisecond)
			b := bustest.Open(t, cfg)
			g := &grave{t: t, dir: cfg.DataDir, name: c.stream, root: c.root}
			_, g.js = bustest.Client(t, b)
			g.s = prompt(t, g.js, c.stream)
			g.bury(false, func() {
				for i := range buried {
					c.store(t, b, fmt.Sprint("evt_", i))
				}
			}, func() {
				for _, s := range page(t, b, c.selection) {
					c.remove(t, b, &s)
				}
			})
			after, log := *cfg, listenFor("reappeared; removed")
			after.DataDir = g.left()
			// Nor does it help that the server was stopped as it should be after the kill: it may bring them back even then.
			if err := os.Remove(filepath.Join(after.DataDir, "deaths")); err != nil {
				t.Fatal(err)
			}
			again, err := publish.Open(t.Context(), &after, slog.New(log))
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if there := page(t, again, c.selection); len(there) > 0 {
				t.Errorf("%d are there again", len(there))
			}
			select {
			case <-log.lines:
			default:
				t.Error("nothing had come back: this shows nothing")
			}
			c.store(t, again, "evt_new")
			if there := page(t, again, c.selection); len(there) != 1 {
				t.Errorf("%d of 1 new ones are there", len(there))
			}
		})
	}
}

// prompt makes a stream anew whose blocks can be seen as they begin.
func prompt(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.PersistMode = jetstream.DefaultPersistMode
	if err = js.DeleteStream(t.Context(), name); err == nil {
		s, err = js.CreateStream(t.Context(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A server of a cluster that is killed while Jethook runs does so too.
func TestRemovedStaysRemovedWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	run := func(dir string, port int) *server.Server {
		srv, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: port, NoSigs: true, JetStream: true, StoreDir: dir, SyncInterval: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		return srv
	}
	g := &grave{t: t, dir: t.TempDir(), name: topology.StreamDead, root: "jethook.dead."}
	srv := run(g.dir, server.RANDOM_PORT)
	cfg, log := onCluster(srv.ClientURL()), listenFor("reappeared; removed")
	cfg.Replicas = 1
	b, err := publish.Open(t.Context(), cfg, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error)
	go func() { watched <- b.Watch(ctx) }()
	defer func() {
		cancel()
		if err := <-watched; err != nil {
			t.Error(err)
		}
		b.Close()
	}()
	_, g.js = bustest.ClientOf(t, srv.ClientURL())
	g.s = prompt(t, g.js, g.name)
	g.bury(false, func() {
		for i := range buried {
			die(t, b, fmt.Sprint("evt_", i))
		}
	}, func() {
		for _, s := range page(t, b, query.Dead("ep_1")) {
			exhume(t, b, &s)
		}
	})
	left, port := g.left(), srv.Addr().(*net.TCPAddr).Port
	srv.Shutdown()
	srv.WaitForShutdown()
	srv = run(left, port)
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	<-log.lines
	if there := page(t, b, query.Dead("ep_1")); len(there) > 0 {
		t.Errorf("%d are there again", len(there))
	}
}

func page(t *testing.T, b *publish.Bus, sel query.Selection) []query.Stored {
	t.Helper()
	found, _, err := b.Query().Reverse(t.Context(), sel, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func die(t *testing.T, b *publish.Bus, id string) {
	t.Helper()
	bury(t, b, waiting(id, time.Hour))
}

// replaceAndExhume removes a dead letter that has replaced another one, as when two processes had the last attempt.
func replaceAndExhume(t *testing.T, b *publish.Bus, s *query.Stored) {
	t.Helper()
	d, err := delivery.Of(s)
	if err != nil {
		t.Fatal(err)
	}
	die(t, b, d.Event.ID)
	now, err := b.Find().Dead(t.Context(), d.ID())
	if err == nil {
		err = b.Deliveries().RemoveDead(t.Context(), &now)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func exhume(t *testing.T, b *publish.Bus, s *query.Stored) {
	t.Helper()
	d, err := delivery.Of(s)
	if err == nil {
		err = b.Deliveries().RemoveDead(t.Context(), &d)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func replay(t *testing.T, b *publish.Bus, s *query.Stored) {
	t.Helper()
	d, err := delivery.Of(s)
	if err == nil {
		d, err = b.Find().Dead(t.Context(), d.ID()) // with its whole body
	}
	if err == nil {
		err = b.Deliveries().Replay(t.Context(), &d)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// replayTogether replays all that are there, and then removes one of them, as whoever gets its replay does.
func replayTogether(t *testing.T, b *publish.Bus, s *query.Stored) {
	t.Helper()
	var dead []delivery.Delivery
	for _, other := range page(t, b, query.Dead("ep_1")) {
		d, err := delivery.Of(&other)
		if err == nil {
			d, err = b.Find().Dead(t.Context(), d.ID())
		}
		if err != nil {
			t.Fatal(err)
		}
		dead = append(dead, d)
	}
	if len(dead) == 0 { // by an earlier call
		return
	}
	if n, err := b.Deliveries().ReplayAll(t.Context(), dead); err != nil || n != len(dead) {
		t.Fatal(n, err)
	}
	exhume(t, b, s)
}

// forget removes the endpoint.
func forget(t *testing.T, b *publish.Bus, _ *query.Stored) {
	t.Helper()
	_, err := b.Buckets().Endpoints.Put(t.Context(), "ep_1", []byte("{}"))
	if err == nil {
		err = b.Buckets().Endpoints.Purge(t.Context(), "ep_1")
	}
	if err == nil {
		err = b.Deliveries().Forget(t.Context(), "ep_1")
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rejectOne(t *testing.T, b *publish.Bus, id string) {
	t.Helper()
	if err := reject(t.Context(), b, &quarantine.Request{Source: "stripe", Reason: "bad_signature", Body: []byte(id)}); err != nil {
		t.Fatal(err)
	}
}

func dropRejected(t *testing.T, b *publish.Bus, s *query.Stored) {
	t.Helper()
	if err := b.Rejected().Drop(t.Context(), s.Seq); err != nil {
		t.Fatal(err)
	}
}
