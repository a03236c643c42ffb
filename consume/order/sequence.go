package order

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish/outage"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

const (
	// firstLook and lastLook are the pauses between looks at whether an endpoint's deliveries are done: they grow from the one
	// to the other, and begin anew when a delivery ends in this process.
	firstLook = 10 * time.Millisecond
	lastLook  = time.Second
	// retryTake is the pause after a failed request for messages.
	retryTake = 250 * time.Millisecond
)

// sequence delivers to one ordered endpoint.
type sequence struct {
	*Sequences
	id      string
	intakes []Intake      // one for each of the streams
	turn    chan struct{} // of whoever delivers: the streams take turns
	run     context.Context

	following atomic.Int32 // streams that are being followed

	mu    sync.Mutex         // guards what follows
	ended chan struct{}      // closed when a delivery ends
	state context.Context    // ends when the endpoint changes
	next  context.CancelFunc // ends state
}

func newSequence(ctx context.Context, all *Sequences, id string) *sequence {
	q := &sequence{Sequences: all, id: id, run: ctx, turn: make(chan struct{}, 1), ended: make(chan struct{})}
	q.state, q.next = context.WithCancel(ctx)
	q.following.Store(int32(len(topology.EventStreams)))
	for _, stream := range topology.EventStreams {
		q.intakes = append(q.intakes, all.Intake(stream, id))
	}
	return q
}

// renew ends the endpoint's state: it has changed.
func (q *sequence) renew() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next()
	q.state, q.next = context.WithCancel(q.run)
}

// wake wakes who waits for a delivery to end.
func (q *sequence) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.ended)
	q.ended = make(chan struct{})
}

// now returns the endpoint's state, a context that ends with it, and whether there still is such an endpoint.
func (q *sequence) now() (context.Context, *endpoint.Endpoint, bool) {
	q.mu.Lock()
	defer q.mu.Unlock() // a change that comes after the look ends the context
	ep, ok := q.Endpoints.Lookup(q.id)
	return q.state, ep, ok
}

// follow does for one stream what the endpoint's state asks for, until the endpoint is removed.
func (q *sequence) follow(stream string, in Intake) {
	since := func(ep *endpoint.Endpoint) time.Time { return ep.CreatedAt } // what a missing consumer begins with
	log := q.Log.With("stream", stream, "endpoint", q.id)
	taking := outage.Outage{
		Fails: "cannot read events for an ordered endpoint; retrying",
		Works: "reading events for an ordered endpoint again",
	}
	report := func(err error) { taking.Tell(log, err) }
	for q.run.Err() == nil {
		state, ep, ok := q.now()
		var err error
		switch {
		case !ok || len(topology.Filters(stream, ep.Events)) == 0:
			if err = q.leave(state, stream); err == nil && !ok {
				return
			}
			since = func(ep *endpoint.Endpoint) time.Time { return ep.UpdatedAt }
		case ep.Disabled: // its events wait in the stream
		default:
			start := since(ep)
			since = func(*endpoint.Endpoint) time.Time { return start }
			err = q.take(state, stream, in, start, report)
		}
		if state.Err() == nil && !errors.Is(err, errLags) {
			report(err)
		}
		pause(state, err)
	}
}

// pause waits for the endpoint's next change, or after a fault for a moment.
func pause(state context.Context, err error) {
	if err == nil {
		<-state.Done()
		return
	}
	select {
	case <-time.After(retryTake):
	case <-state.Done():
	}
}

// errLags means that the bucket holds another state of the endpoint than this process has heard of.
var errLags = errors.New("the endpoint's change is on its way")

// leave removes the endpoint's consumer on a stream that it does not listen to any more. Its place in the
// stream goes with it, so the bucket is asked whether that is so.
func (q *sequence) leave(ctx context.Context, stream string) error {
	left, err := q.Endpoints.HasLeft(ctx, q.id, stream)
	if err == nil && !left {
		err = errLags
	}
	if err != nil {
		return err
	}
	return q.Consumers.Drop(ctx, pull.Own{Stream: stream, Endpoint: q.id})
}

// take delivers from a stream until state ends or the bus fails.
func (q *sequence) take(state context.Context, stream string, in Intake, since time.Time, report func(error)) error {
	ep, err := q.Endpoints.Get(state, q.id) // old patterns must not replace new ones
	if errors.Is(err, registry.ErrNotFound) {
		return errLags
	}
	if err != nil {
		return err
	}
	source, err := q.Consumers.Open(state, stream, q.id, ep.Events, since)
	if err != nil {
		return err
	}
	defer source.Close()
	in.Opened()
	for state.Err() == nil {
		m, err := source.Next(state)
		if err != nil {
			return err
		}
		report(nil)
		if m != nil {
			q.pass(state, in, m)
		}
	}
	return nil
}

// pass brings one event to its outcome. While the one before it, or anything else of its endpoint, waits, the
// event is given back: it would hold its memory for hours.
func (q *sequence) pass(state context.Context, in Intake, came jetstream.Msg) {
	m := in.Hold(state, came)
	if m == nil || !m.IsWanted(state) {
		return
	}
	select {
	case q.turn <- struct{}{}:
	case <-state.Done():
		m.GiveBack(nil)
		return
	}
	idle, err := q.Idle(state, q.id)
	switch {
	case state.Err() != nil:
		m.GiveBack(nil)
	case err != nil:
		m.GiveBack(err)
	case !idle:
		m.GiveBack(nil)
		<-q.turn
		q.awaitIdle(state)
		return
	default:
		m.Deliver(q.run)
		q.awaitOutcome(m)
	}
	<-q.turn
}

// awaitOutcome waits until the message's outcome is stored. When the process stops first, the lanes see to it.
func (q *sequence) awaitOutcome(m Message) {
	for {
		ended := q.nextEnd()
		if !m.IsHeld() {
			return
		}
		select {
		case <-ended:
		case <-q.run.Done():
			return
		}
	}
}

// awaitIdle waits until nothing of the endpoint waits any more.
func (q *sequence) awaitIdle(ctx context.Context) {
	for look := firstLook; ctx.Err() == nil; {
		ended := q.nextEnd()
		if idle, err := q.Idle(ctx, q.id); err == nil && idle {
			return
		}
		select {
		case <-time.After(look):
			look = min(2*look, lastLook)
		case <-ended:
			look = firstLook
		case <-ctx.Done():
		}
	}
}

func (q *sequence) nextEnd() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}
