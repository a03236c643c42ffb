// Package lane decides when a delivery is attempted: as soon as its endpoint bears it, and whatever other endpoints do.
//
// Each endpoint has a lane, whose number of requests at once grows with success and shrinks with timeouts. A lane keeps to
// the endpoint's rate limit, to the pauses that it asks for, and to the probes of its circuit, and is never idle while it
// holds something that may be attempted. Its queues are short: what it has no room for it refuses, and what it can't attempt
// for a while it gives back. It makes no request and stores nothing; its [Worker] does.
package lane

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jethook/consume/endpoint"
)

// Class says which attempt of a delivery a job is. When both wait, they alternate: retries that come due never hold back
// first attempts, nor the other way round.
type Class int

// The classes.
const (
	First Class = iota // the first attempt
	Retry              // a later one, or one that was asked for
)

// Origin says where a job came from.
type Origin int

// The origins.
const (
	Shared Origin = iota // an event of the stream that all endpoints share, or of an ordered endpoint's consumer
	Cursor               // an event that the endpoint's own cursor brought
	Due                  // a delivery that came due
)

// Facts are what a lane knows of a job.
type Facts struct {
	Class     Class
	Origin    Origin
	Stream    string // that it came from
	Size      int64  // bytes of its body
	Detached  bool   // its body is fetched for the attempt
	Scheduled bool   // it has waited on the bus, until a time
}

// Job is one delivery to an endpoint. Its facts stay the same while a lane has it, but that its body is fetched.
type Job interface{ Facts() Facts }

// Worker does what lanes decide.
type Worker[J Job] interface {
	// Attempt makes one attempt, stores what came of it, and tells the lane by [Lane.Learn]. While the process stops it
	// gives the job back instead.
	Attempt(*Lane[J], J)
}

// Limits bound what the lanes of a process hold together.
type Limits struct {
	Deliveries    int           // running or queued
	Bytes         int64         // of bodies
	DetachedBytes int64         // of bodies that are fetched for attempts, for one lane
	Trip          time.Duration // for how long an endpoint may fail until its circuit opens, however few requests it gets; 0: for ever
}

// Pool is the lanes of one process. It is safe for concurrent use.
type Pool[J Job] struct {
	worker   Worker[J]
	limits   Limits
	throttle *Throttle
	stop     <-chan struct{}

	busy     atomic.Int32   // lanes that make a request
	bytes    atomic.Int64   // of bodies that lanes hold; one that goes to several counts for each
	attempts sync.WaitGroup // goroutines of lanes

	mu    sync.Mutex // guards lanes
	lanes map[string]*Lane[J]
}

// NewPool returns a pool without lanes. Once stop is closed, lanes hand everything to the worker at once.
func NewPool[J Job](worker Worker[J], limits Limits, throttle *Throttle, stop <-chan struct{}) *Pool[J] {
	return &Pool[J]{worker: worker, limits: limits, throttle: throttle, stop: stop, lanes: make(map[string]*Lane[J])}
}

// Open returns the lane of an endpoint, which is made if there is none: then of the endpoint that current returns.
func (p *Pool[J]) Open(id string, current func() *endpoint.Endpoint) *Lane[J] {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.lanes[id]
	if !ok {
		l = newLane(p, current())
		p.lanes[id] = l
	}
	return l
}

// Find returns the lane of an endpoint; nil if there is none.
func (p *Pool[J]) Find(id string) *Lane[J] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lanes[id]
}

// Follow lets the endpoint's lane follow what changed of it, here or in another process, and returns it; nil if there is
// none.
func (p *Pool[J]) Follow(ep *endpoint.Endpoint) *Lane[J] {
	l := p.Find(ep.ID)
	if l != nil {
		l.follow(ep)
	}
	return l
}

// All returns the lanes.
func (p *Pool[J]) All() []*Lane[J] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.lanes))
}

// Remove forgets the lane of an endpoint that is removed, and runs what it holds at once, which the worker drops.
func (p *Pool[J]) Remove(id string) {
	p.mu.Lock()
	l := p.lanes[id]
	delete(p.lanes, id)
	p.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// Drain hands what is queued to the worker, once stop is closed, and returns what was set aside.
func (p *Pool[J]) Drain() (aside []J) {
	for _, l := range p.All() {
		aside = append(aside, l.TakeAside("")...)
		l.look() // at what waits for a rate limit
	}
	return aside
}

// Wait returns when no attempt is being made any more.
func (p *Pool[J]) Wait() { p.attempts.Wait() }

// Busy is how many lanes make a request now.
func (p *Pool[J]) Busy() int { return int(p.busy.Load()) }

// Bytes is how many bytes of bodies the lanes hold; a body that goes to several endpoints counts for each.
func (p *Pool[J]) Bytes() int64 { return p.bytes.Load() }

// crowd is among how many lanes the limits are shared.
func (p *Pool[J]) crowd() int64 { return max(1, int64(p.busy.Load())) }

func (p *Pool[J]) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// anyDry reports whether another lane that was busy a moment ago has nothing to do: it may be what the shared intake would
// bring if it did not wait.
func (p *Pool[J]) anyDry(but *Lane[J]) bool {
	now := time.Now()
	for _, l := range p.All() {
		if l != but && l.isDry(now) {
			return true
		}
	}
	return false
}
