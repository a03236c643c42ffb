package publish

import "strings"

// CheckVersion refuses a server that is too old.
var CheckVersion = checkVersion

// Silence cuts the connection on which the bus answers other processes, as a kill does: without a word.
func (b *Bus) Silence() { b.reads.Conn.Close() }

// Overstep has the server close the connection for events, which nats.go then gives up.
func (b *Bus) Overstep() error { return b.front.Publish(strings.Repeat("x", 5000), nil) }
