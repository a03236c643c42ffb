package lane

import (
	"sync"
	"testing"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// task is a job of the tests.
type task struct {
	facts Facts
	id    int
}

func (j *task) Facts() Facts { return j.facts }

// rig is a pool whose endpoints are a function: how long each takes and what it answers. Its clock is that of a bubble of
// [testing/synctest], so times are exact.
type rig struct {
	*Pool[*task]
	stop   chan struct{}
	answer func(l *Lane[*task], j *task) (time.Duration, attempt.Result)

	mu      sync.Mutex // guards what follows
	running map[string]int
	most    map[string]int // requests at once
	made    []request
}

// request is an attempt that was made.
type request struct {
	endpoint string
	id       int
	class    Class
	at       time.Time
}

var (
	delivered = attempt.Result{Verdict: attempt.Delivered, Class: attempt.ClassOK, Status: 200}
	refused   = attempt.Result{Verdict: attempt.Failed, Class: "5xx", Status: 503}
	timedOut  = attempt.Result{Verdict: attempt.Failed, Class: attempt.ClassTimeout}
)

// always is an endpoint that takes so long for each request, and answers so.
func always(takes time.Duration, res attempt.Result) func(*Lane[*task], *task) (time.Duration, attempt.Result) {
	return func(*Lane[*task], *task) (time.Duration, attempt.Result) { return takes, res }
}

// newRig returns a rig; at the end of the test it is stopped.
func newRig(t *testing.T, limits Limits, answer func(*Lane[*task], *task) (time.Duration, attempt.Result)) *rig {
	r := &rig{stop: make(chan struct{}), answer: answer, running: make(map[string]int), most: make(map[string]int)}
	r.Pool = NewPool(r, limits, NewThrottle(), r.stop)
	t.Cleanup(func() { // within the bubble
		select {
		case <-r.stop:
		default:
			close(r.stop)
		}
		r.Drain()
		r.Wait()
		if r.Bytes() != 0 || r.Busy() != 0 {
			t.Errorf("%d bytes are held and %d lanes are busy after the end", r.Bytes(), r.Busy())
		}
	})
	return r
}

// idlePool is a pool that is given nothing to do.
func idlePool() *Pool[*task] { return NewPool[*task](nil, plenty, NewThrottle(), make(chan struct{})) }

// plenty are limits that bound nothing in a test.
var plenty = Limits{Deliveries: 1 << 20, Bytes: 1 << 40, DetachedBytes: 1 << 40}

// Attempt is of [Worker].
func (r *rig) Attempt(l *Lane[*task], j *task) {
	if r.stopping() {
		return
	}
	id, began := l.Endpoint().ID, time.Now()
	r.mu.Lock()
	r.made = append(r.made, request{id, j.id, j.facts.Class, began})
	r.running[id]++
	r.most[id] = max(r.most[id], r.running[id])
	takes, res := r.answer(l, j)
	r.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.stop:
		return
	}
	r.mu.Lock()
	r.running[id]--
	r.mu.Unlock()
	res.Started, res.Duration = began, takes
	l.Learn(j.facts.Class, &res)
}

// requests are those that were made.
func (r *rig) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.made...)
}

// count is how many requests were made.
func (r *rig) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.made)
}

// mostAtOnce returns how many requests were under way at once, and begins to count anew.
func (r *rig) mostAtOnce(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := r.most[id]
	r.most[id] = r.running[id]
	return most
}

func (r *rig) lane(ep *endpoint.Endpoint) *Lane[*task] {
	return r.Open(ep.ID, func() *endpoint.Endpoint { return ep })
}

// give hands n jobs to a lane, whatever room it has.
func give(l *Lane[*task], n int, facts Facts) {
	for i := range n {
		l.Take(&task{facts: facts, id: i})
	}
}
