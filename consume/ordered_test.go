package consume_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume"
	"jethook/consume/endpoint"
	"jethook/publish"
)

// judge is a receiver that fails some attempts and watches that one delivery follows the other: each begins
// only after the one before is delivered or out of attempts, and no two are under way at once.
type judge struct {
	*receiver
	attempts int                      // that a delivery has
	fails    func(n, attempt int) int // status of the answer
	finished chan int                 // numbers of the events that are done, in the order in which they were

	mu      sync.Mutex // guards what follows
	busy    bool
	last    int  // the event that came last
	done    bool // it is delivered or dead
	repeats int  // requests for what was done
	faults  []string
}

func judging(t testing.TB, attempts int, fails func(n, attempt int) int) *judge {
	j := &judge{attempts: attempts, fails: fails, finished: make(chan int, 10_000), done: true, last: -1}
	j.receiver = receive(t, j.answer)
	return j
}

func (j *judge) answer(_ int, r request, w http.ResponseWriter) {
	_, number, _ := strings.Cut(r.header.Get("webhook-id"), "_")
	n, _ := strconv.Atoi(number)
	attempt, _ := strconv.Atoi(r.header.Get("Jethook-Attempt"))
	j.begin(n)
	status := j.fails(n, attempt)
	j.end(n, status < 300 || attempt == j.attempts)
	w.WriteHeader(status)
}

func (j *judge) begin(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.busy:
		j.faults = append(j.faults, fmt.Sprintf("%d came while %d was under way", n, j.last))
	case n == j.last && j.done:
		j.repeats++
	case n != j.last && (!j.done || n != j.last+1):
		j.faults = append(j.faults, fmt.Sprintf("%d came after %d, done: %t", n, j.last, j.done))
	}
	j.busy, j.last, j.done = true, n, false
}

func (j *judge) end(n int, done bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.busy, j.done = false, done; done {
		j.finished <- n
	}
}

// await waits until event n is done.
func (j *judge) await(t testing.TB, n int) {
	t.Helper()
	for deadline := time.After(2 * patience); ; {
		select {
		case got := <-j.finished:
			if got == n {
				return
			}
		case <-deadline:
			t.Fatalf("event %d never came to its end", n)
		}
	}
}

// verdict fails the test for every fault. Only a process that was stopped may repeat something.
func (j *judge) verdict(t testing.TB, repeats int) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, fault := range j.faults {
		t.Error(fault)
	}
	if j.repeats > repeats {
		t.Errorf("%d deliveries were made again", j.repeats)
	}
}

func ordered(s *endpoint.Spec) {
	yes := true
	s.Ordered = &yes
}

// publishRange publishes the events from lo on and below hi, in this order.
func (r *rig) publishRange(t testing.TB, lo, hi int) {
	t.Helper()
	for n := lo; n < hi; n++ {
		r.publish(t, fmt.Sprintf("evt_%d", n), "a.b")
	}
}

// join starts a second process on the bus of the first and returns what ends it.
func (r *rig) join(t testing.TB) (stop func()) {
	t.Helper()
	cfg := *r.cfg
	cfg.NATSURL = r.bus.ClientURL()
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), &cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := endpoint.OpenRegistry(t.Context(), bus.Endpoints(), log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- consume.New(bus, registry, &cfg, "test", log).Run(ctx) }()
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

// orderedConsumers returns on which streams the endpoint has a consumer of its own.
func (r *rig) orderedConsumers(t testing.TB, id string) (on []string) {
	t.Helper()
	for _, stream := range publish.OrderedStreams {
		ids, err := r.bus.Ordered(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(ids, id) {
			on = append(on, stream)
		}
	}
	return on
}

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
		dead := r.list(t, consume.Query{Status: consume.StatusDead, Endpoint: ep.ID})
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
	stop := r.join(t)
	r.publishRange(t, 0, 300)
	<-half
	stop()
	j.await(t, 299)
	j.verdict(t, 0)
	eventually(t, "all are delivered", func() bool {
		return len(r.list(t, consume.Query{Status: consume.StatusDelivered, Endpoint: ep.ID})) == 300
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
		return len(r.list(t, consume.Query{Endpoint: ep.ID, Status: consume.StatusWaiting})) == 1
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
	r.settled(t, publish.StreamEvents) // the shared consumer has passed them over
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
	if err := r.bus.PrepareOrdered(t.Context(), ep.ID, slices.Concat(ep.Events, events)); err != nil {
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
	if on := r.orderedConsumers(t, ep.ID); !slices.Equal(on, []string{publish.StreamEvents, publish.StreamOps}) {
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
	registry, err := endpoint.OpenRegistry(t.Context(), bus.Endpoints(), log)
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
