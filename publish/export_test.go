package publish

import (
	"context"
	"strings"
	"time"

	"jethook/config"
	"jethook/publish/connection"
)

// CheckVersion refuses a server that is too old.
var CheckVersion = connection.CheckVersion

// Silence cuts the connection on which the bus answers other processes, as a kill does: without a word.
func (b *Bus) Silence() { b.reads.Conn.Close() }

// Overstep has the server close the connection for events, which nats.go then gives up.
func (b *Bus) Overstep() error { return b.front.Publish(strings.Repeat("x", 5000), nil) }

// TraceparentOf is the trace of an event that was published without one.
var TraceparentOf = traceparentOf

// SealAll is what Watch does when it is first called.
func (s *Sources) SealAll(ctx context.Context) error {
	s.followed.Store(true)
	return s.sealAll(ctx)
}

// DecodeSource decodes a record of the sources' bucket.
func (s *Sources) DecodeSource(source string, data []byte) (SourceState, error) {
	return s.decode(source, data)
}

// EncodeSource encodes one.
func (s *Sources) EncodeSource(source string, state SourceState) ([]byte, error) {
	return s.encode(source, state)
}

// NewSources returns sources without a bucket.
func NewSources(keys *config.Keyring, sealedOnly bool) *Sources {
	s := &Sources{ring: keys, seals: &Seals{keys: keys}}
	s.seals.only.Store(sealedOnly)
	return s
}

// SetAside is what Publish does before it stores an event whose body is stored aside.
func (b *Bus) SetAside(ctx context.Context, e *Event) error { return b.setAside(ctx, e) }

// NewCalendar returns what books times of which each slot of a calendar takes so many.
func NewCalendar(most int) func(time.Time) time.Time { return newCalendar(most).book }
