package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"jethook/publish/audit"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/failure"
	"jethook/publish/processes"
	"jethook/publish/pull"
	"jethook/publish/query"
)

// Watch returns when ctx ends; or, with an error, when a connection is closed that nobody closed. nats.go comes back from
// whatever breaks a connection, but not from what the server calls a fault of the client. Whenever the connection is back,
// the server may have been killed, and what it brought back is removed again.
func (b *Bus) Watch(ctx context.Context) error {
	var closed *connection.Conn
	var again <-chan time.Time
	for back := b.Restored(); closed == nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-back:
			back, again = b.Restored(), time.After(0)
		case <-again:
			again = nil
			if err := b.removeAgain(ctx); err != nil { // the other connections may not be back yet
				b.log.Debug("looking for what was removed and came back", "error", err)
				again = time.After(embedded.RestartPause)
			}
		case <-b.front.Gone:
			closed = b.front
		case <-b.back.Gone:
			closed = b.back
		case <-b.reads.Gone:
			closed = b.reads
		}
	}
	return fmt.Errorf("%w: the connection %q was closed for good: %w", failure.ErrUnavailable, closed.Opts.Name, closed.LastError())
}

// Requests is the bucket in which a request with an Idempotency-Key leaves what it did, for [RequestsAge].
func (b *Bus) Requests(ctx context.Context) (jetstream.KeyValue, error) {
	return b.requests.Open(ctx, b.reads.JS)
}

// Metrics are of what this process stored.
func (b *Bus) Metrics() prometheus.Collector { return b.meters }

// Query reads what is stored.
func (b *Bus) Query() *query.Reader { return b.reader }

// Consumers take messages off the streams.
func (b *Bus) Consumers() *pull.Set { return b.consumers }

// Processes are those that use this bus.
func (b *Bus) Processes() *processes.Group { return b.processes }

// AuditTrail is what operators did.
func (b *Bus) AuditTrail() *audit.Trail { return b.audit }
