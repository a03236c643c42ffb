package lane

import (
	"sync"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish/report"
)

const (
	// defaultConcurrency is how many requests one process makes to one endpoint at once, unless the endpoint
	// sets its own; firstConcurrency is where a lane begins.
	defaultConcurrency = 64
	firstConcurrency   = 8
	// patience is how much work, in time, a lane holds beyond what runs.
	patience = time.Second
	// firstLatency is assumed until an endpoint has answered once.
	firstLatency = 5 * time.Millisecond
	// enoughAtOnce is how many requests at once keep any processors busy.
	enoughAtOnce = 512
)

// Lane is one endpoint's share of this process: a number of requests at once, and two short queues. It is safe for
// concurrent use.
type Lane[J Job] struct {
	pool *Pool[J]

	mu      sync.Mutex         // guards what follows
	ep      *endpoint.Endpoint // as the lane has last heard of it
	queues  [2][]J             // by class
	last    Class              // the class that was served last
	lags    bool               // what came last came from a cursor
	bytes   int64              // of the bodies that it holds
	running int
	ceiling int           // most requests at once, as the endpoint wants it
	limit   int           // requests at once, as the endpoint bears it
	proven  bool          // the endpoint has taken something, and nothing timed out since
	latency time.Duration // smoothed time of one request
	moved   time.Time     // when a request last ended
	circuit circuit
	pacer   pacer
	alarm   alarm
	backoff time.Duration // the pause that followed when the endpoint last asked for one without saying how long
	// For how long others ran dry while the shared intake waited for this lane, and when that was last.
	blamed   time.Duration
	blamedAt time.Time
	room     chan struct{} // closed when the lane wants more; nil: nobody waits for that
	handover handover[J]

	activity activity
}

func newLane[J Job](p *Pool[J], ep *endpoint.Endpoint) *Lane[J] {
	l := &Lane[J]{
		pool: p, limit: firstConcurrency, latency: firstLatency, moved: time.Now(), handover: newHandover[J](),
	}
	l.alarm.ring = l.look
	if !ep.FailingSince.IsZero() {
		l.circuit.trip(ep.FailingSince)
	}
	l.resize(ep)
	return l
}

// follow takes over what changed of the endpoint, here or in another process. What was known of an endpoint that
// was disabled, or moved to another address, says nothing about it any more.
func (l *Lane[J]) follow(ep *endpoint.Endpoint) {
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
	l.tellRoom()
}

// Endpoint is the endpoint as the lane has last heard of it.
func (l *Lane[J]) Endpoint() *endpoint.Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ep
}

// close lets everything queued run at once: the endpoint is removed, and what is for it is dropped.
func (l *Lane[J]) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.reset()
	l.circuit.reset()
	l.start(time.Now())
	l.tellRoom()
}

// resize follows the endpoint's own concurrency and rate. What runs beyond them ends by and by.
func (l *Lane[J]) resize(ep *endpoint.Endpoint) {
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

// Take runs the job or queues it, whether there is room for it or not.
func (l *Lane[J]) Take(j J) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue(j)
	l.lags = j.Facts().Origin == Cursor
	l.start(time.Now())
}

func (l *Lane[J]) queue(j J) {
	l.hold(j)
	c := j.Facts().Class
	l.queues[c] = append(l.queues[c], j)
}

// look starts what may run now: the rate limit allows one more, or the process stops.
func (l *Lane[J]) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alarm.at = time.Time{}
	l.start(time.Now())
	l.tellRoom()
}

func (l *Lane[J]) start(now time.Time) {
	for l.running < l.parallel(now) || l.pool.stopping() {
		j, ok := l.pop(now)
		if !ok {
			return
		}
		if l.running++; l.running == 1 {
			l.pool.busy.Add(1)
		}
		l.pool.attempts.Go(func() { l.run(j) })
	}
}

// run attempts the job and then what is queued, until the queues are empty or the limit has shrunk.
func (l *Lane[J]) run(j J) {
	for more := true; more; {
		l.pool.worker.Attempt(l, j)
		j, more = l.next(j)
	}
}

// next returns the job to do after the one that is done, if there is one; else the goroutine ends.
func (l *Lane[J]) next(done J) (j J, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.let(done)
	l.moved = now
	if l.running <= l.parallel(now) {
		if j, ok = l.pop(now); ok {
			l.start(now)
			l.tellIfHungry(now)
			return j, true
		}
	}
	if l.running--; l.running == 0 {
		l.pool.busy.Add(-1)
	}
	l.start(now)
	l.tellIfHungry(now)
	return j, false
}

