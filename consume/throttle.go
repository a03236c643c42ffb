package consume

import (
	"context"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// adjustEvery is how often a throttle looks at how busy the process is.
	adjustEvery = 50 * time.Millisecond
	// busy is the time that a goroutine of the slowest tenth waits for a processor when there is too much to do.
	busy = 25 * time.Microsecond
	// saturated is that time when the processors are what limits everything: more requests at once would only
	// wait for each other.
	saturated = 500 * time.Microsecond
	// leastRate and mostRate bound the deliveries a second that a throttle lets through: however busy the process
	// is, retries go on.
	leastRate, firstRate, mostRate = 1000, 4000, 1_000_000
)

// throttle makes deliveries that come due wait while the process has more to do than its processors can. Two
// hundred thousand retries that come due at one moment take a little longer for it, and the events of that
// moment don't.
type throttle struct {
	limiter *rate.Limiter
	passed  atomic.Int64 // since the last look
	fresh   atomic.Int64 // unix nanoseconds of the last first attempt
	full    atomic.Bool  // the processors are saturated
	sample  []metrics.Sample
	before  []uint64 // counts of the last sample
}

func newThrottle() *throttle {
	return &throttle{
		limiter: rate.NewLimiter(firstRate, 8),
		sample:  []metrics.Sample{{Name: "/sched/latencies:seconds"}},
	}
}

// sawFresh notes that a first attempt is to be made.
func (t *throttle) sawFresh() { t.fresh.Store(time.Now().UnixNano()) }

// wait returns when one more retry may be started: at once when there are no first attempts that it could delay.
// It returns early when ctx ends.
func (t *throttle) wait(ctx context.Context) {
	t.passed.Add(1)
	if time.Since(time.Unix(0, t.fresh.Load())) > time.Second {
		return
	}
	t.limiter.Wait(ctx) //nolint:errcheck // who is stopped sees it by ctx
}

// run adjusts the rate until ctx ends: less by a quarter when the process is busy, more by an eighth when it is not
// and the rate is what holds deliveries up.
func (t *throttle) run(ctx context.Context) error {
	tick := time.NewTicker(adjustEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		now := float64(t.limiter.Limit())
		used := float64(t.passed.Swap(0)) > now*adjustEvery.Seconds()*0.8
		latency := t.latency()
		t.full.Store(latency > saturated)
		switch {
		case latency > busy:
			t.limiter.SetLimit(rate.Limit(max(leastRate, now*0.75)))
		case used:
			t.limiter.SetLimit(rate.Limit(min(mostRate, now*1.125)))
		}
	}
}

// latency is the time that a goroutine waited for a processor since the last look; nine tenths waited less.
func (t *throttle) latency() time.Duration {
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
