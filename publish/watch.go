package publish

import (
	"context"
	"fmt"
	"time"

	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/failure"
)

// Watch returns when ctx ends; or, with an error, when a connection is closed that nobody closed. nats.go comes back from
// whatever breaks a connection, but not from what the server calls a fault of the client. Whenever the connection is back,
// the server may have been killed, and what it brought back is removed again.
func (b *Bus) Watch(ctx context.Context) error {
	var closed *connection.Conn
	var again <-chan time.Time
	for back := b.queues.Restored(); closed == nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-back:
			back, again = b.queues.Restored(), time.After(0)
		case <-again:
			again = nil
			if err := b.removeWhatCameBack(ctx); err != nil { // the other connections may not be back yet
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
