package consume_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// Five hundred events come one by one in the order of the stream, although some fail and one dies.
func TestOrderedKeepsTheOrder(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 200*time.Millisecond))
	const events, dies = 500, 123
	j := judging(t, 2, func(n, attempt int) int {
		if n == dies || n%100 == 7 && attempt == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	ep := r.add(t, j.URL, ordered, "events.>")
	r.publishRange(t, 0, events)
	j.await(t, events-1)
	j.verdict(t, 0)
	eventually(t, "the one that failed twice is dead", func() bool {
		dead := r.list(t, deliveries.Query{Status: deliveries.StatusDead, Endpoint: ep.ID})
		return len(dead) == 1 && dead[0].EventID == fmt.Sprintf("evt_%d", dies)
	})
}

// Two processes keep the order together, and when one of them stops the other goes on where it was.
func TestOrderedAcrossProcesses(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 200*time.Millisecond, 200*time.Millisecond))
	half := make(chan struct{})
	j := judging(t, 3, func(n, attempt int) int {
		if n == 150 && attempt == 1 {
			close(half)
		}
		if n%60 == 0 && attempt <= 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	ep := r.add(t, j.URL, ordered, "events.>")
	stop := r.join(t, r.bus.Server().ClientURL())
	r.publishRange(t, 0, 300)
	<-half
	stop()
	j.await(t, 299)
	j.verdict(t, 0)
	eventually(t, "all are delivered", func() bool {
		return len(r.list(t, deliveries.Query{Status: deliveries.StatusDelivered, Endpoint: ep.ID})) == 300
	})
}

// A process that loses the bus in the middle, as one that is killed does, leaves to the other what it held.
func TestOrderedWhenAProcessIsCutOff(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 200*time.Millisecond))
	half := make(chan struct{})
	reached := sync.OnceFunc(func() { close(half) }) // the process that is cut off may be the one that held it
	j := judging(t, 2, func(n, attempt int) int {
		if n == 100 && attempt == 1 {
			reached()
		}
		if n%100 == 99 && attempt == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	r.add(t, j.URL, ordered, "events.>")
	url, cut := cable(t, r.bus.Server().ClientURL())
	r.join(t, url)
	r.publishRange(t, 0, 200)
	<-half
	cut()
	j.await(t, 199)
	j.verdict(t, 1)
}

// Two streams take turns at one endpoint: never two requests at once, and each stream in its order.
func TestOrderedFromTwoStreams(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	const each = 100
	var atOnce atomic.Int32
	rc := receive(t, func(int, request, http.ResponseWriter) {})
	rc.Config.Handler = alone(t, &atOnce, rc.Config.Handler)
	r.add(t, rc.URL, ordered, "events.>", "jethook.ops.>")
	var publishers errgroup.Group
	for _, subject := range []string{"events.a", "jethook.ops.a"} {
		publishers.Go(func() error {
			for n := range each {
				e := internal(fmt.Sprintf("%s_%d", subject, n), "a")
				e.Subject = subject
				if _, err := r.bus.Publish(t.Context(), e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := publishers.Wait(); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for range 2 * each {
		subject, number, _ := strings.Cut(rc.next(t).header.Get("webhook-id"), "_")
		if number != strconv.Itoa(next[subject]) {
			t.Errorf("%s: %s came, wanted %d", subject, number, next[subject])
		}
		next[subject]++
	}
}

func alone(t testing.TB, atOnce *atomic.Int32, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if atOnce.Add(1) != 1 {
			t.Error("two requests at once")
		}
		h.ServeHTTP(w, r)
		atOnce.Add(-1)
	})
}

// A restart in the middle loses nothing and keeps the order, also of what was being redelivered.
func TestOrderedAcrossARestart(t *testing.T) {
	t.Parallel()
	cfg := settings(t, 200*time.Millisecond)
	r := start(t, cfg)
	half := make(chan struct{})
	j := judging(t, 2, func(n, attempt int) int {
		if n == 50 && attempt == 1 {
			close(half)
		}
		if n%50 == 0 && attempt == 1 {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	r.add(t, j.URL, ordered, "events.>")
	r.publishRange(t, 0, 200)
	<-half
	r.stop()
	r = start(t, cfg)
	r.publishRange(t, 200, 250)
	j.await(t, 249)
	j.verdict(t, 0)
}

// While an ordered endpoint fails, others get the same events at once.
func TestOrderedHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	failing, healthy := receive(t, always(http.StatusInternalServerError)), receive(t, always(http.StatusOK))
	ep := r.add(t, failing.URL, ordered, "events.>")
	r.add(t, healthy.URL, nil, "events.>")
	r.publishRange(t, 0, 50)
	for range 50 {
		healthy.next(t)
	}
	failing.next(t)
	eventually(t, "the first one waits", func() bool {
		all := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting})
		return len(all) == 50 && countOf(all, waits(string(delivery.WhyRetry))) == 1 && countOf(all, waits("order", "first")) == 49
	})
	if n := len(failing.got); n != 0 {
		t.Errorf("%d more requests although the first failed", n)
	}
}

// Patterns that overlap bring each event once, and in order; those of other subjects stay away.
func TestOrderedOverlappingPatterns(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	j := judging(t, 1, func(int, int) int { return http.StatusOK })
	r.publish(t, "evt_99", "a.b") // from before
	r.add(t, j.URL, ordered, "events.a.*", "events.*.b", "events.a.b", "webhooks.>")
	for n, eventType := range []string{"a.b", "a.c", "x.b", "a.b", "a.d"} {
		r.publish(t, fmt.Sprintf("evt_%d", n), eventType)
		r.publish(t, fmt.Sprintf("other_%d", n), "x.y")
	}
	j.await(t, 4)
	j.verdict(t, 0)
}

// An ordered endpoint that is disabled misses nothing, and goes on in order.
func TestOrderedGoesOnWhenEnabled(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 200*time.Millisecond))
	j := judging(t, 2, func(n, attempt int) int {
		if n == 3 && attempt == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	ep := r.add(t, j.URL, ordered, "events.>")
	disable := func(disabled bool) {
		t.Helper()
		if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) error {
			e.Disabled = disabled
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	r.publishRange(t, 0, 3)
	j.await(t, 2)
	disable(true)
	r.publishRange(t, 3, 20)
	r.settled(t, topology.StreamEvents) // the shared consumer has passed them over
	if n := len(j.finished); n != 0 {
		t.Errorf("%d deliveries to a disabled endpoint", n)
	}
	disable(false)
	j.await(t, 19)
	j.verdict(t, 0)
}

// A change of patterns takes effect with the call: what is published after it comes, what was before doesn't.
func TestOrderedFollowsItsPatterns(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	j := judging(t, 1, func(int, int) int { return http.StatusOK })
	ep := r.add(t, j.URL, ordered, "events.a.b")
	r.publish(t, "evt_99", "a.c")
	r.publishRange(t, 0, 2)
	j.await(t, 1)
	events := []string{"events.a.c", "events.d", "jethook.ops.x"}
	if err := r.bus.Consumers().PrepareOrdered(t.Context(), ep.ID, slices.Concat(ep.Events, events)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) error {
		e.Events = events
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r.publish(t, "evt_98", "a.b") // no longer wanted
	r.publish(t, "evt_2", "a.c")
	r.publish(t, "evt_3", "d")
	j.await(t, 3)
	j.verdict(t, 0)
	if on := r.orderedConsumers(t, ep.ID); !slices.Equal(on, []string{topology.StreamEvents, topology.StreamOps}) {
		t.Errorf("consumers on %v", on)
	}
}

// A removed endpoint leaves no consumer behind, also when it is removed while nothing runs.
func TestOrderedRemovalDropsConsumers(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	r := start(t, cfg)
	rc := receive(t, always(http.StatusOK))
	one := r.add(t, rc.URL, ordered, "events.>", "webhooks.>")
	two := r.add(t, rc.URL, ordered, "jethook.ops.>")
	eventually(t, "both have consumers", func() bool {
		return len(r.orderedConsumers(t, one.ID)) == 2 && len(r.orderedConsumers(t, two.ID)) == 1
	})
	if err := r.registry.Delete(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removed one has none", func() bool { return len(r.orderedConsumers(t, one.ID)) == 0 })
	r.stop()
	removeOffline(t, cfg, two.ID)
	r = start(t, cfg)
	eventually(t, "nor has the other", func() bool { return len(r.orderedConsumers(t, two.ID)) == 0 })
}

func removeOffline(t *testing.T, cfg *config.Config, id string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	registry, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkOrdered takes events to one ordered endpoint that is fast: what it costs to wait for each.
func BenchmarkOrdered(b *testing.B) {
	r := start(b, settings(b, time.Minute))
	j := judging(b, 1, func(int, int) int { return http.StatusOK })
	j.finished = make(chan int, b.N)
	r.add(b, j.URL, ordered, "events.>")
	b.ResetTimer()
	r.publishRange(b, 0, b.N)
	j.await(b, b.N-1)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
