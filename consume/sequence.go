package consume

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/outage"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

const (
	// firstLook and lastLook are the pauses between looks at whether an ordered endpoint's deliveries are done:
	// they grow from the one to the other, and begin anew when a delivery ends in this process.
	firstLook = 10 * time.Millisecond
	lastLook  = time.Second
)

// sequence delivers to one ordered endpoint: from each stream one event at a time, and each only after nothing
// of that endpoint waits any more.
type sequence struct {
	engine  *Engine
	id      string
	intakes []*intake     // one for each of the streams
	turn    chan struct{} // of whoever delivers: the streams take turns
	run     context.Context

	following atomic.Int32 // streams that are being followed

	mu    sync.Mutex         // guards what follows
	ended chan struct{}      // closed when a delivery ends
	state context.Context    // ends when the endpoint changes
	next  context.CancelFunc // ends state
}

func newSequence(ctx context.Context, e *Engine, id string) *sequence {
	q := &sequence{engine: e, id: id, run: ctx, turn: make(chan struct{}, 1), ended: make(chan struct{})}
	q.state, q.next = context.WithCancel(ctx)
	q.following.Store(int32(len(topology.EventStreams)))
	for _, stream := range topology.EventStreams {
		q.intakes = append(q.intakes, &intake{
			bus: e.bus, queue: topology.Queue{Stream: stream}, log: e.log.With("stream", stream, "endpoint", id),
			bytes: e.bytes, pull: pullBytes(e.bus), acks: e.orderedAcks,
			ended: func() { e.orderedEnded(id) }, held: make(map[uint64]*held),
		})
	}
	return q
}

// now returns the endpoint's state, a context that ends with it, and whether there still is such an endpoint.
func (q *sequence) now() (context.Context, *endpoint.Endpoint, bool) {
	q.mu.Lock()
	defer q.mu.Unlock() // a change that comes after the look ends the context
	ep, ok := q.engine.endpoints.Lookup(q.id)
	return q.state, ep, ok
}

