package consume

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/follow"
	"jethook/consume/order"
	"jethook/consume/registry"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// ownIntake returns an intake for what a consumer of an endpoint's own brings.
func (e *Engine) ownIntake(stream, id string) *intake {
	return &intake{
		engine: e, endpoint: id, bus: e.bus, queue: topology.Queue{Stream: stream}, log: e.log.With("stream", stream, "endpoint", id),
		pull: pullBytes(e.bus), held: make(map[uint64]*held),
	}
}

// claim returns the delivery that a message of an endpoint's own consumer stands for, if it has yet to be made. If not, the
// message has ended, or comes again.
func (e *Engine) claim(ctx context.Context, h *held) (d delivery.Delivery, open bool) {
	id := h.in.endpoint
	if !e.mayRead(ctx, h, id) {
		return d, false
	}
	d, wanted, err := e.wanted(ctx, h, id)
	switch {
	case ctx.Err() != nil:
		h.GiveBack()
	case err != nil:
		h.GiveBackLater(time.Second, err)
	case !wanted:
		h.acknowledge()
	default:
		return d, true
	}
	return d, false
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
		if errors.Is(err, registry.ErrNotFound) {
			return d, false, nil
		}
		if err != nil || !topology.MatchesAny(event.Subject, current.Events) {
			return d, false, err
		}
	}
	settled, err := e.hasOutcome(ctx, h, &d)
	return d, !settled, err
}

// newSequences returns those of the ordered endpoints.
func (e *Engine) newSequences() *order.Sequences {
	return order.New(order.Settings{
		Endpoints: e.endpoints, Consumers: order.On(e.bus.Consumers(), e.flight.Pending()), Idle: e.bus.Find().Idle, Log: e.log,
		Intake: func(stream, id string) order.Intake {
			in := e.ownIntake(stream, id)
			in.bytes, in.acks, in.ended = e.bytes, e.orderedAcks, func() { e.sequences.Ended(id) }
			return orderedIntake{in}
		},
	})
}

// orderedIntake holds the messages of an ordered endpoint.
type orderedIntake struct{ *intake }

// Opened is of [order.Intake].
func (in orderedIntake) Opened() { in.opened = time.Now() }

// Hold is of [order.Intake]. Only when a message is there is there a body to account for: room for the largest, kept for each
// idle endpoint, would be more than there is.
func (in orderedIntake) Hold(ctx context.Context, m jetstream.Msg) order.Message {
	h := in.hold(m)
	if h == nil {
		return nil
	}
	if ctx.Err() != nil || in.bytes.Acquire(ctx, h.size) != nil {
		h.size = 0
		h.GiveBack()
		return nil
	}
	return &orderedMessage{h: h}
}

// orderedMessage is an event of an ordered endpoint.
type orderedMessage struct {
	h *held
	d delivery.Delivery
}

// IsWanted is of [order.Message].
func (m *orderedMessage) IsWanted(ctx context.Context) (wanted bool) {
	m.d, wanted = m.h.in.engine.claim(ctx, m.h)
	return wanted
}

// Deliver is of [order.Message].
func (m *orderedMessage) Deliver(ctx context.Context) {
	m.h.in.engine.submit(ctx, m.h, []*job{{d: m.d, h: m.h}})
}

// IsHeld is of [order.Message].
func (m *orderedMessage) IsHeld() bool { return m.h.in.holds(m.h) }

// GiveBack is of [order.Message].
func (m *orderedMessage) GiveBack(failed error) {
	if failed != nil {
		m.h.GiveBackLater(time.Second, failed)
	} else {
		m.h.GiveBack()
	}
}

// keepOwn is keep for the messages of all endpoints that have consumers of their own.
func (e *Engine) keepOwn(ctx context.Context) error {
	return keepHeld(ctx, func(into []*held) []*held {
		e.sequences.Intakes(func(in order.Intake) { into = in.(orderedIntake).snapshot(into) })
		e.followers.Intakes(func(in follow.Intake) { into = in.(cursorIntake).snapshot(into) })
		return into
	})
}
