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

// StreamEnds returns the sequences of a stream's first and last message. The first is behind the last when there is none.
func (b *Bus) StreamEnds(ctx context.Context, stream string) (first, last uint64, err error) {
	info, err := b.shelves[stream].Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for stream %s: %w", stream, classify(err))
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// HandedByCursor returns up to which sequence the consumer of an endpoint's cursor has handed out its messages, and how many
// it has, with those that it has handed out again. ErrNotFound: there is none of this epoch.
func (b *Bus) HandedByCursor(ctx context.Context, stream, endpoint, epoch string) (place, messages uint64, err error) {
	info, err := b.consumerInfo(ctx, stream, endpoint)
	if err == nil && info.Config.Metadata[epochMark] != epoch {
		err = fmt.Errorf("consumer %s of %s: %w", endpoint, stream, ErrNotFound)
	}
	if err != nil {
		return 0, 0, err
	}
	return info.Delivered.Stream, info.Delivered.Consumer, nil
}
