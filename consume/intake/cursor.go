package intake

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/follow"
	"jethook/consume/held"
)

// Cursor holds the messages of a lagging endpoint's cursor. It is a [follow.Intake].
type Cursor struct {
	set        *held.Set
	dispatcher Dispatcher
	records    *currency
}

// NewCursor returns one that holds messages in a set and decides about them by records.
func NewCursor(set *held.Set, d Dispatcher, records *Records) *Cursor {
	return &Cursor{set, d, records.forOne(set)}
}

// AppendTo adds the messages that are held to a list.
func (in *Cursor) AppendTo(list []*held.Message) []*held.Message { return in.set.AppendTo(list) }

// Opened is of [follow.Intake].
func (in *Cursor) Opened(since time.Time, reconnects uint64) { in.set.OpenedSince(since, reconnects) }

// Hold is of [follow.Intake].
func (in *Cursor) Hold(msg jetstream.Msg) (follow.Message, uint64) {
	m := in.set.HoldWithoutRoom(msg)
	if m == nil {
		return nil, 0
	}
	return &cursorMessage{m, in}, m.Seq
}

// cursorMessage is an event that a cursor brought.
type cursorMessage struct {
	*held.Message
	in *Cursor
}

// Admit is of [follow.Message].
func (m *cursorMessage) Admit(ctx context.Context) error {
	if err := m.in.records.catchUp(ctx, m.Message); err != nil {
		return err
	}
	return m.AwaitRoom(ctx)
}

// Deliver is of [follow.Message].
func (m *cursorMessage) Deliver(ctx context.Context) {
	if d, open := m.in.dispatcher.Claim(ctx, m.Message); open {
		m.in.dispatcher.Submit(ctx, m.Message, d)
	}
}

// PassOver is of [follow.Message].
func (m *cursorMessage) PassOver(ctx context.Context) { m.in.dispatcher.PassOver(ctx, m.Message) }

// End is of [follow.Message].
func (m *cursorMessage) End(how follow.Ending) {
	switch how {
	case follow.GiveBack:
		m.GiveBack()
	case follow.Settle:
		m.Settle()
	case follow.Leave:
		m.Release()
	}
}
