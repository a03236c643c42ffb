package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"jethook/publish/failure"
	"jethook/publish/topology"

	"github.com/nats-io/nats.go/jetstream"
)

// An endpoint that wants its events in order has a consumer of its own on each stream that it listens to. It
// gives out one message at a time, and the same one again when whoever held it is gone: so the bus itself keeps
// the order among all processes.

// orderedMark is in the metadata of those consumers, so that nobody else's is taken for one.
const orderedMark = "jethook-ordered"

// PrepareOrdered opens an ordered endpoint's consumers, as OrderedConsumer does, from this moment on. Called
// before an endpoint is stored, or changed with its old and its new patterns, it makes exact from which event
// on the endpoint gets them, whatever the clocks of the machines show.
func (b *Bus) PrepareOrdered(ctx context.Context, endpoint string, patterns []string) error {
	for _, stream := range topology.EventStreams {
		if len(topology.Filters(stream, patterns)) == 0 {
			continue
		}
		if _, err := b.OrderedConsumer(ctx, stream, endpoint, patterns, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// OrderedConsumer opens the consumer that an ordered endpoint has on stream, with the filters of its patterns. One
// that is missing is made anew, for what is stored since then or, if that is zero, from now on.
func (b *Bus) OrderedConsumer(ctx context.Context, stream, endpoint string, patterns []string, since time.Time) (*Consumer, error) {
	filters := topology.Filters(stream, patterns)
	c, err := b.front.JS.Consumer(ctx, stream, endpoint)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		cfg := jetstream.ConsumerConfig{
			Durable: endpoint, Description: "deliveries to one endpoint, in order", FilterSubjects: filters,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: topology.AckWait, MaxAckPending: 1,
			DeliverPolicy: jetstream.DeliverNewPolicy, Metadata: map[string]string{orderedMark: endpoint},
		}
		if !since.IsZero() {
			cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
		}
		c, err = b.front.JS.CreateConsumer(ctx, stream, cfg)
		if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
			c, err = b.front.JS.Consumer(ctx, stream, endpoint)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening consumer %s of %s: %w", endpoint, stream, failure.Classify(err))
	}
	cfg := c.CachedInfo().Config
	if slices.Equal(cfg.FilterSubjects, filters) && cfg.MaxAckPending == 1 {
		return &Consumer{Consumer: c, conn: b.front}, nil
	}
	cfg.FilterSubject, cfg.FilterSubjects, cfg.MaxAckPending = "", filters, 1
	if c, err = b.front.JS.UpdateConsumer(ctx, stream, cfg); err != nil {
		return nil, fmt.Errorf("changing consumer %s of %s: %w", endpoint, stream, failure.Classify(err))
	}
	return &Consumer{Consumer: c, conn: b.front}, nil
}

// Ordered returns the endpoints that have a consumer of their own on stream.
func (b *Bus) Ordered(ctx context.Context, stream string) (all []Own, err error) {
	list := b.streams[stream].ListConsumers(ctx)
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

// quickly is how long it may take to look at what waits while the stream changes. A retry that fails and comes
// due again within it could be missed by both looks: it is well below any pause that is worth having.
const quickly = 100 * time.Millisecond

// Idle reports whether nothing waits for an endpoint and nothing is due to it. It asks the stream's leader: what
// was stored before the call is seen.
func (b *Bus) Idle(ctx context.Context, endpoint string) (bool, error) {
	// A delivery moves from retry to due or turn when its time comes, and back when it fails: it is stored in its new
	// place before it leaves the old one. One that moves from there to the first between two looks
	// is in the first again at the last.
	began := time.Now()
	var seqs [4]uint64
	for i, subject := range []string{topology.RetryPrefix + endpoint + ".>", topology.DuePrefix + endpoint + ".>", topology.TurnPrefix + endpoint + ".>", topology.RetryPrefix + endpoint + ".>"} {
		info, err := b.streams[topology.StreamDeliveries].Info(ctx, jetstream.WithSubjectFilter(subject))
		if err != nil {
			return false, fmt.Errorf("looking for what waits: %w", failure.Classify(err))
		}
		if len(info.State.Subjects) > 0 {
			return false, nil
		}
		seqs[i] = info.State.LastSeq
	}
	return seqs[0] == seqs[3] || time.Since(began) < quickly, nil
}
