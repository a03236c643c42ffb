// Package load makes requests of a server as fast as it answers them, and counts how many it answers and how long each takes. It
// knows nothing of what is requested; [Connection] costs as little as it can, since it runs on the cores of what it measures.
package load

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"jethook/cmd/jethook/cli"
)

// Phase is a load that is closed: each worker begins its next request when the one before is answered.
type Phase struct {
	Name    string
	Workers int
	Limit   time.Duration // after which no request begins, except a worker's first
	Most    int64         // requests
	// Worker returns what makes one request of a worker, whose context ends with the phase.
	Worker func(ctx context.Context, i int) (request func() error)
}

// Result is what a phase measured. Its latency is that of the requests that succeeded.
type Result struct {
	Elapsed    time.Duration
	Latency    Histogram
	Errors     int64
	FirstError error
}

// add makes one result of two of the same load.
func (r *Result) add(other *Result) {
	r.Elapsed += other.Elapsed
	r.Latency.merge(&other.Latency)
	r.Errors += other.Errors
	if r.FirstError == nil {
		r.FirstError = other.FirstError
	}
}

// Rate is how many requests succeeded in a second.
func (r *Result) Rate() float64 { return PerSecond(r.Latency.Count(), r.Elapsed) }

// PerSecond is 0 when nothing was done, also in no time.
func PerSecond(n int64, in time.Duration) float64 { return Ratio(float64(n), in.Seconds()) }

// Ratio is 0 when there is nothing to compare with: JSON knows no infinity.
func Ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// Run returns when all requests have ended. The error is that of ctx.
func (p *Phase) Run(ctx context.Context, progress io.Writer) (*Result, error) {
	during, end := context.WithCancel(ctx)
	defer end()
	var begun, done atomic.Int64
	start := time.Now()
	defer Watch(progress, func() string {
		spent := time.Since(start)
		return fmt.Sprintf("%s: %.0f of %.0f s, %.0f requests/s", p.Name, spent.Seconds(), p.Limit.Seconds(), PerSecond(done.Load(), spent))
	})()
	results := make([]Result, p.Workers)
	var workers sync.WaitGroup
	for i := range results {
		workers.Go(func() {
			request, r := p.Worker(during, i), &results[i]
			for n := 0; (n == 0 || time.Since(start) < p.Limit) && begun.Add(1) <= p.Most; n++ {
				at := time.Now()
				err := request()
				switch {
				case ctx.Err() != nil:
					return
				case err == nil:
					r.Latency.Add(time.Since(at))
					done.Add(1)
				default:
					r.add(&Result{Errors: 1, FirstError: err})
				}
			}
		})
	}
	workers.Wait()
	total := &Result{}
	for i := range results {
		total.add(&results[i])
	}
	total.Elapsed = time.Since(start)
	return total, ctx.Err()
}

// Beside measures the bare work before and after the other, so that what drifts on the machine meets both.
func Beside(bare func() (*Result, error), other func() error) (*Result, error) {
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

// Watch writes what status says until the function it returns is called: in place on a terminal, and as a line
// every few seconds otherwise.
func Watch(w io.Writer, status func() string) (stop func()) {
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
