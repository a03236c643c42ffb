package lane

import (
	"context"
	"runtime"
	"time"
)

const (
	// stuck is for how long a lane stands still at most that a busy machine explains.
	stuck = 500 * time.Millisecond
	// reserved is how many deliveries of a class a lane may hold whatever else there is.
	reserved = 4
	// mostRetries is how many deliveries that came due a lane may hold while it moves, and restingRetries while it rests.
	mostRetries, restingRetries = 4096, 64
	// aheadEach is how many events a lane takes from its cursors for each request at once, and mostAhead how many for all:
	// hundreds that come at once take a processor for milliseconds.
	aheadEach, mostAhead = 8, 256
	// lagShare is how many requests at once an endpoint gets for each processor while it catches up beside the first attempts
	// of others, or as many more as it takes for lagPace a second: on processors that are busy anyway, more only wait for each
	// other, and the others' events with them.
	lagShare, lagPace = 1, 2000
	// restPause is how long a retry waits at least that its resting lane can't hold, and fullPause one of a lane that moves.
	restPause, fullPause = 10 * time.Second, 2 * time.Second
	// fastWork is how many deliveries in a second make a lane fast.
	fastWork = 2000
	// manyLanes is how many lanes read the stream by cursors of their own at a cost that counts, when all of them are as slow
	// as the processors are.
	manyLanes = 16
	// waitSlice is how long the shared intake waits for a lane before it looks at the others again.
	waitSlice = 2 * time.Millisecond
	// mostBlame is for how long others may have run dry meanwhile, and blameFades after how long that is forgotten.
	mostBlame, blameFades = 50 * time.Millisecond, time.Second
	// lately is how long ago a lane has moved that is not idle.
	lately = 100 * time.Millisecond
)

// RestPause is how long a delivery waits at least that a resting lane can't hold.
const RestPause = restPause

// parallel is how many requests may be made at once now.
func (l *Lane[J]) parallel(now time.Time) int {
	switch {
	case l.circuit.open:
		return 1
	case l.lags && l.pool.throttle.besideFirst(now):
		processors := runtime.GOMAXPROCS(0)
		return min(l.limit, processors*max(lagShare, int(lagPace*l.latency/time.Second)))
	default:
		return l.limit
	}
}

// admission is what a lane says to one more delivery.
type admission int

const (
	enter  admission = iota // it has room, whatever the others hold
	ifRoom                  // it has room if the process has
	full                    // it has none
)

// Offer takes the job if the lane has room for it. It may always hold a few, so that no crowd of others can keep it out;
// and its fair share, or more when it moves fast, while the process has a place for it.
func (l *Lane[J]) Offer(j J, place func() bool) (taken bool) {
	verdict := l.admit(j)
	if taken = verdict == enter || verdict == ifRoom && place(); taken {
		l.Take(j)
	}
	return taken
}

// OfferPatiently is Offer that waits while a full lane is worth it, and takes the job when ctx ends.
func (l *Lane[J]) OfferPatiently(ctx context.Context, j J, place func() bool) (taken bool) {
	for !l.Offer(j, place) {
		switch {
		case ctx.Err() != nil:
			l.Take(j)
			return true
		case !l.isWorthWaitingFor():
			return false
		}
		_, more := l.Wants()
		select {
		case <-more:
		case <-time.After(waitSlice):
			if l.pool.anyDry(l) {
				l.blame(waitSlice)
			}
		case <-ctx.Done():
		}
	}
	return true
}

func (l *Lane[J]) admit(j J) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, f := time.Now(), j.Facts()
	held := l.running + len(l.queues[f.Class])
	if held == 0 { // idle: it is not its fault that nothing moved
		l.moved = now
	}
	switch {
	case held == 0:
		return enter
	case held >= l.capacity(f.Class, now), l.bytes+f.Size > l.byteShare(), l.pool.bytes.Load()+f.Size > l.pool.limits.Bytes:
		return full
	case f.Detached && l.bytes+f.Size > l.pool.limits.DetachedBytes:
		return full
	case held < reserved:
		return enter
	default:
		return ifRoom
	}
}

// capacity is how many deliveries of a class the lane may hold, running and queued.
func (l *Lane[J]) capacity(c Class, now time.Time) int {
	switch {
	case c == Retry && l.rests(now):
		return restingRetries
	case c == Retry:
		return mostRetries
	case l.rests(now):
		return reserved
	default:
		share := l.pool.limits.Deliveries / 4
		if !l.proven {
			share = l.pool.limits.Deliveries / 2 / int(l.pool.crowd())
		}
		return max(reserved, min(share, 2*l.limit+l.work(now)))
	}
}

