// Package held is the messages that this process works on, and the deliveries that are parts of them.
//
// A message is kept from other processes while it is held, and acknowledged only when each of its parts has an outcome that is
// stored. Else it comes again, here or elsewhere: so a process may be killed at any moment. The package does not take messages
// off streams, and does not know what their parts are.
package held

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"jethook/consume/ack"
	"jethook/publish/topology"
)

const (
	// heartbeat is how often the bus is told that what is held is still being worked on.
	heartbeat = topology.AckWait / 3
	// blameless is how many hand-outs, or deaths in a row, say nothing about a message. Two things make one a suspect: it was
	// handed out more often without an outcome; or two processes died in a row, the second one soon after it had opened the
	// embedded server, which forgets what it handed out when it dies, and the message is older than this one.
	blameless = 2
)

// Origin is the consumer that brought a message.
type Origin struct {
	Stream   string
	Endpoint string // whose own it is; empty: it is shared
	Cursor   bool   // it is an endpoint's cursor
}

// Connections tell how this process's connections fare.
type Connections interface {
	Reconnects(stream string) uint64 // how often the one for a stream's messages was restored
	IsConnected(stream string) bool
}

// Settings are what a Set needs.
type Settings struct {
	Origin
	Connections Connections
	Deaths      func() int          // processes that died in a row, the last one soon after it began
	Bytes       *semaphore.Weighted // of what the process holds
	Most        int                 // bytes that count of a message at most
	Acks        *ack.Queue
	Ended       func() // called when a message is not held any more; nil: nobody waits for that
	Log         *slog.Logger
}

// Set is the messages that one consumer brought and that this process holds. It is safe for concurrent use, but that one
// goroutine calls Opened and Hold.
type Set struct {
	Settings

	opened     time.Time // when the consumer was opened, or the connection was last found restored
	reconnects uint64    // of the connection, as last seen

	mu   sync.Mutex // guards held
	held map[uint64]*Message
}

// NewSet returns an empty set.
func NewSet(s Settings) *Set { return &Set{Settings: s, held: make(map[uint64]*Message)} }

// Opened is told that the consumer was opened: what was stored before may have been handed out.
func (s *Set) Opened() { s.opened = time.Now() }

// OpenedSince is Opened for one that is known to have handed out nothing of what was stored since a time, while the connection
// is as often restored as then.
func (s *Set) OpenedSince(since time.Time, reconnects uint64) {
	s.opened, s.reconnects = since, reconnects
}

// Hold registers a message for which there is room. It returns nil for a copy of one that is being worked on already: the
// outcome of that work answers for both.
func (s *Set) Hold(msg jetstream.Msg) *Message { return s.hold(msg, s.sizeOf(msg)) }

// HoldWithoutRoom is Hold for a message for which there is no room yet: [Message.AwaitRoom] waits for it.
func (s *Set) HoldWithoutRoom(msg jetstream.Msg) *Message { return s.hold(msg, 0) }

func (s *Set) hold(msg jetstream.Msg, size int64) *Message {
	meta, err := msg.Metadata()
	if err != nil {
		s.Log.Error("message without a stream position", "subject", msg.Subject(), "error", err)
		return nil
	}
	if n := s.Connections.Reconnects(s.Stream); n != s.reconnects { // the server may have been killed
		s.opened, s.reconnects = time.Now(), n
	}
	m := &Message{
		Msg: msg, Seq: meta.Sequence.Stream, Stored: meta.Timestamp, Came: time.Now(), set: s,
		// A server that was killed may have forgotten that it gave out what it gave out last.
		Again: meta.NumDelivered > 1 || meta.Timestamp.Before(s.opened), Repeat: meta.NumDelivered > 1, opened: s.opened,
		size: size, link: s.reconnects,
	}
	m.kept.Store(int64(time.Since(began)))
	m.Suspect = meta.NumDelivered > blameless || m.Again && s.Deaths() >= blameless
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.held[m.Seq]; twice {
		return nil
	}
	s.held[m.Seq] = m
	return m
}

// sizeOf is how much room a message takes.
func (s *Set) sizeOf(msg jetstream.Msg) int64 { return min(int64(len(msg.Data())), int64(s.Most)) }

// AppendTo adds the messages that are held to a list.
func (s *Set) AppendTo(list []*Message) []*Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.held {
		list = append(list, m)
	}
	return list
}

// Keep tells the bus regularly that the messages which all adds to a list are being worked on, until ctx ends.
func Keep(ctx context.Context, all func(list []*Message) []*Message) error {
	t := time.NewTicker(heartbeat)
	defer t.Stop()
	var working []*Message
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		// What came since the last beat is young enough to wait for the next one.
		for _, m := range working {
			if m.IsHeld() {
				m.keep()
			}
		}
		working = all(working[:0])
	}
}
