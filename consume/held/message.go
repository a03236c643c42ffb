package held

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/dedup"
	"jethook/publish/topology"
)

// Message is one message that this process works on. It is acknowledged once all its parts have an outcome that
// is stored. It is safe for concurrent use.
type Message struct {
	Msg     jetstream.Msg
	Seq     uint64
	Stored  time.Time // when the message was stored
	Came    time.Time // when this process got it
	Again   bool      // it may have been given out before: a part of it may have its outcome
	Repeat  bool      // it was given out before
	Suspect bool      // it may be what earlier processes died of

	opened time.Time // when its server had started at the latest, for all that was known when it came
	link   uint64    // how often the connection had been restored when it came
	set    *Set
	size   int64 // of the room that it has
	parts  atomic.Int32
	kept   atomic.Int64 // when the bus was last told that it is being worked on, since this process began
	back   atomic.Int64 // the message is to come again after this time, since a part has no outcome; 0: all have
	late   atomic.Bool  // what became of a part may be told by the history alone
}

// Origin is the consumer that brought the message.
func (m *Message) Origin() Origin { return m.set.Origin }

// Size is how much room the message has.
func (m *Message) Size() int64 { return m.size }

// AwaitRoom waits until there is room for a message that was held without. The error is ctx's.
func (m *Message) AwaitRoom(ctx context.Context) error {
	size := m.set.sizeOf(m.Msg)
	if m.set.Bytes.Acquire(ctx, size) != nil {
		return ctx.Err()
	}
	m.size = size
	return nil
}

// IsHeld reports whether the message has yet to end.
func (m *Message) IsHeld() bool {
	m.set.mu.Lock()
	defer m.set.mu.Unlock()
	return m.set.held[m.Seq] == m
}

// MustRest lets the message rest before it is acknowledged: what became of a part may be told by the history alone, which is
// written late.
func (m *Message) MustRest() { m.late.Store(true) }

// keep tells the bus that the message is being worked on, unless that comes too late.
func (m *Message) keep() {
	if m.HasLapsed() {
		return
	}
	if m.Msg.InProgress() == nil { // without a connection nothing can be told
		m.kept.Store(int64(time.Since(began)))
	}
}

// HasLapsed reports whether the bus has been told nothing for so long that it has handed the message out again, as when the
// process was stopped: it is somebody else's then.
func (m *Message) HasLapsed() bool {
	kept := m.kept.Load()
	return kept > 0 && time.Since(began)-time.Duration(kept) > topology.AckWait
}

// IsForgotten reports whether the server may have handed the message out again since it came: it was told nothing for too
// long, or was killed and has forgotten that it did.
func (m *Message) IsForgotten() bool {
	return m.HasLapsed() || m.set.Connections.Reconnects(m.set.Stream) != m.link
}

// IsElsewhere reports whether somebody else may have, or may have had, the message too.
func (m *Message) IsElsewhere() bool {
	return m.Again || m.IsForgotten() || !m.set.Connections.IsConnected(m.set.Stream)
}

// Link is of [ack.Message].
func (m *Message) Link() (restored uint64, connected bool) {
	from, stream := m.set.Connections, m.set.Stream
	return from.Reconnects(stream), from.IsConnected(stream)
}

// Past is what decides whether the message's deliveries have outcomes.
func (m *Message) Past() dedup.Message {
	past := dedup.Message{Stored: m.Stored, Came: m.Came, Opened: m.opened, Again: m.Again, Repeat: m.Repeat}
	if m.set.Stream == topology.StreamDeliveries {
		past.Place = m.Seq
	}
	return past
}

// began is when this process began: a clock that nobody sets.
var began = time.Now()

// Split says of how many parts the message consists. It is called once, before any part is done.
func (m *Message) Split(parts int) { m.parts.Store(int32(parts)) }

// ComeBack lets the message come again after a while, when all its parts have ended: one of them has no outcome. The others
// are found to have theirs.
func (m *Message) ComeBack(delay time.Duration) {
	for want := int64(max(delay, 1)); ; {
		have := m.back.Load()
		if have >= want || m.back.CompareAndSwap(have, want) {
			return
		}
	}
}

// Done ends one part; after the last one the message is acknowledged, or given back.
func (m *Message) Done() {
	switch {
	case m.parts.Add(-1) > 0:
	case m.HasLapsed(): // whoever has it now finds what is recorded
		m.Release()
	case m.back.Load() > int64(time.Millisecond):
		m.GiveBackLater(time.Duration(m.back.Load()), errNotNow)
	case m.back.Load() > 0:
		m.GiveBack()
	default:
		m.Acknowledge()
	}
}

// Acknowledge ends a message whose parts all have outcomes. One that the history alone tells of may not be written yet: so the
// message rests. If the server may have been killed since the message came, the outcome of any part may have gone with it,
// however long the last part took: then the message comes again, and what is recorded decides.
func (m *Message) Acknowledge() {
	switch {
	case !m.late.Load() || !m.set.Acks.Rests():
		m.Settle()
	case m.HasLapsed():
		m.Release()
	case m.IsForgotten():
		m.GiveBack()
	default:
		m.set.Acks.Settle(m)
	}
}

// Settle acknowledges the message. If that gets lost, the message comes again and what is stored is found.
func (m *Message) Settle() {
	if err := m.Msg.Ack(); err != nil {
		// The connection is down, as the log says; the message comes again.
		m.set.Log.Debug("cannot acknowledge a message", "subject", m.Msg.Subject(), "error", err)
	}
	m.Release()
}

// GiveBack returns the message to the bus, which gives it out again at once.
func (m *Message) GiveBack() {
	if err := m.Msg.Nak(); err != nil {
		m.set.Log.Debug("cannot return a message", "subject", m.Msg.Subject(), "error", err)
	}
	m.Release()
}

// errNotNow is why a message comes again that could not be attempted.
var errNotNow = errors.New("it can't be attempted now")

// GiveBackLater returns the message to the bus, to come again after a while.
func (m *Message) GiveBackLater(delay time.Duration, cause error) {
	m.set.Log.Debug("returning a message for a moment", "subject", m.Msg.Subject(), "error", cause)
	if err := m.Msg.NakWithDelay(delay); err != nil {
		m.set.Log.Debug("cannot return a message", "subject", m.Msg.Subject(), "error", err)
	}
	m.Release()
}

// Release ends the message here, neither acknowledged nor given back.
func (m *Message) Release() {
	m.set.mu.Lock()
	delete(m.set.held, m.Seq)
	m.set.mu.Unlock()
	m.set.Bytes.Release(m.size)
	if m.set.Ended != nil {
		m.set.Ended()
	}
}
