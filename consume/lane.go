package consume

import (
	"runtime"
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
	// patience is how much work, in time, a lane holds beyond what runs.
	patience = time.Second
	// firstLatency is assumed until an endpoint has answered once.
	firstLatency = 5 * time.Millisecond
	// enoughAtOnce is how many requests at once keep any processors busy.
	enoughAtOnce = 512
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
)

// lane is one endpoint's share of this process: a number of requests at once that grows with success and
// shrinks with timeouts, and two short queues. It is never idle while one of them holds something that may be attempted.
// What exceeds the queues stays in its stream: the endpoint leaves the shared intake.
type lane struct {
	engine *Engine
	id     string // of its endpoint

	mu      sync.Mutex         // guards what follows
	ep      *endpoint.Endpoint // as the lane has last heard of it
	queues  [2][]*job          // by class
	last    class              // the class that was served last
	lags    bool               // what came last came from a cursor
	aside   []*job             // not known yet whether they are the endpoint's cursor's
	leaving map[string]bool    // streams that the endpoint is about to leave
	handing map[string]int     // by stream: how many events are being handed over to its cursor
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
	// For how long others ran dry while the shared intake waited for this lane, and when that was last.
	blamed   time.Duration
	blamedAt time.Time
	room     chan struct{} // closed when the lane wants more; nil: nobody waits for that

	activity activity
	meter    *meter
}

// class is what a delivery is to its lane. When both wait, each gets every other place: retries that come due
// never hold back first attempts, nor the other way round.
type class int

const (
	fresh class = iota // its first attempt
	again              // a later one, or one that was asked for
)

func newLane(e *Engine, ep *endpoint.Endpoint) *lane {
	l := &lane{
		engine: e, id: ep.ID, limit: firstConcurrency, latency: firstLatency, moved: time.Now(),
		leaving: make(map[string]bool),
		handing: make(map[string]int),
	}
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
	l.tellRoom()
}

// close lets everything queued run at once: the endpoint is removed, and what is for it is dropped.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.set(nil, time.Now())
	l.pacer.hold(time.Time{})
	l.pacer.next = time.Time{}
	l.circuit.reset()
	l.start(time.Now())
	l.tellRoom()
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
func (l *lane) parallel(now time.Time) int {
	switch {
	case l.circuit.open:
		return 1
	case l.lags && l.engine.throttle.besideFresh(now):
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
	ifRoom                  // it has room if the window has
	full                    // it has none
)

// admit says whether the lane may hold one more delivery. It always may hold a few, so that no crowd of others
// can keep it out; and its fair share, or more when it moves fast, while the window has room.
func (l *lane) admit(j *job) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	c := j.class()
	held := l.running + len(l.queues[c])
	if held == 0 { // idle: it is not its fault that nothing moved
		l.moved = now
	}
	switch {
	case held == 0:
		return enter
	case held >= l.capacity(c, now), l.bytes+j.size() > l.byteShare(), l.engine.laneBytes.Load()+j.size() > windowBytes/2:
		return full
	case j.d.Detached() && l.bytes+j.size() > fetchedBytes/fetchedShare:
		return full
	case held < reserved:
		return enter
	default:
		return ifRoom
	}
}

// capacity is how many deliveries of a class the lane may hold, running and queued.
func (l *lane) capacity(c class, now time.Time) int {
	switch {
	case c == again && l.rests(now):
		return restingRetries
	case c == again:
		return mostRetries
	case l.rests(now):
		return reserved
	default:
		share := window / 4
		if !l.proven {
			share = window / 2 / int(l.engine.crowd())
		}
		return max(reserved, min(share, 2*l.limit+l.work(now)))
	}
}

// rests reports whether nothing is to be attempted for longer than a moment.
func (l *lane) rests(now time.Time) bool {
	return l.circuit.open || l.ep.Disabled || l.pacer.until.Sub(now) > 2*patience
}

// work is how many deliveries the lane attempts within its patience, at its pace.
func (l *lane) work(now time.Time) int {
	return int(patience / max(l.pace(now), l.pacer.interval, 10*time.Microsecond))
}

// pace estimates the time from one request's end to the next one's. A lane that has stood still for longer than a
// busy machine explains gets slower with every moment.
func (l *lane) pace(now time.Time) time.Duration {
	latency := l.latency
	if still := now.Sub(l.moved); l.running > 0 && still > stuck {
		latency = max(latency, still)
	}
	return latency / time.Duration(l.parallel(now))
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

// take runs the job or queues it.
func (l *lane) take(j *job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue(j)
	l.lags = j.h.in.cursor
	l.start(time.Now())
}

func (l *lane) queue(j *job) {
	l.hold(j)
	l.queues[j.class()] = append(l.queues[j.class()], j)
}

// startMore starts what may run now: the rate limit allows one more, or the process stops.
func (l *lane) startMore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.armed = false
	l.start(time.Now())
	l.tellRoom()
}

func (l *lane) start(now time.Time) {
	for l.running < l.parallel(now) || l.engine.stopping() {
		j := l.pop(now)
		if j == nil {
			return
		}
		if l.running++; l.running == 1 {
			l.engine.busyLanes.Add(1)
		}
		l.engine.attempts.Go(func() { l.run(j) })
	}
}

// run attempts the job and then what is queued, until the queues are empty or the limit has shrunk.
func (l *lane) run(j *job) {
	for j != nil {
		if res := l.engine.deliver(j); res != nil {
			l.meter.note(j, res)
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
	if l.running <= l.parallel(now) {
		if j := l.pop(now); j != nil {
			l.start(now)
			l.tellIfHungry(now)
			return j
		}
	}
	if l.running--; l.running == 0 {
		l.engine.busyLanes.Add(-1)
	}
	l.start(now)
	l.tellIfHungry(now)
	return nil
}

// pop takes the next job from the queues; nil when there is none, or when nothing may be attempted yet. While the circuit
// is open, what was attempted before goes first. While the process stops everything goes, to be given back.
func (l *lane) pop(now time.Time) *job {
	c := 1 - l.last
	if l.circuit.open {
		c = again
	}
	if len(l.queues[c]) == 0 {
		c = 1 - c
	}
	q := l.queues[c]
	if len(q) == 0 || !l.may(now) {
		return nil
	}
	j := q[0]
	q[0] = nil
	l.queues[c], l.last = q[1:], c
	return j
}

// may reports whether a request may be made now, and counts it if so. If not, startMore is called when it may.
func (l *lane) may(now time.Time) bool {
	switch {
	case l.engine.stopping(): // it goes back
		return true
	case l.ep.Disabled:
		return false
	}
	if l.circuit.open {
		if wait := max(l.circuit.wait(now), l.pacer.wait(now)); wait > 0 {
			l.pacer.arm(wait)
			return false
		}
		l.circuit.probed(now)
	}
	return l.pacer.ready(now)
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
		l.circuit.failed(time.Now(), l.engine.disableAfter/disableNotice)
	}
	return l.circuit.open, l.circuit.since
}