// rests reports whether nothing is to be attempted for longer than a moment.
func (l *Lane[J]) rests(now time.Time) bool {
	return l.circuit.open || l.ep.Disabled || l.pacer.until.Sub(now) > 2*patience
}

// RestsUntil is when something may be attempted again for all that is known, and whether the lane rests until then.
func (l *Lane[J]) RestsUntil() (until time.Time, rests bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	rests = l.rests(now)
	switch {
	case l.circuit.open:
		return now.Add(restPause), rests
	case l.pacer.until.After(now):
		return l.pacer.until, rests
	default:
		return now.Add(fullPause), rests
	}
}

// work is how many deliveries the lane attempts within its patience, at its pace.
func (l *Lane[J]) work(now time.Time) int {
	return int(patience / max(l.pace(now), l.pacer.interval, 10*time.Microsecond))
}

// pace estimates the time from one request's end to the next one's. A lane that has stood still for longer than a
// busy machine explains gets slower with every moment.
func (l *Lane[J]) pace(now time.Time) time.Duration {
	latency := l.latency
	if still := now.Sub(l.moved); l.running > 0 && still > stuck {
		latency = max(latency, still)
	}
	return latency / time.Duration(l.parallel(now))
}

// hold counts a job in, and let counts it out.
func (l *Lane[J]) hold(j J) { l.count(j, 1) }
func (l *Lane[J]) let(j J)  { l.count(j, -1) }

func (l *Lane[J]) count(j J, sign int) {
	f := j.Facts()
	bytes := int64(sign) * f.Size
	l.bytes += bytes
	l.pool.bytes.Add(bytes)
	if !f.Scheduled {
		l.activity.first += sign
	}
}

// byteShare is how many bytes of bodies the lane may hold.
func (l *Lane[J]) byteShare() int64 { return l.pool.limits.Bytes / l.pool.crowd() }

// Wants tells how many events the lane takes from its cursors now, and a channel that is closed when it may want more.
func (l *Lane[J]) Wants() (n int, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.room == nil {
		l.room = make(chan struct{})
	}
	return l.appetite(now), l.room
}

// appetite is what the lane attempts within its patience, less what it holds. While the circuit is open, it is the one event
// that is to be the next probe: where retries wait too it has to be there in time, else it comes when the probe may be made.
func (l *Lane[J]) appetite(now time.Time) int {
	held := len(l.queues[First]) + len(l.handover.aside)
	switch {
	case l.ep.Disabled || l.pool.stopping():
		return 0
	case l.circuit.open:
		retries := len(l.queues[Retry])
		if held+l.running > 0 || retries > 0 && l.last == First {
			return 0
		}
		if wait := max(l.circuit.wait(now), l.pacer.wait(now)); wait > 0 && retries == 0 {
			l.alarm.in(now, wait)
			return 0
		}
		return 1
	case l.pacer.until.Sub(now) > 2*patience:
		l.alarm.in(now, l.pacer.wait(now))
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
func (l *Lane[J]) ahead(now time.Time) int {
	n := l.parallel(now)
	return max(n, min(mostAhead, aheadEach*n, l.work(now)))
}

// tellIfHungry tells the cursors when the lane runs low.
func (l *Lane[J]) tellIfHungry(now time.Time) {
	if l.room != nil && len(l.queues[First]) <= l.ahead(now)/2 {
		l.tellRoom()
	}
}

func (l *Lane[J]) tellRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// IsFull reports whether the lane could not take one more event of a stream.
func (l *Lane[J]) IsFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return l.running+len(l.queues[First]) >= l.capacity(First, now)
}

// isWorthWaitingFor reports whether the shared intake may wait for the lane: it keeps moving, as fast as its endpoint wants or
// the processors let it, and nobody else has run dry for it.
func (l *Lane[J]) isWorthWaitingFor() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.blamedAt) > blameFades {
		l.blamed = 0
	}
	fast := l.work(now) >= fastWork || l.pool.throttle.full.Load() && l.pool.crowd() >= manyLanes
	return fast && l.proven && !l.rests(now) && !l.pacer.limits() && now.Sub(l.moved) < lately && l.blamed <= mostBlame
}

// blame notes for how long others ran dry while the shared intake waited for the lane.
func (l *Lane[J]) blame(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blamed, l.blamedAt = l.blamed+d, time.Now()
}

// isDry reports whether the lane has moved a moment ago and has nothing to do.
func (l *Lane[J]) isDry(now time.Time) bool {
	if !l.mu.TryLock() { // whoever has it gives it something, or takes something from it
		return false
	}
	defer l.mu.Unlock()
	return l.proven && now.Sub(l.moved) < lately && len(l.queues[First]) == 0 && l.running < l.limit
}
