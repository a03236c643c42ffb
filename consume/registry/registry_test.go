package registry_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/bustest"
)

// testNow is when the endpoints of these tests are made.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openBus(t testing.TB) *publish.Bus {
	t.Helper()
	return bustest.Open(t, bustest.Settings(t))
}

// process opens the registry as one process does and passes on the changes it is told of.
func process(t testing.TB, bus *publish.Bus) (*registry.Registry, <-chan registry.Change) {
	t.Helper()
	r, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan registry.Change, 100)
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { ended <- r.Run(ctx, bus.Queues().Restored, func(c registry.Change) { changes <- c }) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r, changes
}

func newEndpoint(t testing.TB, events ...string) endpoint.Endpoint {
	t.Helper()
	name, url := "test", "https://example.com/hook"
	e, err := endpoint.New(&endpoint.Spec{Name: &name, URL: &url, Events: events}, endpoint.NewAddressPolicy(nil), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func told(t *testing.T, changes <-chan registry.Change) registry.Change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(30 * time.Second):
		t.Fatal("told of nothing")
		return registry.Change{}
	}
}

func matches(r *registry.Registry, subject string) (ids []string) {
	for _, e := range r.Match(subject) {
		ids = append(ids, e.ID)
	}
	return ids
}

// A change by one process is seen by that one at once, and by the others without asking.
func TestChangesReachEveryProcess(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	a, toldA := process(t, bus)
	b, toldB := process(t, bus)

	e, err := a.Create(t.Context(), newEndpoint(t, "events.order.*", "events.>"))
	if err != nil {
		t.Fatal(err)
	}
	if got := matches(a, "events.order.created"); len(got) != 1 || got[0] != e.ID {
		t.Errorf("its own process matches %v", got)
	}
	for _, c := range []registry.Change{told(t, toldA), told(t, toldB)} {
		if c.Before != nil || c.After.ID != e.ID {
			t.Errorf("told %+v", c)
		}
	}
	if got := matches(b, "events.order.created"); len(got) != 1 || got[0] != e.ID {
		t.Errorf("the other process matches %v", got)
	}
	seen, ok := b.Lookup(e.ID)
	if !ok || seen.Secrets[0].Value.Reveal() != e.Secrets[0].Value.Reveal() || b.Enabled() != 1 {
		t.Errorf("the other process sees %+v", seen)
	}

	if _, err := b.Update(t.Context(), e.ID, func(e *endpoint.Endpoint) error {
		e.Disabled, e.DisabledReason = true, "disabled on request"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []registry.Change{told(t, toldA), told(t, toldB)} {
		if c.Before.Disabled || !c.After.Disabled {
			t.Errorf("told %+v", c)
		}
	}
	if got := matches(a, "events.order.created"); len(got) != 0 || a.Enabled() != 0 {
		t.Errorf("disabled, and matched: %v", got)
	}

	if err := a.Delete(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []registry.Change{told(t, toldA), told(t, toldB)} {
		if c.After != nil || c.Before.ID != e.ID {
			t.Errorf("told %+v", c)
		}
	}
	if _, ok := b.Lookup(e.ID); ok || len(b.All()) != 0 {
		t.Error("removed, and there")
	}
	for what, err := range map[string]error{
		"get":    func() error { _, err := a.Get(t.Context(), e.ID); return err }(),
		"delete": a.Delete(t.Context(), e.ID),
		"no key": a.Delete(t.Context(), "no such/key *"),
		"update": func() error {
			_, err := a.Update(t.Context(), e.ID, func(*endpoint.Endpoint) error { return nil })
			return err
		}(),
	} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// Two processes that change one endpoint at once lose no change.
func TestUpdatesAreNotLost(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	a, _ := process(t, bus)
	b, _ := process(t, bus)
	e, err := a.Create(t.Context(), newEndpoint(t, "events.>"))
	if err != nil {
		t.Fatal(err)
	}
	const each = 25
	done := make(chan error, 2)
	for _, r := range []*registry.Registry{a, b} {
		go func() {
			var err error
			for range each {
				_, err = r.Update(t.Context(), e.ID, func(e *endpoint.Endpoint) error { e.Concurrency++; return nil })
			}
			done <- err
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got, err := a.Get(t.Context(), e.ID); err != nil || got.Concurrency != 2*each {
		t.Errorf("%d changes are left of %d (%v)", got.Concurrency, 2*each, err)
	}
}

func TestRestartFindsTheEndpoints(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	a, _ := process(t, bus)
	var want []string
	for range 3 {
		e, err := a.Create(t.Context(), newEndpoint(t, "webhooks.polar.>"))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e.ID)
	}
	b, _ := process(t, bus)
	var got []string
	for _, e := range b.All() {
		got = append(got, e.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(b.Match("webhooks.polar.order.created")) != 3 {
		t.Errorf("got %v, want %v", got, want)
	}
}

// BenchmarkMatch finds the one endpoint that subscribed to a subject among many that did not.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint("endpoints=", n), func(b *testing.B) {
			bus := openBus(b)
			r, err := registry.Open(b.Context(), bus.Buckets().Endpoints, nil, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			for i := range n {
				if _, err := r.Create(b.Context(), newEndpoint(b, fmt.Sprintf("events.tenant%d.order.*", i))); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if len(r.Match("events.tenant7.order.created")) != 1 {
					b.Fatal("not matched")
				}
			}
		})
	}
}

// natsServer runs a nats-server of its own, on a free port when port is -1.
func natsServer(t *testing.T, port int, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, MaxPayload: 9 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// What others change while a process is cut off from the bus, it sees when the connection is back; and what
// they change after that, too.
func TestReconnectedProcessSeesChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := natsServer(t, -1, dir)
	port := s.Addr().(*net.TCPAddr).Port
	cfg := config.Default()
	cfg.NATSURL = s.ClientURL()
	openHere := func() *publish.Bus {
		bus, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bus.Close)
		return bus
	}
	bus := openHere()
	r, changes := process(t, bus)
	removed, err := r.Create(t.Context(), newEndpoint(t, "events.>"))
	if err != nil {
		t.Fatal(err)
	}
	told(t, changes)

	s.Shutdown()
	s.WaitForShutdown()
	natsServer(t, port, dir)
	other, err := registry.Open(t.Context(), openHere().Buckets().Endpoints, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Delete(t.Context(), removed.ID); err != nil {
		t.Fatal(err)
	}
	if c := told(t, changes); c.After != nil || c.Before.ID != removed.ID {
		t.Errorf("told %+v", c)
	}
	created, err := other.Create(t.Context(), newEndpoint(t, "events.>"))
	if err != nil {
		t.Fatal(err)
	}
	if c := told(t, changes); c.After == nil || c.After.ID != created.ID {
		t.Errorf("told %+v", c)
	}
	if got := matches(r, "events.a"); len(got) != 1 || got[0] != created.ID {
		t.Errorf("matches %v", got)
	}
}
