package consume

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/dedup"
	"jethook/publish/topology"
)

// held is one message that this process works on. It is acknowledged once all its parts have an outcome that
// is stored.
type held struct {
	msg    jetstream.Msg
	seq    uint64
	stored time.Time // when the message was stored
	came   time.Time // when this process got it
	opened time.Time // when its server had started at the latest, for all that was known when it came
	again  bool      // it may have been given out before: a part of it may have its outcome
	repeat bool      // it was given out before
	link   uint64    // how often the connection had been restored when it came
	in     *intake
	size   int64
	parts  atomic.Int32
	kept   atomic.Int64 // when the bus was last told that it is being worked on, since this process began
	back   atomic.Int64 // the message is to come again after this time, since a part has no outcome; 0: all have
	late   atomic.Bool  // what became of a part may be told by the history alone

	suspect bool // it may be what earlier processes died of
}

// keep tells the bus that the message is being worked on, unless that comes too late.
func (h *held) keep() {
	if h.hasLapsed() {
		return
	}
	if h.msg.InProgress() == nil { // without a connection nothing can be told
		h.kept.Store(int64(time.Since(began)))
	}
}

// hasLapsed reports whether the bus has been told nothing for so long that it has handed the message out again, as when the
// process was stopped: it is somebody else's then.
func (h *held) hasLapsed() bool {
	kept := h.kept.Load()
	return kept > 0 && time.Since(began)-time.Duration(kept) > topology.AckWait
}

// isForgotten reports whether the server may have handed the message out again since it came: it was told nothing for too
// long, or was killed and has forgotten that it did.
func (h *held) isForgotten() bool {
	return h.hasLapsed() || h.in.bus.Queues().Reconnects(h.in.queue.Stream) != h.link
}

// isElsewhere reports whether somebody else may have, or may have had, the message too.
func (h *held) isElsewhere() bool {
	return h.again || h.isForgotten() || !h.in.bus.Queues().IsConnected(h.in.queue.Stream)
}

// Link is of [ack.Message].
func (h *held) Link() (restored uint64, connected bool) {
	queues, stream := h.in.bus.Queues(), h.in.queue.Stream
	return queues.Reconnects(stream), queues.IsConnected(stream)
}

// message is what decides whether its deliveries have outcomes.
func (h *held) message() dedup.Message {
	m := dedup.Message{Stored: h.stored, Came: h.came, Opened: h.opened, Again: h.again, Repeat: h.repeat}
	if h.in.queue.Stream == topology.StreamDeliveries {
		m.Place = h.seq
	}
	return m
}

// began is when this process began: a clock that nobody sets.
var began = time.Now()

// split says of how many parts the message consists. It is called once, before any part is done.
func (h *held) split(parts int) { h.parts.Store(int32(parts)) }

// comeBack lets the message come again after a while, when all its parts have ended: one of them has no outcome. The others
// are found to have theirs.
func (h *held) comeBack(delay time.Duration) {
	for want := int64(max(delay, 1)); ; {
		have := h.back.Load()
		if have >= want || h.back.CompareAndSwap(have, want) {
			return
		}
	}
}

// done ends one part; after the last one the message is acknowledged, or given back.
func (h *held) done() {
	switch {
	case h.parts.Add(-1) > 0:
	case h.hasLapsed(): // whoever has it now finds what is recorded
		h.release()
	case h.back.Load() > int64(time.Millisecond):
		h.GiveBackLater(time.Duration(h.back.Load()), errNotNow)
	case h.back.Load() > 0:
		h.GiveBack()
	default:
		h.acknowledge()
	}
}

// acknowledge ends a message whose parts all have outcomes. One that the history alone tells of may not be written yet: so the
// message rests. If the server may have been killed since the message came, the outcome of any part may have gone with it,
// however long the last part took: then the message comes again, and what is recorded decides.
func (h *held) acknowledge() {
	switch {
	case !h.late.Load() || !h.in.acks.Rests():
		h.Settle()
	case h.hasLapsed():
		h.release()
	case h.isForgotten():
		h.GiveBack()
	default:
		h.in.acks.Settle(h)
	}
}

// Settle acknowledges the message. If that gets lost, the message comes again and what is stored is found.
func (h *held) Settle() {
	if err := h.msg.Ack(); err != nil {
		// The connection is down, as the log says; the message comes again.
		h.in.log.Debug("cannot acknowledge a message", "subject", h.msg.Subject(), "error", err)
	}
	h.release()
}

// GiveBack returns the message to the bus, which gives it out again at once.
func (h *held) GiveBack() {
	if err := h.msg.Nak(); err != nil {
		h.in.log.Debug("cannot return a message", "subject", h.msg.Subject(), "error", err)
	}
	h.release()
}

// errNotNow is why a message comes again that could not be attempted.
var errNotNow = errors.New("it can't be attempted now")

// GiveBackLater returns the message to the bus, to come again after a while.
func (h *held) GiveBackLater(delay time.Duration, cause error) {
	h.in.log.Debug("returning a message for a moment", "subject", h.msg.Subject(), "error", cause)
	if err := h.msg.NakWithDelay(delay); err != nil {
		h.in.log.Debug("cannot return a message", "subject", h.msg.Subject(), "error", err)
	}
	h.release()
}

func (h *held) release() {
	h.in.mu.Lock()
	delete(h.in.held, h.seq)
	h.in.mu.Unlock()
	h.in.bytes.Release(h.size)
	if h.in.ended != nil {
		h.in.ended()
	}
}
