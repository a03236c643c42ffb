package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/topology"
)

// An endpoint that wants its events in order has a consumer of its own on each stream that it listens to. It
// gives out one message at a time, and the same one again when whoever held it is gone: so the bus itself keeps
// the order among all processes.

// orderedMark is in the metadata of those consumers, so that nobody else's is taken for one.
const orderedMark = "jethook-ordered"

// PrepareOrdered opens an ordered endpoint's consumers, as OrderedConsumer does, from this moment on. Called
// before an endpoint is stored, or changed with its old and its new patterns, it makes exact from which event
// on the endpoint gets them, whatever the clocks of the machines show.
func (s *Set) PrepareOrdered(ctx context.Context, endpoint string, patterns []string) error {
	for _, stream := range topology.EventStreams {
		if len(topology.Filters(stream, patterns)) == 0 {
			continue
		}
		if _, err := s.OpenOrdered(ctx, stream, endpoint, patterns, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// OpenOrdered opens the consumer that an ordered endpoint has on stream, with the filters of its patterns. One
// that is missing is made anew, for what is stored since then or, if that is zero, from now on.
func (s *Set) OpenOrdered(ctx context.Context, stream, endpoint string, patterns []string, since time.Time) (*Consumer, error) {
	filters := topology.Filters(stream, patterns)
	c, err := s.front.JS.Consumer(ctx, stream, endpoint)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		cfg := jetstream.ConsumerConfig{
			Durable: endpoint, Description: "deliveries to one endpoint, in order", FilterSubjects: filters,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: topology.AckWait, MaxAckPending: 1,
			DeliverPolicy: jetstream.DeliverNewPolicy, Metadata: map[string]string{orderedMark: endpoint},
		}
		if !since.IsZero() {
			cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
		}
		c, err = s.front.JS.CreateConsumer(ctx, stream, cfg)
		if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
			c, err = s.front.JS.Consumer(ctx, stream, endpoint)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening consumer %s of %s: %w", endpoint, stream, failure.Classify(err))
	}
	cfg := c.CachedInfo().Config
	if slices.Equal(cfg.FilterSubjects, filters) && cfg.MaxAckPending == 1 {
		return &Consumer{Consumer: c, conn: s.front}, nil
	}
	cfg.FilterSubject, cfg.FilterSubjects, cfg.MaxAckPending = "", filters, 1
	if c, err = s.front.JS.UpdateConsumer(ctx, stream, cfg); err != nil {
		return nil, fmt.Errorf("changing consumer %s of %s: %w", endpoint, stream, failure.Classify(err))
	}
	return &Consumer{Consumer: c, conn: s.front}, nil
}

// Ordered returns the endpoints that have a consumer of their own on stream.
func (s *Set) Ordered(ctx context.Context, stream string) (all []Own, err error) {
	list := s.streams[stream].ListConsumers(ctx)
	for info := range list.Info() {
		meta := info.Config.Metadata
		if own := (Own{stream, meta[orderedMark], meta[epochMark]}); own.Endpoint != "" && own.name() == info.Name {
			all = append(all, own)
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("listing the consumers of %s: %w", stream, failure.Classify(err))
	}
	return all, nil
}
