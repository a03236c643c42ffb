package consume

import (
	"math"
	"sync"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/publish"
)

const (
	// defaultConcurrency is how many requests one process makes to one endpoint at once, unless the endpoint
	// sets its own; firstConcurrency is where a lane begins.
	defaultConcurrency = 64
	firstConcurrency   = 8
	// patience is how long a delivery may wait in memory for its lane. What would wait longer goes back to the
	// bus until its turn.
	patience = time.Second
	// firstLatency is assumed until an endpoint has answered once. It is on the low side: a turn that comes
	// too early costs one more write, and one that comes too late is time lost.
	firstLatency = 5 * time.Millisecond
	// newcomer is how long a lane that has shown nothing yet may hold as much as one that has.
	newcomer = 100 * time.Millisecond
	// enoughAtOnce is how many requests at once keep any processors busy.
	enoughAtOnce = 512
	// reserved is how many deliveries a lane may hold although the window is full.
	reserved = 4
)

// lane is one endpoint's share of this process: a number of requests at once that grows with success and
// shrinks with timeouts, and two short queues. What exceeds them is deferred, durably, to the time its turn
// comes, so that one endpoint's backlog never fills the window that all endpoints share.
type lane struct {
	engine *Engine
	id     string // of its endpoint

	mu      sync.Mutex         // guards what follows
	ep      *endpoint.Endpoint // as the lane has last heard of it
	queues  [2][]*job          // by class
	last    class              // the class that was served last
	bytes   int64              // of the bodies that it holds
	running int
	ceiling int           // most requests at once, as the endpoint wants it
	limit   int           // requests at once, as the endpoint bears it
	proven  bool          // the endpoint has taken something, and nothing timed out since
	latency time.Duration // smoothed time of one request
	moved   time.Time     // when a request last ended
	circuit circuit
	pacer   pacer
	backoff time.Duration // the pause that followed when the endpoint last asked for one without saying how long
	backlog backlog

	activity activity
}

// class is what a delivery is to its lane. When both wait, each gets every other place: retries that come due
// never hold back first attempts, nor the other way round.
type class int

const (
	fresh class = iota // its first attempt
	again              // a later one, or one that was asked for
)

func (j *job) class() class {
	if j.d.Attempt > 1 || j.d.Why == publish.WhyRetry || j.d.Why == publish.WhyAsked {
		return again
	}
	return fresh
}

func newLane(e *Engine, ep *endpoint.Endpoint) *lane {
	l := &lane{engine: e, id: ep.ID, limit: firstConcurrency, latency: firstLatency, moved: time.Now()}
	l.pacer.due = l.startMore
	if !ep.FailingSince.IsZero() {
		l.circuit.trip(ep.FailingSince)
	}
	l.resize(ep)
	return l
}

// follow takes over what changed of the endpoint, here or in another process. What was known of an endpoint that
// was disabled, or moved to another address, says nothing about it any more.
func (l *lane) follow(ep *endpoint.Endpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, is := !l.ep.FailingSince.IsZero(), !ep.FailingSince.IsZero()
	if was && !is || l.ep.Disabled && !ep.Disabled || l.ep.URL != ep.URL {
		l.circuit.reset()
	}
	if is && !l.circuit.open {
		l.circuit.trip(ep.FailingSince)
	}
	l.resize(ep)
	l.start(time.Now())
}

// close lets everything queued run at once: the endpoint is removed, and what is for it is dropped.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.set(nil, time.Now())
	l.start(time.Now())
}

// resize follows the endpoint's own concurrency and rate. What runs beyond them ends by and by.
func (l *lane) resize(ep *endpoint.Endpoint) {
	l.ep = ep
	switch {
	case ep.Ordered:
		l.ceiling = 1
	case ep.Concurrency > 0:
		l.ceiling = ep.Concurrency
	default:
		l.ceiling = defaultConcurrency
	}
	l.limit = min(l.limit, l.ceiling)
	l.pacer.set(ep.Rate(), time.Now())
}

// parallel is how many requests may be made at once now.
func (l *lane) parallel() int {
	if l.circuit.open {
		return 1
	}
	return l.limit
}

// admission is what a lane says to one more delivery.
type admission int

const (
	enter    admission = iota // it has room, whatever the others hold
	ifRoom                    // it has room if the window has
	comeBack                  // not before its turn
	failFast                  // the circuit is open: it has failed without a request
)

// admit says whether the lane may hold one more delivery. It always may hold a few, so that no crowd of others
// can keep it out; its fair share while the window has room; and more than that when it moves so fast that
// nobody waits long for the place.
func (l *lane) admit(j *job) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	c := j.class()
	// A turn that came may not be the only one, and at first an earlier process may have left some.
	if j.d.Why == publish.WhyTurn || c == fresh && l.backlog.from == 0 {
		l.backlog.perhaps = true
	}
	held := l.running + len(l.queues[c])
	if held == 0 { // idle: it is not its fault that nothing moved
		l.moved = now
	}
	wait := l.wait(c, now)
	switch {
	case l.circuit.open:
		soon := (held == 0 || wait <= patience) && l.pacer.wait(now) <= 2*patience
		if j.probe = soon && l.circuit.probe(now); j.probe {
			return enter
		}
		return failFast
	case (l.pacer.limits() || l.pacer.wait(now) > 0) && wait > 2*patience:
		return comeBack
	case held == 0:
		return enter
	case held >= l.capacity(c, now), l.bytes+j.size() > l.byteShare(), l.engine.laneBytes.Load()+j.size() > windowBytes/2:
		return comeBack
	case j.d.Detached() && l.bytes+j.size() > fetchedBytes/fetchedShare:
		return comeBack
	case held < reserved:
		return enter
	default:
		return ifRoom
	}
}

