package publish

import (
	"context"
	"strings"

	"jethook/publish/connection"
	"jethook/publish/event"
)

// CheckVersion and CheckLevel refuse a server that is too old.
var (
	CheckVersion = connection.CheckVersion
	CheckLevel   = connection.CheckLevel
)

// Silence cuts the connection on which the bus answers other processes, as a kill does: without a word.
func (b *Bus) Silence() { b.reads.Conn.Close() }

// Overstep has the server close the connection for events, which nats.go then gives up.
func (b *Bus) Overstep() error { return b.front.Publish(strings.Repeat("x", 5000), nil) }

// SetAside is what Publish does before it stores an event whose body is stored aside.
func (b *Bus) SetAside(ctx context.Context, e *event.Event) error { return b.aside.SetAside(ctx, e) }
