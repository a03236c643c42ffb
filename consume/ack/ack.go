// Package ack acknowledges messages a moment after their outcome is stored, or found stored. The server acknowledges the history,
// and shows it to readers, before it writes it: should it be killed in between, the line is lost, and the event must not be.
package ack

import (
	"context"
	"sync"
	"time"
)

// Message is one that this process holds.
type Message interface {
	// Link tells how often the connection that brings such messages was restored, and whether there is one.
	Link() (restored uint64, connected bool)
	Settle()   // acknowledges it
	GiveBack() // lets it come again
}

// Queue has the messages that rest before they are acknowledged. It is safe for concurrent use.
type Queue struct {
	rest time.Duration

	mu     sync.Mutex // guards what follows
	queue  []resting
	closed bool
	wake   chan struct{}
}

type resting struct {
	m        Message
	until    time.Time
	restored uint64 // of the connection that brought m
}

// end acknowledges the message, unless the server may have been killed since its outcome was stored: then it comes again, and
// what is stored of it decides.
func (r *resting) end() {
	if restored, connected := r.m.Link(); restored != r.restored || !connected {
		r.m.GiveBack()
		return
	}
	r.m.Settle()
}

// NewQueue returns a queue in which a message rests for so long; 0: not at all.
func NewQueue(rest time.Duration) *Queue {
	return &Queue{rest: rest, wake: make(chan struct{}, 1)}
}

// Rests reports whether messages rest at all: the history is written after it is acknowledged.
func (q *Queue) Rests() bool { return q.rest > 0 }

// Settle acknowledges a message whose outcome is stored when it has rested.
func (q *Queue) Settle(m Message) {
	q.mu.Lock()
	if q.rest == 0 || q.closed {
		q.mu.Unlock()
		m.Settle()
		return
	}
	restored, _ := m.Link()
	q.queue = append(q.queue, resting{m, time.Now().Add(q.rest), restored})
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run acknowledges what has rested until ctx ends, and then all at once: a server that is stopped writes everything.
func (q *Queue) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-q.wake:
		case <-ctx.Done():
			q.close()
			return nil
		}
		if next, any := q.settleRested(time.Now()); any {
			timer.Reset(time.Until(next))
		}
	}
}

// settleRested acknowledges what has rested, and returns until when the next one rests, if there is one.
func (q *Queue) settleRested(now time.Time) (next time.Time, any bool) {
	q.mu.Lock()
	n := 0
	for n < len(q.queue) && !q.queue[n].until.After(now) {
		n++
	}
	rested := q.queue[:n:n]
	q.queue = q.queue[n:]
	if any = len(q.queue) > 0; any {
		next = q.queue[0].until
	}
	q.mu.Unlock()
	for i := range rested {
		rested[i].end()
	}
	clear(rested) // the queue's array outlives them
	return next, any
}

func (q *Queue) close() {
	q.mu.Lock()
	rest := q.queue
	q.queue, q.closed = nil, true
	q.mu.Unlock()
	for i := range rest {
		rest[i].end()
	}
}