// follow does for one stream what the endpoint's state asks for, until the endpoint is removed.
func (q *sequence) follow(in *intake) {
	since := func(ep *endpoint.Endpoint) time.Time { return ep.CreatedAt } // what a missing consumer begins with
	taking := outage.Outage{
		Fails: "cannot read events for an ordered endpoint; retrying",
		Works: "reading events for an ordered endpoint again",
	}
	report := func(err error) { taking.Tell(in.log, err) }
	for q.run.Err() == nil {
		state, ep, ok := q.now()
		var err error
		switch {
		case !ok || len(topology.Filters(in.queue.Stream, ep.Events)) == 0:
			if err = q.leave(state, in); err == nil && !ok {
				return
			}
			since = func(ep *endpoint.Endpoint) time.Time { return ep.UpdatedAt }
		case ep.Disabled: // its events wait in the stream
		default:
			start := since(ep)
			since = func(*endpoint.Endpoint) time.Time { return start }
			err = q.take(state, in, start, report)
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
	case <-time.After(retryFetch):
	case <-state.Done():
	}
}

// errLags means that the bucket holds another state of the endpoint than this process has heard of.
var errLags = errors.New("the endpoint's change is on its way")

// leave removes the endpoint's consumer on a stream that it does not listen to any more. Its place in the
// stream goes with it, so the bucket is asked whether that is so.
func (q *sequence) leave(ctx context.Context, in *intake) error {
	if err := q.engine.hasLeft(ctx, q.id, in.queue.Stream); err != nil {
		return err
	}
	return q.engine.bus.Consumers().Drop(ctx, pull.Own{Stream: in.queue.Stream, Endpoint: q.id})
}

// hasLeft returns nil if, as the bucket says, an endpoint does not listen to a stream any more, or is removed; errLags if it
// does listen.
func (e *Engine) hasLeft(ctx context.Context, id, stream string) error {
	ep, err := e.endpoints.Get(ctx, id)
	switch {
	case errors.Is(err, endpoint.ErrNotFound):
		return nil
	case err != nil:
		return err
	case len(topology.Filters(stream, ep.Events)) > 0:
		return errLags
	}
	return nil
}

// take delivers from a stream until state ends or the bus fails.
func (q *sequence) take(state context.Context, in *intake, since time.Time, report func(error)) error {
	ep, err := q.engine.endpoints.Get(state, q.id) // old patterns must not replace new ones
	if errors.Is(err, endpoint.ErrNotFound) {
		return errLags
	}
	if err != nil {
		return err
	}
	consumer, err := q.engine.bus.Consumers().OpenOrdered(state, in.queue.Stream, q.id, ep.Events, since)
	if err != nil {
		return err
	}
	defer consumer.Close()
	in.opened = time.Now()
	for state.Err() == nil {
		m, err := q.fetchNext(state, consumer)
		if err != nil {
			return err
		}
		report(nil)
		if m != nil {
			q.receive(state, in, m)
		}
	}
	return nil
}

// fetchNext asks for one message. It returns nil when none came in a while, or when state ends first.
func (q *sequence) fetchNext(state context.Context, consumer *pull.Consumer) (jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(context.WithoutCancel(state), fetchWait)
	began := time.Now()
	batch, err := consumer.Take(wait, 1, 0)
	if err != nil {
		cancel()
		return nil, err
	}
	select {
	case m, came := <-batch.Messages():
		idle := wait.Err() != nil
		cancel()
		switch {
		case came:
			return m, nil
		case idle: // for the whole time
			return nil, nil
		case batch.Error() == nil && time.Since(began) < retryFetch:
			return nil, errNothing
		case errors.Is(batch.Error(), pull.ErrSilent): // whoever leads the consumer now is asked
			return nil, nil
		}
		return nil, batch.Error()
	case <-state.Done():
		q.engine.unsaved.Go(func() {
			defer cancel()
			giveBackNext(batch)
		})
		return nil, nil
	}
}

// farewell is how long a request for a message that nobody wants any more is kept open.
const farewell = 100 * time.Millisecond

// giveBackNext gives back the message that may be on its way. One that comes when nobody listens any more would
// come again only after the ack wait, and all the endpoint's others wait for it.
func giveBackNext(batch *pull.Batch) {
	select {
	case m, came := <-batch.Messages():
		if came {
			m.Nak() //nolint:errcheck // it comes again after the ack wait
		}
	case <-time.After(farewell):
	}
}

// receive holds one message and brings it to its outcome, or gives it back.
func (q *sequence) receive(state context.Context, in *intake, m jetstream.Msg) {
	h := in.hold(m)
	if h == nil {
		return
	}
	// Only now is there a body to account for: room for the largest, kept for each idle endpoint, would be more
	// than there is.
	if state.Err() != nil || in.bytes.Acquire(state, h.size) != nil {
		h.size = 0
		h.GiveBack()
		return
	}
	q.pass(state, h)
}

// pass brings one event to its outcome. While the one before it, or anything else of its endpoint, waits, the
// event is given back: it would hold its memory for hours.
func (q *sequence) pass(state context.Context, h *held) {
	if !q.engine.mayRead(state, h, q.id) {
		return
	}
	d, wanted, err := q.engine.wanted(state, h, q.id)
	switch {
	case state.Err() != nil:
		h.GiveBack()
		return
	case err != nil:
		h.GiveBackLater(time.Second, err)
		return
	case !wanted:
		h.Settle()
		return
	}
	select {
	case q.turn <- struct{}{}:
	case <-state.Done():
		h.GiveBack()
		return
	}
	idle, err := q.engine.bus.Find().Idle(state, q.id)
	switch {
	case state.Err() != nil:
		h.GiveBack()
	case err != nil:
		h.GiveBackLater(time.Second, err)
	case !idle:
		h.GiveBack()
		<-q.turn
		q.awaitIdle(state)
		return
	default:
		q.engine.submit(q.run, h, []*job{{d: d, h: h}})
		q.awaitOutcome(h)
	}
	<-q.turn
}

// wanted returns the delivery that a message of an endpoint's own consumer stands for, if the endpoint wants it and an
// earlier holder did not store its outcome.
func (e *Engine) wanted(ctx context.Context, h *held, id string) (d delivery.Delivery, wanted bool, err error) {
	event, err := event.Decode(h.msg)
	if err != nil {
		h.in.log.Error("cannot decode an event", "subject", h.msg.Subject(), "error", err)
		return d, false, nil
	}
	d = delivery.Delivery{Endpoint: id, Event: event, Attempt: 1}
	ep, ok := e.endpoints.Lookup(id)
	if !ok || !topology.MatchesAny(event.Subject, ep.Events) {
		// While patterns change, the consumer lets through what either the old or the new ones match.
		current, err := e.endpoints.Get(ctx, id)
		if errors.Is(err, endpoint.ErrNotFound) {
			return d, false, nil
		}
		if err != nil || !topology.MatchesAny(event.Subject, current.Events) {
			return d, false, err
		}
	}
	message := h.message()
	settled, err := e.dedup.Has(ctx, &d, &message)
	return d, !settled, err
}

// awaitOutcome waits until the message's outcome is stored. When the process stops first, the lanes see to it.
func (q *sequence) awaitOutcome(h *held) {
	for {
		ended := q.nextEnd()
		if !h.in.holds(h) {
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
		if idle, err := q.engine.bus.Find().Idle(ctx, q.id); err == nil && idle {
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
