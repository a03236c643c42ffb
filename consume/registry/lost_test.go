package registry_test

import (
	"log/slog"
	"net"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/publish"
)

// stopped ends a server.
func stopped(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// A server that loses power may have lost what it told: a process that outlives it sees what the bucket has now, and not
// what it had heard, also when the bucket has come to later revisions since.
func TestBucketThatLostChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := natsServer(t, -1, dir)
	port := s.Addr().(*net.TCPAddr).Port
	open := func(url string) *publish.Bus {
		cfg := config.Default()
		cfg.NATSURL = url
		bus, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bus.Close)
		return bus
	}
	setup := open(s.ClientURL())
	first, _ := process(t, setup)
	kept, removed := newEndpoint(t, "events.kept"), newEndpoint(t, "events.removed")
	for _, ep := range []*endpoint.Endpoint{&kept, &removed} {
		created, err := first.Create(t.Context(), *ep)
		if err != nil {
			t.Fatal(err)
		}
		*ep = created
	}
	setup.Close()
	stopped(s)
	before := t.TempDir()
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}

	s = natsServer(t, port, dir)
	bus := open(s.ClientURL())
	r, changes := process(t, bus)
	if _, err := r.Update(t.Context(), kept.ID, func(e *endpoint.Endpoint) error { e.Events = []string{"events.lost"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}
	told(t, changes)
	told(t, changes)
	stopped(s)

	// The store is as it was, and has gone on without the process.
	elsewhere := natsServer(t, -1, before)
	other := open(elsewhere.ClientURL())
	others, _ := process(t, other)
	for range 4 {
		if _, err := others.Create(t.Context(), newEndpoint(t, "events.new")); err != nil {
			t.Fatal(err)
		}
	}
	other.Close()
	stopped(elsewhere)
	natsServer(t, port, before)
	for n := 0; n < 6; n++ {
		told(t, changes)
	}
	for subject, want := range map[string]int{"events.kept": 1, "events.lost": 0, "events.removed": 1, "events.new": 4} {
		if got := matches(r, subject); len(got) != want {
			t.Errorf("%s matches %v, want %d", subject, got, want)
		}
	}
}
