//go:build unix

package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// refreshEvery is how often a live page asks, as app.js has it.
const refreshEvery = 5 * time.Second

// livePages are those that operators leave open.
var livePages = []string{"/deliveries", "/", "/endpoints", "/events", "/dead"}

// refresh asks for a live page as app.js does.
func (b *browser) refresh(path string) {
	b.t.Helper()
	if got := b.do("GET", path, nil, http.Header{"Hx-Request": {"true"}, "Hx-Target": {"main"}, "Accept-Encoding": {"gzip"}}); got.status >= 300 {
		b.t.Errorf("%s: %d", path, got.status)
	}
}

// BenchmarkViewers measures what live pages cost, in one run: the share of a core that one viewer takes, while something is
// delivered between any two of its questions; and how many deliveries are made in a second beside ten viewers, for each that is made
// beside none, by turns. The process that measures also holds the browsers, so the true cost is lower:
// go test ./consume/dashboard -run '^$' -bench Viewers -benchtime 1x
func BenchmarkViewers(b *testing.B) {
	const endpoints, attempts = 1000, 100_000
	r := start(b)
	var received atomic.Int64
	r.answers(func(http.ResponseWriter, *http.Request) { received.Add(1) })
	ids := make([]string, endpoints)
	var made sync.WaitGroup
	for part := range 8 {
		made.Go(func() {
			for i := part; i < endpoints; i += 8 {
				ids[i] = r.endpoint(fmt.Sprint("endpoint ", i), "/hook", fmt.Sprintf("events.e%d.>", i))
			}
		})
	}
	made.Wait()
	r.fill(b, ids, attempts)
	viewers := make([]*browser, 10)
	for i := range viewers {
		viewers[i] = r.signedIn(adminToken)
		viewers[i].refresh(livePages[i%len(livePages)])
	}
	for b.Loop() {
		for _, path := range livePages {
			b.ReportMetric(100*r.shareOfCore(viewers[0], path), "%core:"+path)
		}
		b.ReportMetric(r.slowdown(viewers, &received), "deliveries-beside-10-viewers")
	}
}

// shareOfCore is how much of a core a viewer of a page takes.
func (r *rig) shareOfCore(browser *browser, path string) float64 {
	const rounds = 30
	var used time.Duration
	for i := range rounds {
		r.publish("e7.created", "", []byte(`{}`))
		time.Sleep(100 * time.Millisecond) // it is delivered
		if i%10 == 0 {
			time.Sleep(time.Second) // and the status is made anew
		}
		before := cpuTime()
		browser.refresh(path)
		used += cpuTime() - before
	}
	return float64(used/rounds) / float64(refreshEvery)
}

// cpuTime is how long the process has kept cores busy.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// slowdown is how many deliveries are made beside ten viewers for each that is made without: the median of several turns.
func (r *rig) slowdown(viewers []*browser, received *atomic.Int64) float64 {
	const turns, events = 9, 12_000
	deliver := func() time.Duration {
		began, want := time.Now(), received.Load()+events
		var sent sync.WaitGroup
		for part := range 64 {
			sent.Go(func() {
				for i := part; i < events; i += 64 {
					r.publish(fmt.Sprintf("e%d.x", i%1000), "", []byte(`{}`))
				}
			})
		}
		sent.Wait()
		for received.Load() < want {
			time.Sleep(time.Millisecond)
		}
		return time.Since(began)
	}
	beside := func() time.Duration {
		ctx, stop := context.WithCancel(context.Background())
		var watching sync.WaitGroup
		defer watching.Wait()
		defer stop()
		for i, viewer := range viewers {
			watching.Go(func() {
				tick := time.NewTicker(refreshEvery)
				defer tick.Stop()
				first := time.After(refreshEvery * time.Duration(i) / time.Duration(len(viewers))) // they do not ask at once
				for {
					select {
					case <-ctx.Done():
						return
					case <-first:
					case <-tick.C:
					}
					viewer.refresh(livePages[i%len(livePages)])
				}
			})
		}
		return deliver()
	}
	deliver()
	var ratios []float64
	for turn := range turns {
		var with, without time.Duration
		if turn%2 == 0 { // the second of two may be slower by itself
			with, without = beside(), deliver()
		} else {
			without, with = deliver(), beside()
		}
		ratios = append(ratios, float64(without)/float64(with))
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}
