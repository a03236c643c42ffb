// Package clock tells from refused requests whether a sender's clock and this machine's disagree.
package clock

import (
	"sync"
	"time"
)

const (
	// refusals is how many of a source's last refusals tell whether a clock is wrong, and fewest how few may:
	// fewer are the tries of one request that was held up.
	refusals = 16
	fewest   = 5
	// memory is for how long a refusal says something of the clocks. A request that is taken so long after one as
	// Pause says that they agree again.
	memory = time.Hour
	Pause  = time.Minute
)

// Watch tells from a source's refusals whether the sender's clock and this machine's disagree.
type Watch struct {
	mu     sync.Mutex // guards what follows
	recent [refusals]refusal
	next   int
	last   time.Time // when a request was last refused for its time alone; zero: never, or not since the clocks agreed
	warned bool
}

// refusal is a request that was refused. Off is how far its sender's clock was ahead, 0 where that was not why.
type refusal struct {
	at  time.Time
	off time.Duration
}

// Refused notes a refusal, and reports how far the sender's clock is ahead once that is clear, and has not been told.
func (w *Watch) Refused(now time.Time, off time.Duration) (ahead time.Duration, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent[w.next%refusals] = refusal{now, off}
	w.next++
	if off != 0 {
		w.last = now
	}
	ahead = w.estimate(now)
	news = ahead != 0 && !w.warned
	w.warned = w.warned || news
	return ahead, news
}

// Accepted notes that a request was taken, and reports whether that ends a disagreement that has been told.
func (w *Watch) Accepted(now time.Time) (ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last.IsZero() || now.Sub(w.last) < Pause {
		return false
	}
	ended = w.warned
	w.recent, w.next, w.last, w.warned = [refusals]refusal{}, 0, time.Time{}, false
	return ended
}

// Ahead is how far the sender's clock is ahead of this machine's, as far as can be told; 0 if they agree.
func (w *Watch) Ahead(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.estimate(now)
}

// estimate needs most of the last refusals to be of time and in one direction. The least of them is the nearest: what else
// holds a request up only adds.
func (w *Watch) estimate(now time.Time) time.Duration {
	var counts [2]int
	var least [2]time.Duration
	total := 0
	for _, r := range w.recent {
		if r.at.IsZero() || now.Sub(r.at) > memory {
			continue
		}
		total++
		if r.off == 0 {
			continue
		}
		side := 0
		if r.off < 0 {
			side = 1
		}
		if counts[side]++; counts[side] == 1 || r.off.Abs() < least[side].Abs() {
			least[side] = r.off
		}
	}
	for side, n := range counts {
		if n >= fewest && 2*n > total {
			return least[side].Round(time.Second)
		}
	}
	return 0
}
