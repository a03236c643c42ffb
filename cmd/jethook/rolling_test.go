package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer sends requests to the processes that say they are ready, in turn.
type balancer struct {
	mu    sync.Mutex // guards what follows
	ready []*process
	next  int
}

// watch asks the processes on their public listeners until ctx ends.
func (b *balancer) watch(ctx context.Context, all []*process) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		var ready []*process
		for _, p := range all {
			if res, err := client.Get("http://" + p.public + "/readyz"); err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					ready = append(ready, p)
				}
			}
		}
		b.mu.Lock()
		b.ready = ready
		b.mu.Unlock()
		time.Sleep(20 * time.Millisecond) // as balancers do
	}
}

func (b *balancer) pick() *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return nil
	}
	b.next++
	return b.ready[b.next%len(b.ready)]
}

func (b *balancer) has(p *process) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.ready, p)
}

// fleet is two processes that receive, behind a balancer, and two that deliver, on one NATS server.
type fleet struct {
	t               *testing.T
	address         string
	ingest, consume []*process
	balancer        *balancer
	steady          *witness     // takes everything
	flaky           *witness     // fails one event in 10 at first
	sent            atomic.Int64 // events that are stored, as their senders were told
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, address: readmeCluster(t, readmeOptions(t)), balancer: &balancer{}}
	env := []string{"JETHOOK_NATS_URL=nats://jethook:jethook-password@" + f.address, "JETHOOK_SHUTDOWN_DELAY=2s", "JETHOOK_RETRY_SCHEDULE=1s,1s"}
	for range 2 {
		in, out := newProcess(t, env...), newProcess(t, env...)
		in.start(t, "ingest")
		out.start(t, "consume")
		f.ingest, f.consume = append(f.ingest, in), append(f.consume, out)
	}
	f.steady = newWitness(t, always(http.StatusOK))
	f.flaky = newWitness(t, func(r *http.Request) int {
		if strings.HasSuffix(r.Header.Get("webhook-id"), "5") && r.Header.Get("Jethook-Attempt") == "1" {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	f.consume[0].endpoint(t, "steady", f.steady.url, "")
	f.consume[0].endpoint(t, "flaky", f.flaky.url, "")
	return f
}

// send sends webhooks until ctx ends. No sender may meet a closed door.
func (f *fleet) send(ctx context.Context, sender int) {
	client := &http.Client{Timeout: limit, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; {
		p := f.balancer.pick()
		if p == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if status, _ := p.post(context.WithoutCancel(ctx), client, fmt.Sprintf("evt_%d_%d", sender, n), secret); status != http.StatusAccepted {
			f.t.Errorf("a sender got %d", status)
		}
		f.sent.Add(1)
		n++
		time.Sleep(10 * time.Millisecond) // the load
	}
}

// restart stops a process in an orderly way and starts it again, while meanwhile is done.
func (f *fleet) restart(p *process, command string, meanwhile func()) {
	f.t.Helper()
	p.signal(f.t, syscall.SIGTERM)
	meanwhile()
	if err := p.cmd.Wait(); err != nil {
		f.t.Errorf("%s ended with %v\n%s", command, err, p.log)
	}
	if f.balancer.has(p) {
		f.t.Error("it stopped before it said that it would")
	}
	if !strings.Contains(p.log.String(), "serving until load balancers know") {
		f.t.Error("the log does not say why it goes on")
	}
	p.start(f.t, command)
}

// Processes of both kinds are restarted one after the other, ten times over and under load: no sender meets a closed door, all
// that is answered is stored, and each event comes, to each endpoint, exactly as often as its attempts say.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { f.balancer.watch(ctx, f.ingest) })
	for sender := range 4 {
		running.Go(func() { f.send(ctx, sender) })
	}
	for round := range 10 {
		in, out := f.ingest[round%2], f.consume[round%2]
		eventually(t, "it is among the ready", func() bool { return f.balancer.has(in) })
		before := f.sent.Load()
		eventually(t, "it is under load", func() bool { return f.sent.Load() > before+20 })
		f.steady.await(t, int(before)+20)
		f.restart(in, "ingest", func() { f.restart(out, "consume", func() {}) })
	}
	stop()
	running.Wait()
	f.check()
}

// check holds that each event was delivered, and none repeated: nobody was killed.
func (f *fleet) check() {
	f.t.Helper()
	_, js := steadyClient(f.t, "nats://jethook:jethook-password@"+f.address)
	w := &watcher{js}
	eventually(f.t, "all has come to its end", func() bool { return w.quiet(f.t.Context()) })
	stream, err := js.Stream(f.t.Context(), "WEBHOOKS")
	if err != nil {
		f.t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; int64(got) != f.sent.Load() {
		f.t.Errorf("%d were sent, and %d are stored", f.sent.Load(), got)
	}
	for name, endpoint := range map[string]*witness{"steady": f.steady, "flaky": f.flaky} {
		came, repeated := endpoint.requests(), 0
		for id, requests := range came {
			want := 1
			if name == "flaky" && strings.HasSuffix(id, "5") {
				want = 2
			}
			if repeated += len(requests) - want; len(requests) != want || !took(requests) {
				f.t.Errorf("%s came to %s as %+v", id, name, requests)
			}
		}
		if len(came) != int(f.sent.Load()) {
			f.t.Errorf("%d of %d events came to %s", len(came), f.sent.Load(), name)
		}
		f.t.Logf("%s got %d events, and %d requests more than it should", name, len(came), repeated)
	}
}
