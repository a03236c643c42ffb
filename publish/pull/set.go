package pull

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Set is the consumers of single endpoints, and those that read for a moment.
type Set struct {
	front, reads *connection.Conn
	reader       *query.Reader
	streams      map[string]jetstream.Stream
	cursors      jetstream.Stream   // behind the bucket of that name
	bucket       jetstream.KeyValue // the same
}

// OpenSet opens what the set needs. front is for what must be known at once, and reads for counting.
func OpenSet(ctx context.Context, front, reads *connection.Conn,
	streams map[string]jetstream.Stream, reader *query.Reader, cursors jetstream.KeyValue,
) (*Set, error) {
	s := &Set{front: front, reads: reads, streams: streams, reader: reader, bucket: cursors}
	var err error
	if s.cursors, err = front.JS.Stream(ctx, "KV_"+topology.BucketCursors); err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", topology.BucketCursors, err)
	}
	return s, nil
}

// OpenReader makes a consumer for a moment, without acknowledgements and without bodies.
func (s *Set) OpenReader(ctx context.Context, stream string, cfg jetstream.ConsumerConfig) (*Consumer, error) {
	cfg.Name = topology.ConsumerName + "-reader-" + nuid.Next() // a name that services may not touch
	cfg.Description, cfg.HeadersOnly, cfg.AckPolicy = "a list of events", true, jetstream.AckNonePolicy
	cfg.MemoryStorage, cfg.Replicas, cfg.InactiveThreshold = true, 1, readerIdle
	c, err := s.reads.JS.CreateConsumer(ctx, stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening a reader of %s: %w", stream, failure.Classify(err))
	}
	return &Consumer{Consumer: c, conn: s.reads}, nil
}

// DropReader removes a reader's consumer, which would else go by itself a moment later.
func (s *Set) DropReader(ctx context.Context, stream string, c *Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	c.Close()
	_ = s.reads.JS.DeleteConsumer(ctx, stream, c.CachedInfo().Name)
}

// readerIdle is how long a reader's consumer stays when its owner was killed.
const readerIdle = 10 * time.Second
