package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// An endpoint that has a cursor has a consumer of its own on the stream, named by its id: see package cursor.

// epochMark is in the metadata of a cursor's consumer: which record it belongs to.
const epochMark = "jethook-epoch"

// codeMaxConsumers is JetStream's error for one consumer more than a stream may have.
const codeMaxConsumers jetstream.ErrorCode = 10026

// cursorPending bounds what the processes together hold of one cursor.
const cursorPending = 4096

// Cursors is the bucket that says where endpoints stand that don't keep up.
func (b *Bus) Cursors() jetstream.KeyValue { return b.buckets[BucketCursors] }

// CursorsRevision returns the last revision of that bucket, as its leader knows it.
func (b *Bus) CursorsRevision(ctx context.Context) (uint64, error) {
	info, err := b.cursors.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking for the cursors' bucket: %w", classify(err))
	}
	return info.State.LastSeq, nil
}

// HandedOut returns up to which sequence a consumer of a stream of events has handed out its messages: an endpoint's own, or
// the one that all share if endpoint is empty. ErrNotFound: there is no such consumer.
func (b *Bus) HandedOut(ctx context.Context, stream, endpoint string) (uint64, error) {
	info, err := b.consumerInfo(ctx, stream, endpoint)
	if err != nil {
		return 0, err
	}
	return info.Delivered.Stream, nil
}

// consumerInfo asks for a consumer of a stream of events: an endpoint's own, or the shared one if endpoint is empty.
func (b *Bus) consumerInfo(ctx context.Context, stream, endpoint string) (*jetstream.ConsumerInfo, error) {
	name := endpoint
	if endpoint == "" {
		name = consumerName
	}
	c, err := b.front.js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("consumer %s of %s: %w", name, stream, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for consumer %s of %s: %w", name, stream, classify(err))
	}
	return c.CachedInfo(), nil
}

// Lag is how far an endpoint's own consumer is.
type Lag struct {
	Behind   uint64 // events that it has not handed out
	Unacked  int    // those that it has handed out, and that have no outcome yet
	Taken    uint64 // the sequence up to which it has handed them out
	Settled  uint64 // the sequence up to which each has an outcome
	NotThere bool   // there is no such consumer
}

// Lag tells how far an endpoint's own consumer of a stream is.
func (b *Bus) Lag(ctx context.Context, stream, endpoint string) (Lag, error) {
	info, err := b.consumerInfo(ctx, stream, endpoint)
	if errors.Is(err, ErrNotFound) {
		return Lag{NotThere: true}, nil
	}
	if err != nil {
		return Lag{}, err
	}
	return Lag{info.NumPending, info.NumAckPending, info.Delivered.Stream, info.AckFloor.Stream, false}, nil
}

// CursorConsumer opens the consumer of an endpoint's cursor on a stream, with the filters of its patterns. One that is
// missing, or that belongs to another epoch, is made anew and begins at a sequence.
func (b *Bus) CursorConsumer(ctx context.Context, stream, endpoint string, patterns []string, epoch string, start uint64) (_ *Consumer, made bool, _ error) {
	filters := OrderedFilters(stream, patterns)
	c, err := b.front.js.Consumer(ctx, stream, endpoint)
	if err == nil && c.CachedInfo().Config.Metadata[epochMark] != epoch {
		if err = b.DropConsumer(ctx, stream, endpoint); err == nil {
			err = jetstream.ErrConsumerNotFound
		}
	}
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		c, err = b.front.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: endpoint, Description: "deliveries to one endpoint that does not keep up", FilterSubjects: filters,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait, MaxAckPending: cursorPending,
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(start, 1),
			Metadata: map[string]string{orderedMark: endpoint, epochMark: epoch},
		})
		made = err == nil
		if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
			c, err = b.front.js.Consumer(ctx, stream, endpoint)
		}
	}
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && refusal.ErrorCode == codeMaxConsumers {
		return nil, false, fmt.Errorf("opening consumer %s of %s: %w: raise default_max_consumers in the limits of JetStream on the NATS servers, or max_consumers of the stream and the account", endpoint, stream, refusal)
	}
	if err != nil {
		return nil, false, fmt.Errorf("opening consumer %s of %s: %w", endpoint, stream, classify(err))
	}
	cfg := c.CachedInfo().Config
	if cfg.Metadata[epochMark] != epoch {
		return nil, false, fmt.Errorf("opening consumer %s of %s: %w", endpoint, stream, ErrConflict)
	}
	if !slices.Equal(cfg.FilterSubjects, filters) {
		cfg.FilterSubject, cfg.FilterSubjects = "", filters
		if c, err = b.front.js.UpdateConsumer(ctx, stream, cfg); err != nil {
			return nil, false, fmt.Errorf("changing consumer %s of %s: %w", endpoint, stream, classify(err))
		}
	}
	return &Consumer{c, b.front.Conn}, made, nil
}

// DropConsumer removes the consumer that an endpoint has of its own on a stream, if there is one.
func (b *Bus) DropConsumer(ctx context.Context, stream, endpoint string) error {
	err := b.front.js.DeleteConsumer(ctx, stream, endpoint)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("removing consumer %s of %s: %w", endpoint, stream, classify(err))
	}
	return nil
}

// Unavailable classes an error of nats.go as [ErrUnavailable], unless it is the end of a context.
func Unavailable(err error) error { return classify(err) }
