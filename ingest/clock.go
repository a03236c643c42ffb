package ingest

import (
	"errors"
	"sync"
	"time"

	"jethook/ingest/provider"
)

const (
	// clockRefusals is how many of a source's last refusals tell whether a clock is wrong, and leastRefusals how few may:
	// fewer are the tries of one request that was held up.
	clockRefusals = 16
	leastRefusals = 5
	// clockMemory is for how long a refusal says something of the clocks. A request that is taken so long after one as
	// clockPause says that they agree again.
	clockMemory = time.Hour
	clockPause  = time.Minute
)

// clockWatch tells from a source's refusals whether the sender's clock and this machine's disagree.
type clockWatch struct {
	mu     sync.Mutex // guards what follows
	recent [clockRefusals]clockRefusal
	next   int
	last   time.Time // when a request was last refused for its time alone; zero: never, or not since the clocks agreed
	warned bool
}

// clockRefusal is a request that was refused. Off is how far its sender's clock was ahead, 0 where that was not why.
type clockRefusal struct {
	at  time.Time
	off time.Duration
}

// refused notes a refusal, and reports how far the sender's clock is ahead once that is clear, and has not been told.
func (w *clockWatch) refused(now time.Time, off time.Duration) (ahead time.Duration, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent[w.next%clockRefusals] = clockRefusal{now, off}
	w.next++
	if off != 0 {
		w.last = now
	}
	ahead = w.estimate(now)
	news = ahead != 0 && !w.warned
	w.warned = w.warned || news
	return ahead, news
}

// accepted notes that a request was taken, and reports whether that ends a disagreement that has been told.
func (w *clockWatch) accepted(now time.Time) (ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last.IsZero() || now.Sub(w.last) < clockPause {
		return false
	}
	ended = w.warned
	w.recent, w.next, w.last, w.warned = [clockRefusals]clockRefusal{}, 0, time.Time{}, false
	return ended
}

// ahead is how far the sender's clock is ahead of this machine's, as far as can be told; 0 if they agree.
func (w *clockWatch) ahead(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.estimate(now)
}

// estimate needs most of the last refusals to be of time and in one direction. The least of them is the nearest: what else
// holds a request up only adds.
func (w *clockWatch) estimate(now time.Time) time.Duration {
	var counts [2]int
	var least [2]time.Duration
	total := 0
	for _, r := range w.recent {
		if r.at.IsZero() || now.Sub(r.at) > clockMemory {
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
		if n >= leastRefusals && 2*n > total {
			return least[side].Round(time.Second)
		}
	}
	return 0
}

// watchClock notes that r was refused because of cause.
func (s *Server) watchClock(src *source, r *provider.Request, now time.Time, cause error) {
	ahead, news := src.clock.refused(now, src.clockOff(r, now, cause))
	if !news {
		return
	}
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	s.log.Warn("most requests of a source are refused for their timestamp: a clock is wrong, or requests are delayed",
		"source", src.name, "clock", "the sender's clock is about "+ahead.Abs().String()+" "+side+" this machine's",
		"remedy", "correct the clock, or raise "+variable(src.name, "TOLERANCE")+" to at most "+maxTolerance)
}

// maxTolerance is what config takes.
const maxTolerance = "1h"

// clockOff is how far ahead the clock was of whoever sent r, if its time is all that is wrong. What a stranger says of his
// time counts for nothing.
func (src *source) clockOff(r *provider.Request, now time.Time, cause error) time.Duration {
	if !errors.Is(cause, provider.ErrTooOld) && !errors.Is(cause, provider.ErrTooNew) {
		return 0
	}
	signed, found := src.sender.SignedAt(r)
	if !found || src.receiver.Load().Verifier.Verify(r, signed) != nil {
		return 0
	}
	return signed.Sub(now)
}
