package bench

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"jethook/cmd/jethook/cli"
)

// phase is a load that is closed: each worker begins its next request when the one before is answered.
type phase struct {
	name    string
	workers int
	limit   time.Duration // after which no request begins, except a worker's first
	most    int64         // requests
	// worker returns what makes one request of a worker, and what ends the worker.
	worker func(ctx context.Context, i int) (request func() error, end func())
}

// result is what a phase measured. Its latency is that of the requests that succeeded.
type result struct {
	elapsed    time.Duration
	latency    histogram
	errors     int64
	firstError error
}

// add makes one result of two of the same load.
func (r *result) add(other *result) {
	r.elapsed += other.elapsed
	r.latency.merge(&other.latency)
	r.errors += other.errors
	if r.firstError == nil {
		r.firstError = other.firstError
	}
}

func (r *result) rate() float64 { return perSecond(r.latency.n, r.elapsed) }

// run returns when all requests have ended. The error is that of ctx.
func (p *phase) run(ctx context.Context, progress io.Writer) (*result, error) {
	var begun, done atomic.Int64
	start := time.Now()
	defer watch(progress, func() string {
		spent := time.Since(start)
		return fmt.Sprintf("%s: %.0f of %.0f s, %.0f requests/s", p.name, spent.Seconds(), p.limit.Seconds(), perSecond(done.Load(), spent))
	})()
	results := make([]result, p.workers)
	var workers sync.WaitGroup
	for i := range results {
		workers.Go(func() {
			request, end := p.worker(ctx, i)
			defer end()
			r := &results[i]
			for n := 0; (n == 0 || time.Since(start) < p.limit) && begun.Add(1) <= p.most; n++ {
				at := time.Now()
				err := request()
				switch {
				case ctx.Err() != nil:
					return
				case err == nil:
					r.latency.add(time.Since(at))
					done.Add(1)
				default:
					r.add(&result{errors: 1, firstError: err})
				}
			}
		})
	}
	workers.Wait()
	total := &result{}
	for i := range results {
		total.add(&results[i])
	}
	total.elapsed = time.Since(start)
	return total, ctx.Err()
}

// beside measures the bare work before and after the other, so that what drifts on the machine meets both.
func beside(bare func() (*result, error), other func() error) (*result, error) {
	before, err := bare()
	if err != nil {
		return nil, err
	}
	if err := other(); err != nil {
		return nil, err
	}
	after, err := bare()
	if err != nil {
		return nil, err
	}
	before.add(after)
	return before, nil
}

// watch writes what status says until the function it returns is called: in place on a terminal, and as a line
// every few seconds otherwise.
func watch(w io.Writer, status func() string) (stop func()) {
	if w == nil {
		return func() {}
	}
	pause, format, last := 5*time.Second, "%s\n", ""
	if cli.IsTerminal(w) {
		const clear = "\r\x1b[K"
		pause, format, last = 200*time.Millisecond, clear+"%s", clear
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(w, format, status())
			case <-quit:
				io.WriteString(w, last)
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
