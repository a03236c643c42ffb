package dispatch

import (
	"context"
	"errors"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/held"
	"jethook/consume/registry"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// Claim returns the delivery that a message of an endpoint's own consumer stands for, if it has yet to be made. If not, the
// message has ended, or comes again.
func (x *Dispatcher) Claim(ctx context.Context, m *held.Message) (d delivery.Delivery, open bool) {
	id := m.Origin().Endpoint
	if !x.mayRead(ctx, m, id) {
		return d, false
	}
	d, wanted, err := x.wanted(ctx, m, id)
	switch {
	case ctx.Err() != nil:
		m.GiveBack()
	case err != nil:
		m.GiveBackLater(time.Second, err)
	case !wanted:
		m.Acknowledge()
	default:
		return d, true
	}
	return d, false
}

// wanted returns the delivery that a message of an endpoint's own consumer stands for, if the endpoint wants it and an
// earlier holder did not store its outcome.
func (x *Dispatcher) wanted(ctx context.Context, m *held.Message, id string) (d delivery.Delivery, wanted bool, err error) {
	event, err := event.Decode(m.Msg)
	if err != nil {
		x.Log.Error("cannot decode an event", "stream", m.Origin().Stream, "endpoint", id, "subject", m.Msg.Subject(), "error", err)
		return d, false, nil
	}
	d = delivery.Delivery{Endpoint: id, Event: event, Attempt: 1}
	ep, ok := x.Endpoints.Lookup(id)
	if !ok || !topology.MatchesAny(event.Subject, ep.Events) {
		// While patterns change, the consumer lets through what either the old or the new ones match.
		current, err := x.Endpoints.Get(ctx, id)
		if errors.Is(err, registry.ErrNotFound) {
			return d, false, nil
		}
		if err != nil || !topology.MatchesAny(event.Subject, current.Events) {
			return d, false, err
		}
	}
	settled, err := x.hasOutcome(ctx, m, &d)
	return d, !settled, err
}

// PassOver ends a message of an endpoint's cursor of which somebody was about to make the delivery due, once it is.
func (x *Dispatcher) PassOver(ctx context.Context, m *held.Message) {
	if !x.mayRead(ctx, m, m.Origin().Endpoint) {
		return
	}
	switch err := x.sendGoing(ctx, m); {
	case ctx.Err() != nil:
		m.GiveBack()
	case err != nil:
		m.GiveBackLater(time.Second, err)
	default:
		m.Acknowledge()
	}
}

// sendGoing makes due what somebody was about to take from a cursor, unless that was done.
func (x *Dispatcher) sendGoing(ctx context.Context, m *held.Message) error {
	event, err := event.Decode(m.Msg)
	if err != nil {
		return nil // nobody could
	}
	key := cursor.Key{Endpoint: m.Origin().Endpoint, Stream: m.Origin().Stream}
	d := delivery.Delivery{Endpoint: key.Endpoint, Event: event, Attempt: 1}
	trace, err := x.Bus.Find().Trace(ctx, d.ID())
	if err != nil || trace != (delivery.Trace{}) {
		return err
	}
	ended, err := deliveries.RecentlyEnded(ctx, x.Bus, key.Endpoint)
	if err != nil {
		return err
	}
	if ended[d.ID()] {
		m.MustRest()
		return nil
	}
	return deliveries.SendAhead(ctx, x.Bus, x.Cursors, key, &d)
}