// pop takes the next job from the queues, if there is one and it may be attempted yet. The classes take turns, also as
// probes of an open circuit: retries alone may be of events that the endpoint refuses for good. While the process stops
// everything goes, to be given back.
func (l *Lane[J]) pop(now time.Time) (j J, ok bool) {
	c := 1 - l.last
	if len(l.queues[c]) == 0 {
		c = 1 - c
	}
	q := l.queues[c]
	if len(q) == 0 || !l.may(now) {
		return j, false
	}
	q[0], j = j, q[0]
	l.queues[c], l.last = q[1:], c
	return j, true
}

// may reports whether a request may be made now, and counts it if so. If not, the lane looks again when it may.
func (l *Lane[J]) may(now time.Time) bool {
	switch {
	case l.pool.stopping(): // it goes back
		return true
	case l.ep.Disabled:
		return false
	}
	if l.circuit.open {
		if wait := max(l.circuit.wait(now), l.pacer.wait(now)); wait > 0 {
			l.alarm.in(now, wait)
			return false
		}
		l.circuit.probed(now)
	}
	if l.pacer.ready(now) {
		return true
	}
	l.alarm.in(now, l.pacer.wait(now))
	return false
}

// Works reports whether the endpoint's circuit is closed.
func (l *Lane[J]) Works() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.circuit.open
}

// mayGrow reports whether one more request at once is of use: when the processors are what limits everything, only
// up to the lane's share of the requests that keep them busy.
func (l *Lane[J]) mayGrow() bool {
	return !l.pool.throttle.full.Load() || l.limit < enoughAtOnce/int(l.pool.crowd())
}

// Health is what a lane thinks of its endpoint.
type Health struct {
	Open         bool      // the circuit
	FailingSince time.Time // of the first failure after the last success; zero: there is none
}

// Learn adapts the lane to the result of a request of that class: one more request at once for each one that went well
// while all places were taken, half as many after a timeout.
func (l *Lane[J]) Learn(c Class, res *attempt.Result) Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	if res.Verdict == attempt.Aborted { // says nothing of the endpoint
		return l.health()
	}
	now := time.Now()
	l.latency += (res.Duration - l.latency) / 8
	l.activity.note(res, res.Started.Add(res.Duration))
	l.pacer.hear(res.Allowance, now)
	if res.Class == attempt.ClassTimeout {
		l.limit, l.proven = max(1, l.limit/2), false
	}
	switch {
	case res.Verdict == attempt.Delivered:
		l.proven, l.backoff = true, 0
		l.pacer.took(res.Started, now)
		l.circuit.succeeded(c, now)
		if l.running >= l.limit && l.limit < l.ceiling && l.mayGrow() {
			l.limit++
		}
	case res.Verdict == attempt.Later: // it is alive, and says when to come again
	case res.Class == attempt.ClassRequest: // the endpoint was not asked
	case l.circuit.blames(c, res.Status != 0, now):
		l.circuit.failed(now, l.pool.limits.Trip)
	}
	return l.health()
}

func (l *Lane[J]) health() Health {
	return Health{Open: l.circuit.open, FailingSince: l.circuit.since}
}

// leastPause and mostPause bound the pause after an answer that asks for one and does not say how long: it is doubled each
// time until something is taken.
const leastPause, mostPause = time.Second, time.Minute

// Pause makes the lane wait for as long as the endpoint asked for, at most a certain time, and returns when that is over.
func (l *Lane[J]) Pause(res *attempt.Result, most time.Duration) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, until := time.Now(), l.pacer.until
	switch {
	case res.RetryAfter > 0:
		until = now.Add(min(res.RetryAfter, most))
	case !res.Started.Before(until): // else it was under way already when the endpoint first asked
		l.backoff = min(max(2*l.backoff, leastPause), mostPause)
		until = now.Add(min(l.backoff, most))
	}
	l.pacer.refused(res.Started, now, until)
	return until
}

// Why is for what the lane can't take more.
func (l *Lane[J]) Why() cursor.Why {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch now := time.Now(); {
	case l.ep.Disabled:
		return cursor.Disabled
	case l.circuit.open:
		return cursor.CircuitOpen
	case l.pacer.until.Sub(now) > patience:
		return cursor.Paused
	case l.pacer.limits():
		return cursor.RateLimit
	default:
		return cursor.Behind
	}
}

// Report describes the lane's endpoint as this process sees it.
func (l *Lane[J]) Report(now time.Time) report.Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &l.activity
	return report.Endpoint{
		ID: l.ep.ID, Running: l.running, InFlight: a.first, Hour: a.hour.Hour(now),
		LastOK: a.ok, LastFailed: a.failed, Streak: a.streak, Status: a.status, Class: string(a.class),
	}
}
