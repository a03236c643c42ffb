package order

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/pull"
)

const (
	// takeWait is how long an idle request for a message stays open.
	takeWait = 10 * time.Second
	// farewell is how long a request for a message that nobody wants any more is kept open.
	farewell = 100 * time.Millisecond
)

// consumers are those on the bus.
type consumers struct {
	set     *pull.Set
	pending *sync.WaitGroup
}

// On returns the Consumers of a set. Pending counts the requests that are being ended.
func On(set *pull.Set, pending *sync.WaitGroup) Consumers { return consumers{set, pending} }

// Open is of [Consumers].
func (c consumers) Open(ctx context.Context, stream, id string, patterns []string, since time.Time) (Source, error) {
	consumer, err := c.set.OpenOrdered(ctx, stream, id, patterns, since)
	if err != nil {
		return nil, err
	}
	return &source{consumer, c.pending}, nil
}

// Drop is of [Consumers].
func (c consumers) Drop(ctx context.Context, own pull.Own) error { return c.set.Drop(ctx, own) }

// source asks a consumer for one message at a time.
type source struct {
	consumer *pull.Consumer
	pending  *sync.WaitGroup
}

// Close is of [Source].
func (s *source) Close() { s.consumer.Close() }

// errNothing means that a request ended early and brought nothing; asked again at once, it would so for ever.
var errNothing = errors.New("the bus gave no reason")

// Next is of [Source].
func (s *source) Next(ctx context.Context) (jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeWait)
	began := time.Now()
	batch, err := s.consumer.Take(wait, 1, 0)
	if err != nil {
		cancel()
		return nil, err
	}
	select {
	case m, came := <-batch.Messages():
		idle := wait.Err() != nil
		cancel()
		switch {
		case came:
			return m, nil
		case idle: // for the whole time
			return nil, nil
		case batch.Error() == nil && time.Since(began) < retryTake:
			return nil, errNothing
		case errors.Is(batch.Error(), pull.ErrSilent): // whoever leads the consumer now is asked
			return nil, nil
		}
		return nil, batch.Error()
	case <-ctx.Done():
		s.pending.Go(func() {
			defer cancel()
			giveBackNext(batch)
		})
		return nil, nil
	}
}

// giveBackNext gives back the message that may be on its way. One that comes when nobody listens any more would
// come again only after the ack wait, and all the endpoint's others wait for it.
func giveBackNext(batch *pull.Batch) {
	select {
	case m, came := <-batch.Messages():
		if came {
			m.Nak() //nolint:errcheck // it comes again after the ack wait
		}
	case <-time.After(farewell):
	}
}
