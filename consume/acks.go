package consume

import (
	"context"
	"sync"
	"time"

	"jethook/publish"
)

const (
	// ackRest is how long a message rests. nats-server writes what it holds back after 8 ms, or later when the processors
	// are busy.
	ackRest = 250 * time.Millisecond
	// orderedRest is for ordered endpoints, whose next event waits for it.
	orderedRest = 25 * time.Millisecond
)

// acks acknowledges messages a moment after their outcome is stored. The history is acknowledged by the server before it
// is written: should the server be killed in between, the line is lost, and the event must not be.
type acks struct {
	rest time.Duration // how long a message rests; 0: not at all

	mu     sync.Mutex // guards what follows
	queue  []resting
	closed bool
	wake   chan struct{}
}

type resting struct {
	h          *held
	until      time.Time
	reconnects uint64 // of the connection that brought h
}

// end acknowledges the message, unless the server may have been killed since its outcome was stored: then it comes again, and
// what is stored of it decides.
func (r *resting) end() {
	bus, stream := r.h.in.bus, r.h.in.queue.Stream
	if bus.Queues().Reconnects(stream) != r.reconnects || !bus.Queues().IsConnected(stream) {
		r.h.giveBack()
		return
	}
	r.h.settle()
}

// newAcks returns acks for messages of bus that rest so long, if its history is written late.
func newAcks(bus *publish.Bus, rest time.Duration) *acks {
	if !bus.Deliveries().HistoryIsLate() {
		rest = 0
	}
	return &acks{rest: rest, wake: make(chan struct{}, 1)}
}

// settle acknowledges h when it has rested.
func (a *acks) settle(h *held) {
	a.mu.Lock()
	if a.rest == 0 || a.closed {
		a.mu.Unlock()
		h.settle()
		return
	}
	a.queue = append(a.queue, resting{h, time.Now().Add(a.rest), h.in.bus.Queues().Reconnects(h.in.queue.Stream)})
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run acknowledges what has rested until ctx ends, and then all at once: a server that is stopped writes everything.
func (a *acks) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-a.wake:
		case <-ctx.Done():
			a.close()
			return nil
		}
		if next, any := a.settleRested(time.Now()); any {
			timer.Reset(time.Until(next))
		}
	}
}

// settleRested acknowledges what has rested, and returns until when the next one rests, if there is one.
func (a *acks) settleRested(now time.Time) (next time.Time, any bool) {
	a.mu.Lock()
	n := 0
	for n < len(a.queue) && !a.queue[n].until.After(now) {
		n++
	}
	rested := a.queue[:n:n]
	a.queue = a.queue[n:]
	if any = len(a.queue) > 0; any {
		next = a.queue[0].until
	}
	a.mu.Unlock()
	for i := range rested {
		rested[i].end()
	}
	clear(rested) // the queue's array outlives them
	return next, any
}

func (a *acks) close() {
	a.mu.Lock()
	rest := a.queue
	a.queue, a.closed = nil, true
	a.mu.Unlock()
	for i := range rest {
		rest[i].end()
	}
}
