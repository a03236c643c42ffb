package consume

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/follow"
	"jethook/publish/delivery"
	"jethook/publish/event"
)

// newFollowers returns those of the lagging endpoints' cursors.
func (e *Engine) newFollowers() *follow.Followers {
	return follow.New(follow.Settings{
		Cursors: e.cursors, Endpoints: e.endpoints, Missed: e.missed, Log: e.log,
		Lane: func(ep *endpoint.Endpoint) follow.Lane { return e.lane(ep) },
		Intake: func(key cursor.Key) follow.Intake {
			in := e.ownIntake(key.Stream, key.Endpoint)
			in.bytes, in.acks, in.cursor, in.sync, in.stale = e.ahead, e.acks, true, e.cursors.Sync, &e.faults.places
			return cursorIntake{in}
		},
		Unbroken: func(stream string) (time.Time, uint64) {
			spell := e.unbroken.now(stream)
			return spell.since, spell.reconnects
		},
	})
}

// cursorIntake holds the messages of a cursor.
type cursorIntake struct{ *intake }

// Opened is of [follow.Intake].
func (in cursorIntake) Opened(since time.Time, reconnects uint64) {
	in.opened, in.reconnects = since, reconnects
}

// Hold is of [follow.Intake].
func (in cursorIntake) Hold(m jetstream.Msg) (follow.Message, uint64) {
	h := in.hold(m)
	if h == nil {
		return nil, 0
	}
	h.size = 0 // there is no room for it yet
	return (*cursorMessage)(h), h.seq
}

// cursorMessage is an event that a cursor brought.
type cursorMessage held

// Admit is of [follow.Message].
func (m *cursorMessage) Admit(ctx context.Context) error {
	if err := m.in.makeCurrent(ctx, (*held)(m)); err != nil {
		return err
	}
	size := m.in.sizeOf(m.msg)
	if m.in.bytes.Acquire(ctx, size) != nil {
		return ctx.Err()
	}
	m.size = size
	return nil
}

// Deliver is of [follow.Message].
func (m *cursorMessage) Deliver(ctx context.Context) {
	h, e := (*held)(m), m.in.engine
	if d, open := e.claim(ctx, h); open {
		e.submit(ctx, h, []*job{{d: d, h: h}})
	}
}

// PassOver is of [follow.Message].
func (m *cursorMessage) PassOver(ctx context.Context) {
	h, e := (*held)(m), m.in.engine
	if !e.mayRead(ctx, h, h.in.endpoint) {
		return
	}
	switch err := e.sendGoing(ctx, h); {
	case ctx.Err() != nil:
		h.GiveBack()
	case err != nil:
		h.GiveBackLater(time.Second, err)
	default:
		h.acknowledge()
	}
}

// End is of [follow.Message].
func (m *cursorMessage) End(how follow.Ending) {
	switch h := (*held)(m); how {
	case follow.GiveBack:
		h.GiveBack()
	case follow.Settle:
		h.Settle()
	case follow.Leave:
		h.release()
	}
}

// sendGoing makes due what somebody was about to take from a cursor, unless that was done.
func (e *Engine) sendGoing(ctx context.Context, h *held) error {
	event, err := event.Decode(h.msg)
	if err != nil {
		return nil // nobody could
	}
	key := cursor.Key{Endpoint: h.in.endpoint, Stream: h.in.queue.Stream}
	d := delivery.Delivery{Endpoint: key.Endpoint, Event: event, Attempt: 1}
	trace, err := e.bus.Find().Trace(ctx, d.ID())
	if err != nil || trace != (delivery.Trace{}) {
		return err
	}
	ended, err := deliveries.RecentlyEnded(ctx, e.bus, key.Endpoint)
	if err != nil {
		return err
	}
	if ended[d.ID()] {
		h.late.Store(true)
		return nil
	}
	return deliveries.SendAhead(ctx, e.bus, e.cursors, key, &d)
}
