package consume

import (
	"sync"
	"time"

	"jethook/consume/endpoint"
)

const (
	// defaultConcurrency is how many requests one process makes to one endpoint at once, unless the endpoint
	// sets its own.
	defaultConcurrency = 64
	// patience is how long a delivery may wait in memory for its lane. What would wait longer goes back to the
	// bus until its turn.
	patience = time.Second
	// minTurn keeps a deferred delivery from coming back before the lane has moved.
	minTurn = time.Second
	// maxTurn bounds how far ahead a turn is guessed: an endpoint may become faster meanwhile.
	maxTurn = 5 * time.Minute
	// firstLatency is assumed until an endpoint has answered once. It is on the low side: a turn that comes
	// too early costs one more write, and one that comes too late is time lost.
	firstLatency = 5 * time.Millisecond
)

// lane is one endpoint's share of this process: a bounded number of requests at once and a short queue. What
// exceeds it is deferred, durably, to the time its turn comes, so that one endpoint's backlog never fills the
// window that all endpoints share.
type lane struct {
	engine *Engine

	mu       sync.Mutex // guards what follows
	queue    []*job
	running  int
	latency  time.Duration // smoothed time of one request
	nextTurn time.Time     // when the last deferred delivery has its turn
}

// submit runs the job, queues it, or defers it to its turn.
func (l *lane) submit(j *job, ep *endpoint.Endpoint) {
	l.mu.Lock()
	limit := ep.Concurrency
	if limit == 0 {
		limit = defaultConcurrency
	}
	switch {
	case l.engine.stopping():
		l.mu.Unlock()
		l.engine.deferUntil(j, time.Now())
	case l.running < limit:
		l.running++
		if l.running == 1 {
			l.engine.busyLanes.Add(1)
		}
		l.mu.Unlock()
		l.engine.attempts.Go(func() { l.work(j) })
	case l.mayQueue(limit):
		l.queue = append(l.queue, j)
		l.mu.Unlock()
	default:
		turn := l.turn(limit)
		l.mu.Unlock()
		l.engine.deferUntil(j, turn)
	}
}

// mayQueue reports whether the lane may hold one more delivery in memory: within its fair share of the
// window always; beyond it when the queue moves fast enough that nobody has to wait long for the place. An
// endpoint that is alone has nobody to hold up.
func (l *lane) mayQueue(limit int) bool {
	used := l.running + len(l.queue)
	if used < window/2/max(1, int(l.engine.busyLanes.Load())) {
		return true
	}
	if l.wait(limit) > patience {
		return false
	}
	return used < window/4 || l.engine.endpoints.Enabled() == 1
}

// wait estimates how long a delivery at the end of the queue waits.
func (l *lane) wait(limit int) time.Duration {
	return time.Duration(len(l.queue)) * l.latency / time.Duration(limit)
}

// turn returns when a delivery that is deferred now has its turn: behind the queue and behind those deferred
// before it, at the pace of the lane.
func (l *lane) turn(limit int) time.Time {
	now := time.Now()
	earliest, latest := now.Add(max(minTurn, l.wait(limit))), now.Add(maxTurn)
	if l.nextTurn.Before(earliest) {
		l.nextTurn = earliest
	}
	if l.nextTurn.Before(latest) {
		l.nextTurn = l.nextTurn.Add(l.latency / time.Duration(limit))
	}
	return l.nextTurn
}

// work attempts the job and then what is queued, until the queue is empty.
func (l *lane) work(j *job) {
	for j != nil {
		took := l.engine.deliver(j)
		j = l.next(took)
	}
}

// next records how long the last request took and returns the next job, or nil when there is none.
func (l *lane) next(took time.Duration) *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	if took > 0 {
		l.latency += (took - l.latency) / 8
	}
	if len(l.queue) > 0 {
		j := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		return j
	}
	l.running--
	if l.running == 0 {
		l.engine.busyLanes.Add(-1)
	}
	return nil
}
