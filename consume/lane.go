package consume

import (
	"math"
	"sync"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

const (
	// defaultConcurrency is how many requests one process makes to one endpoint at once, unless the endpoint
	// sets its own; firstConcurrency is where a lane begins.
	defaultConcurrency = 64
	firstConcurrency   = 8
	// patience is how long a delivery may wait in memory for its lane. What would wait longer goes back to the
	// bus until its turn.
	patience = time.Second
	// minTurn keeps a deferred delivery from coming back before the lane has moved, and maxTurn bounds how far
	// ahead a turn is guessed: the endpoint may become faster meanwhile.
	minTurn = time.Second
	maxTurn = 2 * time.Minute
	// firstLatency is assumed until an endpoint has answered once. It is on the low side: a turn that comes
	// too early costs one more write, and one that comes too late is time lost.
	firstLatency = 5 * time.Millisecond
)

// lane is one endpoint's share of this process: a number of requests at once that grows with success and
// shrinks with timeouts, and a short queue. What exceeds it is deferred, durably, to the time its turn comes,
// so that one endpoint's backlog never fills the window that all endpoints share.
type lane struct {
	engine *Engine

	mu       sync.Mutex // guards what follows
	queue    []*job
	bytes    int64 // of the bodies that it holds
	running  int
	ceiling  int           // most requests at once, as the endpoint wants it
	limit    int           // requests at once, as the endpoint bears it
	proven   bool          // the endpoint has taken something, and nothing timed out since
	latency  time.Duration // smoothed time of one request
	moved    time.Time     // when a request last ended
	nextTurn time.Time     // when the last deferred delivery has its turn
	lastSlot time.Time     // the last place in time that the endpoint's rate limit gave away
}

func newLane(e *Engine, ep *endpoint.Endpoint) *lane {
	l := &lane{engine: e, limit: firstConcurrency, latency: firstLatency, moved: time.Now()}
	l.resize(ep)
	return l
}

// resize follows the endpoint's own concurrency. What runs beyond it ends by and by.
func (l *lane) resize(ep *endpoint.Endpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ceiling = ep.Concurrency; l.ceiling == 0 {
		l.ceiling = defaultConcurrency
	}
	if ep.Ordered {
		l.ceiling = 1
	}
	l.limit = min(l.limit, l.ceiling)
}

// admission is what a lane says to one more delivery.
type admission int

const (
	enter    admission = iota // it has room, whatever the others hold
	ifRoom                    // it has room if the window has
	comeBack                  // not before its turn
)

// admit says whether the lane may hold one more delivery. It always may hold a few, so that no crowd of others
// can keep it out; its fair share while the window has room; and more than that when it moves so fast that
// nobody waits long for the place.
func (l *lane) admit(size int64) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.running == 0 { // idle: it is not its fault that nothing moved
		l.moved = now
	}
	held := l.running + len(l.queue)
	switch {
	case held == 0:
		return enter
	case held >= l.capacity(now), l.bytes+size > windowBytes/2/l.engine.crowd():
		return comeBack
	case held < reserved:
		return enter
	default:
		return ifRoom
	}
}

// reserved is how many deliveries a lane may hold although the window is full.
const reserved = 4

// capacity is how many deliveries the lane may hold, running and queued: little more than what runs when it is
// slow, its share until it has shown what it can, and then more than its share.
func (l *lane) capacity(now time.Time) int {
	share := max(1, window/2/int(l.engine.crowd()))
	switch {
	case l.wait(now) > patience, !l.proven && now.Sub(l.moved) > patience:
		return min(share, 2*l.limit)
	case !l.proven:
		return share
	case l.engine.endpoints.Enabled() == 1: // there is nobody to hold up
		return math.MaxInt
	default:
		return max(share, window/4)
	}
}

// wait estimates how long a delivery at the end of the queue waits.
func (l *lane) wait(now time.Time) time.Duration {
	return time.Duration(len(l.queue)) * l.pace(now)
}

// pace estimates the time from one request's end to the next one's. A lane that stands still gets slower with
// every moment.
func (l *lane) pace(now time.Time) time.Duration {
	latency := l.latency
	if l.running > 0 {
		latency = max(latency, now.Sub(l.moved))
	}
	return latency / time.Duration(l.limit)
}

// turn returns when a delivery that is deferred now has its turn.
func (l *lane) turn() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turnAt(time.Now())
}

// turnAt is behind the queue and behind those deferred before, at the pace the lane had when it last moved. One
// that stands still is asked again after as long as it has stood: it may have recovered, or it is asked less
// and less often.
func (l *lane) turnAt(now time.Time) time.Time {
	step := l.latency / time.Duration(l.limit)
	ahead := max(minTurn, time.Duration(len(l.queue))*step)
	if l.running > 0 {
		ahead = max(ahead, now.Sub(l.moved))
	}
	earliest, latest := now.Add(min(ahead, maxTurn)), now.Add(maxTurn)
	if l.nextTurn.Before(earliest) {
		l.nextTurn = earliest
	}
	if l.nextTurn.Before(latest) {
		l.nextTurn = l.nextTurn.Add(step)
	}
	return l.nextTurn
}

// slot returns the next free place in time under the rate, and takes it.
func (l *lane) slot(r *endpoint.Rate) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.lastSlot.Add(r.Per / time.Duration(r.Count))
	if now := time.Now(); next.Before(now) {
		next = now
	}
	l.lastSlot = next
	return next
}

// take runs the job or queues it.
func (l *lane) take(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += j.size()
	if l.running < l.limit {
		l.run(j)
	} else {
		l.queue = append(l.queue, j)
	}
}

func (l *lane) run(j *job) {
	if l.running++; l.running == 1 {
		l.engine.busyLanes.Add(1)
	}
	l.engine.attempts.Go(func() { l.work(j) })
}

// work attempts the job and then what is queued, until the queue is empty or the limit has shrunk.
func (l *lane) work(j *job) {
	for j != nil {
		res := l.engine.deliver(j)
		j = l.next(j, res)
	}
}

// next learns from a result, nil when no request was made, and returns the next job; nil ends the worker.
func (l *lane) next(done *job, res *attempt.Result) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= done.size()
	l.moved = time.Now()
	if res != nil {
		l.learn(res)
	}
	if len(l.queue) > 0 && l.running <= l.limit {
		if l.running < l.limit && len(l.queue) > 1 {
			l.run(l.pop())
		}
		return l.pop()
	}
	if l.running--; l.running == 0 {
		l.engine.busyLanes.Add(-1)
	}
	return nil
}

// learn adapts the lane: one more request at once for each one that went well while all places were taken,
// half as many after a timeout.
func (l *lane) learn(res *attempt.Result) {
	l.latency += (res.Duration - l.latency) / 8
	switch {
	case res.Class == attempt.ClassTimeout:
		l.limit, l.proven = max(1, l.limit/2), false
	case res.Verdict == attempt.Delivered:
		l.proven = true
		if l.running >= l.limit && l.limit < l.ceiling {
			l.limit++
		}
	}
}

func (l *lane) pop() *job {
	j := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return j
}

// shed takes from the queue what the lane may not hold any more, because its endpoint has become slow, and
// returns it with the turns it gets.
func (l *lane) shed() (jobs []*job, turns []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	keep := max(0, l.capacity(now)-l.running)
	if len(l.queue) <= keep {
		return nil, nil
	}
	jobs = append(jobs, l.queue[keep:]...)
	clear(l.queue[keep:])
	l.queue = l.queue[:keep]
	for _, j := range jobs {
		l.bytes -= j.size()
		turns = append(turns, l.turnAt(now))
	}
	return jobs, turns
}
