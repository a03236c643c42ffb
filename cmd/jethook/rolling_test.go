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

// Processes are restarted one after the other, ten times over and under load: no sender meets a closed door, and all that is
// answered is stored.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	address := readmeCluster(t, readmeOptions(t))
	all := make([]*process, 2)
	for i := range all {
		all[i] = newProcess(t, "JETHOOK_NATS_URL=nats://jethook:jethook-password@"+address, "JETHOOK_SHUTDOWN_DELAY=2s")
		all[i].start(t, "ingest")
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	b := &balancer{}
	running.Go(func() { b.watch(ctx, all) })
	var sent atomic.Int64
	client := &http.Client{Timeout: limit}
	for sender := range 4 {
		running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				p := b.pick()
				if p == nil {
					time.Sleep(time.Millisecond)
					n--
					continue
				}
				status, _ := p.post(context.WithoutCancel(ctx), client, fmt.Sprintf("evt_%d_%d", sender, n), secret)
				if status != http.StatusAccepted {
					t.Errorf("a sender got %d", status)
				}
				sent.Add(1)
			}
		})
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(limit); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("never happened: ", what)
			}
		}
	}
	for round := range 10 {
		p := all[round%2]
		until("it is among the ready", func() bool { return b.has(p) })
		before := sent.Load()
		until("it is under load", func() bool { return sent.Load() > before+20 })
		p.signal(t, syscall.SIGTERM)
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("it ended with %v", err)
		}
		if b.has(p) {
			t.Error("it stopped before it said that it would")
		}
		if !strings.Contains(p.log.String(), "serving until load balancers know") {
			t.Error("the log does not say why it goes on")
		}
		p.start(t, "ingest")
	}
	stop()
	running.Wait()
	_, js := steadyClient(t, "nats://jethook:jethook-password@"+address)
	stream, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; int64(got) != sent.Load() {
		t.Errorf("%d were sent, and %d are stored", sent.Load(), got)
	}
}
