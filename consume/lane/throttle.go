package lane

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// retryShare is how many retries each processor lets begin in a second beside first attempts. With twice as many, more than
	// one in a hundred of those meets a garbage collection.
	retryShare = 400
	// firstFor is for how long after a first attempt others are expected.
	firstFor = time.Second
	// adjustEvery is how often a throttle looks at how busy the process is.
	adjustEvery = 50 * time.Millisecond
	// saturated is the time that a goroutine of the slowest tenth waits for a processor when the processors are what limits
	// everything: more requests at once would only wait for each other.
	saturated = 500 * time.Microsecond
)

// Throttle spaces deliveries that come due evenly, beside first attempts: hundreds of them that began at once would hold the
// events of that moment up, and they have waited for minutes.
type Throttle struct {
	limiter *rate.Limiter
	first   atomic.Int64 // unix nanoseconds of the last first attempt
	full    atomic.Bool  // the processors are saturated
	sample  []metrics.Sample
	before  []uint64 // counts of the last sample
}

// NewThrottle returns a throttle that takes the processors for idle until Run says otherwise.
func NewThrottle() *Throttle {
	return &Throttle{
		limiter: rate.NewLimiter(rate.Limit(retryShare*runtime.GOMAXPROCS(0)), 2),
		sample:  []metrics.Sample{{Name: "/sched/latencies:seconds"}},
	}
}

// SawFirst notes that a first attempt is to be made of what the shared intake brought.
func (t *Throttle) SawFirst() { t.first.Store(time.Now().UnixNano()) }

// besideFirst reports whether there are such attempts that others could delay.
func (t *Throttle) besideFirst(now time.Time) bool {
	return now.UnixNano()-t.first.Load() < int64(firstFor)
}

// Wait returns when one more retry may be started: at once when there are no first attempts that it could delay.
// It returns early when ctx ends.
func (t *Throttle) Wait(ctx context.Context) {
	if t.besideFirst(time.Now()) {
		t.limiter.Wait(ctx) //nolint:errcheck // who is stopped sees it by ctx
	}
}

// Run looks at how busy the process is until ctx ends.
func (t *Throttle) Run(ctx context.Context) error {
	tick := time.NewTicker(adjustEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.full.Store(t.latency() > saturated)
		case <-ctx.Done():
			return nil
		}
	}
}

// latency is the time that a goroutine waited for a processor since the last look; nine tenths waited less.
func (t *Throttle) latency() time.Duration {
	metrics.Read(t.sample)
	h := t.sample[0].Value.Float64Histogram()
	if t.before == nil {
		t.before = make([]uint64, len(h.Counts))
	}
	var total uint64
	for i, n := range h.Counts {
		total += n - t.before[i]
	}
	seen, at := uint64(0), 0
	for i, n := range h.Counts {
		if seen += n - t.before[i]; seen*10 >= total*9 {
			at = i
			break
		}
	}
	copy(t.before, h.Counts)
	return time.Duration(h.Buckets[at] * float64(time.Second))
}
