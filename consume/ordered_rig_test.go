package consume_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/consume"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/pull"
	"jethook/publish/topology"
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

// join starts a second process that reaches the bus of the first at url, and returns what ends it.
func (r *rig) join(t testing.TB, url string) (stop func()) {
	t.Helper()
	cfg := *r.cfg
	cfg.NATSURL, cfg.NATSToken = url, cfg.NATSAdminToken
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), &cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	engine := consume.New(bus, registry, &cfg, "test", log)
	engine.ShortenRests()
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

// orderedConsumers returns on which streams the endpoint has a consumer of its own.
func (r *rig) orderedConsumers(t testing.TB, id string) (on []string) {
	t.Helper()
	for _, stream := range topology.EventStreams {
		all, err := r.bus.Consumers().Ordered(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(all, func(own pull.Own) bool { return own.Endpoint == id }) {
			on = append(on, stream)
		}
	}
	return on
}

// cable is a way to the server at url that can be cut for good.
func cable(t testing.TB, url string) (through string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(context.Background())
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
			if err != nil {
				near.Close()
				return
			}
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
			go io.Copy(near, far)
			go io.Copy(far, near)
		}
	}()
	t.Cleanup(cut)
	return "nats://" + l.Addr().String(), cut
}
