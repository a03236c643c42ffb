package consume

import (
	"context"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/follow"
	"jethook/consume/held"
	"jethook/consume/intake"
	"jethook/consume/order"
	"jethook/publish/topology"
)

// newIntake returns the intake of a queue that all processes share.
func (e *Engine) newIntake(q topology.Queue) *intake.Intake {
	s := e.settingsOf(held.Origin{Stream: q.Stream})
	s.Bytes, s.Acks, s.Log = e.bytes, e.acks, e.log.With("stream", q.Stream)
	if q.Stream == topology.StreamDeliveries {
		s.Bytes = e.dueBytes
		return intake.New(held.NewSet(s), intake.Settings{Bus: e.bus, Queue: q, Submit: e.dispatcher.SubmitDue})
	}
	return intake.New(held.NewSet(s), intake.Settings{Bus: e.bus, Queue: q, Records: e.records, Submit: e.dispatcher.SubmitEvent})
}

// newSequences returns those of the ordered endpoints.
func (e *Engine) newSequences() *order.Sequences {
	return order.New(order.Settings{
		Endpoints: e.endpoints, Consumers: order.On(e.bus.Consumers(), e.flight.Pending()), Idle: e.bus.Find().Idle, Log: e.log,
		Intake: func(stream, id string) order.Intake {
			s := e.settingsOf(held.Origin{Stream: stream, Endpoint: id})
			s.Bytes, s.Acks, s.Ended = e.bytes, e.orderedAcks, func() { e.sequences.Ended(id) }
			return intake.NewOrdered(held.NewSet(s), e.dispatcher)
		},
	})
}

// newFollowers returns those of the lagging endpoints' cursors.
func (e *Engine) newFollowers() *follow.Followers {
	return follow.New(follow.Settings{
		Cursors: e.cursors, Endpoints: e.endpoints, Missed: e.missed, Log: e.log,
		Lane: func(ep *endpoint.Endpoint) follow.Lane { return e.lane(ep) },
		Intake: func(key cursor.Key) follow.Intake {
			s := e.settingsOf(held.Origin{Stream: key.Stream, Endpoint: key.Endpoint, Cursor: true})
			s.Bytes, s.Acks = e.ahead, e.acks
			return intake.NewCursor(held.NewSet(s), e.dispatcher, e.records)
		},
		Unbroken: func(stream string) (time.Time, uint64) {
			spell := e.unbroken.now(stream)
			return spell.since, spell.reconnects
		},
	})
}

// settingsOf are those that all sets of messages have in common.
func (e *Engine) settingsOf(from held.Origin) held.Settings {
	return held.Settings{
		Origin: from, Connections: e.bus.Queues(), Deaths: e.bus.Server().Deaths, Most: intake.Bytes(e.bus),
		Log: e.log.With("stream", from.Stream, "endpoint", from.Endpoint),
	}
}

// keepOwn tells the bus regularly that what consumers of endpoints' own brought is being worked on, until ctx ends.
func (e *Engine) keepOwn(ctx context.Context) error {
	return held.Keep(ctx, func(list []*held.Message) []*held.Message {
		e.sequences.Intakes(func(in order.Intake) { list = in.(intake.Ordered).AppendTo(list) })
		e.followers.Intakes(func(in follow.Intake) { list = in.(*intake.Cursor).AppendTo(list) })
		return list
	})
}
