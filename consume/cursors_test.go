package consume_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/consume"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
)

// beside starts another engine on the bus of r, as another process does, and returns what stops it.
func (r *rig) beside(t *testing.T) (stop func()) {
	t.Helper()
	cfg := settings(t, r.cfg.RetrySchedule...)
	cfg.NATSURL = strings.Replace(r.bus.Server().ClientURL(), "nats://", "nats://"+r.cfg.NATSAdminToken.Reveal()+"@", 1)
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	engine := consume.New(bus, registry, cfg, "test", log)
	engine.ShortenRests()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		bus.Close()
	})
	t.Cleanup(stop)
	return stop
}

// fickle is a receiver whose answers change all the time. It counts what it has taken.
type fickle struct {
	*receiver
	mood  atomic.Int32
	mu    sync.Mutex // guards taken
	taken map[string]int
}

// The moods of a receiver, in which it stays for a moment.
const (
	fast = iota
	sluggish
	failing
	pausing
	moods
)

func newFickle(t *testing.T) *fickle {
	m := &fickle{taken: make(map[string]int)}
	m.receiver = receive(t, func(_ int, r request, w http.ResponseWriter) {
		switch m.mood.Load() {
		case sluggish:
			time.Sleep(100 * time.Millisecond) // it is slow
		case failing:
			w.WriteHeader(http.StatusInternalServerError)
			return
		case pausing:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.taken[r.header.Get("webhook-id")]++
	})
	return m
}

// lacks returns which of the events it has not taken, and which more than once.
func (m *fickle) lacks(ids []string) (missing, twice []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		switch n := m.taken[id]; {
		case n == 0:
			missing = append(missing, id)
		case n > 1:
			twice = append(twice, id)
		}
	}
	return missing, twice
}

// Whatever its endpoint does, an event reaches it once: endpoints leave the shared intake and join it again all the time,
// two engines deliver, one of them is stopped and started, and patterns change.
func TestEachEventOnceWhileEndpointsComeAndGo(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, slices.Repeat([]time.Duration{time.Second}, 60)...))
	stopOther := r.beside(t)
	receivers := []*fickle{newFickle(t), newFickle(t), newFickle(t)}
	var changing endpoint.Endpoint
	for i, m := range receivers {
		e := r.add(t, m.URL, func(s *endpoint.Spec) {
			if i == 1 {
				rate := "200/s"
				s.RateLimit = &rate
			}
		}, "events.a")
		if i == 2 {
			changing = e
		}
	}
	steady := receive(t, always(http.StatusOK))
	r.add(t, steady.URL, nil, "events.>")

	var mu sync.Mutex // guards ids
	var ids []string
	var publishers sync.WaitGroup
	for p := range 3 {
		publishers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(p), 0))
			for i := range 500 {
				id, kind := fmt.Sprintf("evt_%d_%d", p, i), []string{"a", "b"}[rng.IntN(2)]
				if _, err := r.bus.Publish(t.Context(), internal(id, kind)); err != nil {
					t.Error(err)
					return
				}
				if kind == "a" {
					mu.Lock()
					ids = append(ids, id)
					mu.Unlock()
				}
				if i%10 == 0 {
					time.Sleep(time.Duration(rng.IntN(140)) * time.Millisecond) // a random moment
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { publishers.Wait(); close(done) }()
	left := make(map[string]bool)
	for rng, n, running := rand.New(rand.NewPCG(1, 1)), 0, true; running; n++ {
		select {
		case <-done:
			running = false
		case <-time.After(300 * time.Millisecond): // for which a mood lasts
		}
		receivers[rng.IntN(len(receivers))].mood.Store(rng.Int32N(moods))
		switch n % 4 {
		case 1:
			_, err := r.registry.Update(t.Context(), changing.ID, func(e *endpoint.Endpoint) (err error) {
				*e, err = e.With(&endpoint.Spec{Events: [][]string{{"events.a"}, {"events.a", "events.b"}}[n/4%2]},
					endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		case 3:
			stopOther()
			stopOther = r.beside(t)
		}
		if keys, err := r.bus.Consumers().Records().Keys(t.Context()); err == nil {
			for _, key := range keys {
				left[key] = true
			}
		}
	}
	for _, m := range receivers {
		m.mood.Store(fast)
	}
	for i, m := range receivers {
		defer func() {
			if missing, twice := m.lacks(ids); len(missing)+len(twice) > 0 {
				t.Errorf("endpoint %d: of %d events %d are missing %.10q, %d came more than once %.10q", i, len(ids), len(missing), missing, len(twice), twice)
			}
		}()
		// What its refusals taught may slow it for longer than a test waits, but not keep it from going on.
		for missing, _ := m.lacks(ids); len(missing) > 0; {
			before := len(missing)
			eventually(t, "more events are taken", func() bool {
				missing, _ = m.lacks(ids)
				return len(missing) < before
			})
		}
	}
	eventually(t, "all have joined again", func() bool {
		keys, err := r.bus.Consumers().Records().Keys(t.Context())
		return err != nil && len(keys) == 0 // there are none: that is an error
	})
	t.Logf("%d events; these left: %v", len(ids), left)
}