// capacity is how many deliveries of a class the lane may hold, running and queued: little more than what runs
// when it is slow, its share when it has not shown for a while what it can, and otherwise more than its share.
func (l *lane) capacity(c class, now time.Time) int {
	share := max(1, window/2/int(l.engine.crowd()))
	still := now.Sub(l.moved)
	if l.pacer.limits() { // no more than its rate takes in a moment
		share = min(share, l.pacer.most())
	}
	switch {
	case l.wait(c, now) > patience && !l.pacer.limits(), !l.proven && still > patience:
		return min(share, 2*l.limit)
	case !l.proven && still > newcomer:
		return share
	case l.pacer.limits():
		return min(window/4, l.pacer.most())
	case l.proven && l.engine.endpoints.Enabled() == 1: // there is nobody to hold up
		return math.MaxInt
	default:
		return max(share, window/4)
	}
}

// hold counts a job in, and let counts it out.
func (l *lane) hold(j *job) { l.count(j, 1) }
func (l *lane) let(j *job)  { l.count(j, -1) }

func (l *lane) count(j *job, sign int) {
	bytes := int64(sign) * j.size()
	l.bytes += bytes
	l.engine.laneBytes.Add(bytes)
	if j.isFirst() {
		l.activity.first += sign
	}
}

// byteShare is how many bytes of bodies the lane may hold.
func (l *lane) byteShare() int64 { return windowBytes / 2 / l.engine.crowd() }

// wait estimates how long a delivery at the end of its class's queue waits.
func (l *lane) wait(c class, now time.Time) time.Duration {
	n := len(l.queues[c])
	n += min(n, len(l.queues[1-c])) // every other place is the other class's
	return l.pacer.wait(now) + time.Duration(n)*max(l.pace(now), l.pacer.interval)
}

// pace estimates the time from one request's end to the next one's. A lane that has stood still for longer than a
// busy machine explains gets slower with every moment.
func (l *lane) pace(now time.Time) time.Duration {
	latency := l.latency
	if still := now.Sub(l.moved); l.running > 0 && still > newcomer {
		latency = max(latency, still)
	}
	return latency / time.Duration(l.parallel())
}

// take runs the job or queues it.
func (l *lane) take(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold(j)
	l.queues[j.class()] = append(l.queues[j.class()], j)
	l.start(time.Now())
}

// startMore starts what may run now: the rate limit allows one more, or the process stops.
func (l *lane) startMore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.armed = false
	l.start(time.Now())
}

func (l *lane) start(now time.Time) {
	for l.running < l.parallel() {
		j := l.pop(now)
		if j == nil {
			return
		}
		if l.running++; l.running == 1 {
			l.engine.busyLanes.Add(1)
		}
		l.engine.attempts.Go(func() { l.work(j) })
	}
}

// work attempts the job and then what is queued, until the queues are empty or the limit has shrunk.
func (l *lane) work(j *job) {
	for j != nil {
		if res := l.engine.deliver(l, j); res != nil {
			l.engine.examine(l, res)
		}
		j = l.next(j)
	}
}

// next returns the job to do after the one that is done; nil ends the worker.
func (l *lane) next(done *job) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.let(done)
	l.moved = now
	if l.running <= l.parallel() {
		if j := l.pop(now); j != nil {
			l.start(now)
			return j
		}
	}
	if l.running--; l.running == 0 {
		l.engine.busyLanes.Add(-1)
	}
	return nil
}

// pop takes the next job from the queues; nil when there is none, or when the rate limit does not allow it yet.
// While the process stops everything goes, to be put back on the bus.
func (l *lane) pop(now time.Time) *job {
	c := 1 - l.last
	if len(l.queues[c]) == 0 {
		c = l.last
	}
	q := l.queues[c]
	if len(q) == 0 || !l.pacer.ready(now) && !l.engine.stopping() {
		return nil
	}
	j := q[0]
	q[0] = nil
	l.queues[c], l.last = q[1:], c
	return j
}

// passes reports whether a request may be made for the job. A circuit that opened while the job was queued
// holds for it too.
func (l *lane) passes(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.circuit.open || j.probe || l.circuit.probe(time.Now())
}

// works reports whether the endpoint's circuit is closed.
func (l *lane) works() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.circuit.open
}

// mayGrow reports whether one more request at once is of use: when the processors are what limits everything, only
// up to the lane's share of the requests that keep them busy.
func (l *lane) mayGrow() bool {
	return !l.engine.throttle.full.Load() || l.limit < enoughAtOnce/int(l.engine.crowd())
}

// failedSince reports whether a request failed that was made at that time or later.
func (l *lane) failedSince(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.circuit.asked.Before(t)
}

// learn adapts the lane to a request's result: one more request at once for each one that went well while all
// places were taken, half as many after a timeout. It returns whether the circuit is open now, and since when
// the endpoint has failed.
func (l *lane) learn(res *attempt.Result) (open bool, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latency += (res.Duration - l.latency) / 8
	l.activity.note(res, res.Started.Add(res.Duration))
	l.pacer.hear(res.Allowance, time.Now())
	if res.Class == attempt.ClassTimeout {
		l.limit, l.proven = max(1, l.limit/2), false
	}
	switch {
	case res.Verdict == attempt.Delivered:
		l.proven, l.backoff = true, 0
		l.pacer.took(res.Started, time.Now())
		l.circuit.succeeded()
		if l.running >= l.limit && l.limit < l.ceiling && l.mayGrow() {
			l.limit++
		}
	case res.Verdict == attempt.Later: // it is alive, and says when to come again
	case res.Class != attempt.ClassRequest: // else the endpoint was not asked
		l.circuit.failed(res.Started, time.Now(), l.engine.disableAfter/disableNotice)
	}
	return l.circuit.open, l.circuit.since
}
