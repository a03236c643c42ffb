package consume

import (
	"context"
	"errors"
	"sync"
	"time"

	"jethook/publish"
)

const (
	// minTurn keeps a deferred delivery from coming back before the lane has moved, and maxStall bounds after how
	// long a lane that stands still is asked again.
	minTurn  = time.Second
	maxStall = 2 * time.Minute
	// maxPull bounds how many deferred deliveries are brought forward at once.
	maxPull = 256
)

// backlog is what a lane has deferred to the bus. Turns are given at the pace that the lane has then. When it
// gets faster, what waits is brought forward, so that a turn may lie hours ahead and no delivery is written
// again and again only to be asked whether it is time. The lane's lock guards it.
type backlog struct {
	last    [2]time.Time // when the last deferred delivery of each class has its turn
	perhaps bool         // something waits for its turn, for all that is known
	looking bool         // something is being brought forward
	from    uint64       // where in the stream the next look begins: what lies before it has been looked at
}

// turn returns when a delivery that is deferred now has its turn.
func (l *lane) turn(c class) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turnAt(c, time.Now())
}

// turnAt is behind the queue and behind what was deferred before, at the pace the lane had when it last moved.
// One that stands still is asked again after as long as it has stood: it may have recovered, or it is asked
// less and less often. A turn is a little early, so that the lane does not run dry.
func (l *lane) turnAt(c class, now time.Time) time.Time {
	l.backlog.perhaps = true
	step := max(l.latency/time.Duration(l.limit), l.pacer.interval)
	if l.backlog.last[1-c].After(now) { // both classes wait
		step *= 2
	}
	ahead := l.pacer.wait(now) + time.Duration(len(l.queues[c]))*step
	if l.running > 0 {
		ahead = max(ahead, min(now.Sub(l.moved), maxStall))
	}
	last := &l.backlog.last[c]
	if earliest := now.Add(ahead); last.Before(earliest) {
		*last = earliest
	}
	*last = last.Add(step)
	if turn, earliest := last.Add(-patience), now.Add(minTurn); turn.After(earliest) {
		return turn
	}
	return now.Add(minTurn)
}

// shed takes from the queues what the lane may not hold any more, because its endpoint has become slow or its
// circuit is open, and returns it. What is deferred gets a turn; without one it is to fail at once.
func (l *lane) shed() (jobs []*job, turns []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for c := range l.queues {
		keep := max(0, l.capacity(class(c), now)-l.running)
		if l.circuit.open {
			keep = min(keep, probesAtOnce)
		}
		q := l.queues[c]
		keep = min(keep, l.fitting(q))
		if len(q) <= keep {
			continue
		}
		for _, j := range q[keep:] {
			l.let(j)
			jobs = append(jobs, j)
			if !l.circuit.open {
				turns = append(turns, l.turnAt(class(c), now))
			}
		}
		clear(q[keep:])
		l.queues[c] = q[:keep]
	}
	return jobs, turns
}

// fitting is how many of a queue's first jobs leave the lane with no more than its share of bytes.
func (l *lane) fitting(q []*job) int {
	n := len(q)
	for over := l.bytes - l.byteShare(); n > 0 && over > 0; n-- {
		over -= q[n-1].size()
	}
	return n
}

// appetite returns how many deferred deliveries the lane could do within its patience, and where to look for
// them; 0 when there is nothing to bring forward, or no room. The caller must call fed then.
func (l *lane) appetite() (n int, from uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := &l.backlog
	room := patience/2 - max(l.wait(fresh, now), l.wait(again, now))
	if !b.perhaps || b.looking || l.circuit.open || room <= 0 || l.bytes > l.byteShare()/2 {
		return 0, 0
	}
	n = int(room / max(l.pace(now), l.pacer.interval, time.Microsecond))
	n = min(max(n, 1), maxPull, l.capacity(again, now)-l.running-len(l.queues[again]))
	if n <= 0 {
		return 0, 0
	}
	b.looking, b.perhaps = true, false // true again if more is deferred meanwhile
	return n, b.from
}

// fed ends what appetite began: the next look begins at from, and there may be more.
func (l *lane) fed(from uint64, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backlog.looking, l.backlog.from = false, from
	if l.backlog.perhaps = l.backlog.perhaps || more; !l.backlog.perhaps {
		l.backlog.last = [2]time.Time{}
	}
}

// feed brings up to n deferred deliveries forward, whatever their turn: the lane has room now.
func (e *Engine) feed(ctx context.Context, l *lane, n int, from uint64) {
	found, next, more, err := e.bus.Turns(ctx, l.id, from, n)
	if err != nil && ctx.Err() == nil {
		e.log.Debug("looking for deferred deliveries failed", "endpoint", l.id, "error", err)
	}
	var stored sync.WaitGroup
	for i := range found {
		stored.Add(1)
		e.bus.Advance(&found[i], func(err error) {
			defer stored.Done()
			if err != nil && !errors.Is(err, publish.ErrConflict) { // else its turn came meanwhile
				e.log.Debug("bringing a delivery forward failed; it keeps its turn", "delivery", found[i].ID(), "error", err)
			}
		})
	}
	stored.Wait()
	l.fed(next, more || err != nil)
}
