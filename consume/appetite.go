package consume

import (
	"time"

	"jethook/consume/endpoint"
)

// What a lane says to the cursors of its endpoint, and what it gives back when it comes to rest.

// wants tells how many events the lane takes from its cursors now, and a channel that is closed when it may want more.
func (l *lane) wants() (n int, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.room == nil {
		l.room = make(chan struct{})
	}
	return l.appetite(now), l.room
}

// appetite is what the lane attempts within its patience, less what it holds. While the circuit is open, it is one event
// whenever a probe may be made and no retry is there for it.
func (l *lane) appetite(now time.Time) int {
	held := len(l.queues[fresh]) + len(l.aside)
	switch {
	case l.ep.Disabled || l.engine.stopping():
		return 0
	case l.circuit.open:
		if wait := max(l.circuit.wait(now), l.pacer.wait(now)); wait > 0 {
			l.pacer.arm(wait)
			return 0
		}
		if held+len(l.queues[again])+l.running > 0 {
			return 0
		}
		return 1
	case l.pacer.until.Sub(now) > 2*patience:
		l.pacer.arm(l.pacer.wait(now))
		return 0
	case held > 0 && l.bytes > l.byteShare()/2:
		return 0
	}
	most := l.ahead(now)
	if held > most/2 {
		return 0
	}
	return most - held
}

// ahead is how many events of its cursors the lane holds beyond what runs, at most.
func (l *lane) ahead(now time.Time) int {
	n := l.parallel(now)
	return max(n, min(mostAhead, aheadEach*n, l.work(now)))
}

// tellIfHungry tells the cursors when the lane runs low.
func (l *lane) tellIfHungry(now time.Time) {
	if l.room != nil && len(l.queues[fresh]) <= l.ahead(now)/2 {
		l.tellRoom()
	}
}

func (l *lane) tellRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// isFull reports whether the lane could not take one more event of a stream.
func (l *lane) isFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return l.running+len(l.queues[fresh]) >= l.capacity(fresh, now)
}

// fastWork is how many deliveries in a second make a lane fast.
const fastWork = 2000

// manyLanes is how many lanes read the stream by cursors of their own at a cost that counts, when all of them are as slow as
// the processors are.
const manyLanes = 16

// isWorthWaitingFor reports whether the shared intake may wait for the lane: it keeps moving, as fast as its endpoint wants or
// the processors let it, and nobody else has run dry for it.
func (l *lane) isWorthWaitingFor() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.blamedAt) > blameFades {
		l.blamed = 0
	}
	fast := l.work(now) >= fastWork || l.engine.throttle.full.Load() && l.engine.crowd() >= manyLanes
	return fast && l.proven && !l.rests(now) && !l.pacer.limits() && now.Sub(l.moved) < lately && l.blamed <= mostBlame
}

// blame notes for how long others ran dry while the shared intake waited for the lane.
func (l *lane) blame(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blamed, l.blamedAt = l.blamed+d, time.Now()
}

// isDry reports whether the lane has moved a moment ago and has nothing to do.
func (l *lane) isDry(now time.Time) bool {
	if !l.mu.TryLock() { // whoever has it gives it something, or takes something from it
		return false
	}
	defer l.mu.Unlock()
	return l.proven && now.Sub(l.moved) < lately && len(l.queues[fresh]) == 0 && l.running < l.limit
}

// putAside holds a job until it is known whether it is the cursor's.
func (l *lane) putAside(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold(j)
	l.aside = append(l.aside, j)
}

// takeAside takes the jobs of a stream that are aside out of the lane; of all streams if it is empty.
func (l *lane) takeAside(stream string) (jobs []*job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.aside[:0]
	for _, j := range l.aside {
		if stream != "" && j.h.in.queue.Stream != stream {
			rest = append(rest, j)
			continue
		}
		l.let(j)
		jobs = append(jobs, j)
	}
	clear(l.aside[len(rest):])
	l.aside = rest
	return jobs
}

// holdsShared counts the events of a stream that came by the shared intake and may be left to the cursor: those that are
// queued or aside, or are being handed over.
func (l *lane) holdsShared(stream string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.handing[stream]
	for _, jobs := range [][]*job{l.queues[fresh], l.aside} {
		for _, j := range jobs {
			if j.h.in.queue.Stream == stream && !j.h.in.cursor {
				n++
			}
		}
	}
	return n
}

// hand counts events of a stream that are about to be handed over to the cursor; negative: that have been.
func (l *lane) hand(stream string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handing[stream] += n
}

// goesToCursor reports whether an event that a lane gives back is handed over to the endpoint's cursor.
func goesToCursor(ep *endpoint.Endpoint, j *job) bool {
	return !j.isDue() && !j.h.in.cursor && !ep.Ordered
}

// relieve takes from the queues what the lane may not hold any more, because it rests or has become slow.
func (l *lane) relieve() (jobs []*job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for c := range l.queues {
		q := l.queues[c]
		keep := max(0, l.capacity(class(c), now)-l.running)
		switch {
		case l.ep.Disabled, class(c) == fresh && l.circuit.open && len(l.queues[again]) > 0: // retries are the probes
			keep = 0
		case !l.rests(now):
			keep *= 2 // it may be a moment's
		}
		if len(q) <= keep {
			continue
		}
		kept := q[:keep]
		for _, j := range q[keep:] {
			if j.h.in.cursor && !l.rests(now) { // a cursor brings no more than the lane asks for, in its order
				kept = append(kept, j)
				continue
			}
			l.let(j)
			if goesToCursor(l.ep, j) { // nobody may see it nowhere in between
				l.handing[j.h.in.queue.Stream]++
			}
			jobs = append(jobs, j)
		}
		clear(q[len(kept):])
		l.queues[c] = kept
	}
	return jobs
}

// restsUntil is when something may be attempted again for all that is known.
func (l *lane) restsUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.circuit.open:
		return now.Add(restPause)
	case l.pacer.until.After(now):
		return l.pacer.until
	default:
		return now.Add(fullPause)
	}
}
