package publish

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"jethook/config"
	"jethook/publish/aside"
	"jethook/publish/audit"
	"jethook/publish/connection"
	"jethook/publish/delivery"
	"jethook/publish/eventlog"
	"jethook/publish/moving"
	"jethook/publish/processes"
	"jethook/publish/pull"
	"jethook/publish/quarantine"
	"jethook/publish/query"
	"jethook/publish/removal"
	"jethook/publish/seal"
	"jethook/publish/sources"
	"jethook/publish/topology"
)

// rooms are what works on one bus, each for a purpose of its own.
type rooms struct {
	reader    *query.Reader
	queues    *pull.Queues
	consumers *pull.Set
	archive   *eventlog.Archive
	aside     *aside.Store
	audit     *audit.Trail
	store     *delivery.Store
	find      *delivery.Finder
	moving    *moving.Guard
	processes *processes.Group
	rejects   *quarantine.Store
	removal   *removal.Remover
	requests  topology.LateBucket
	sources   *sources.Sources
}

// openRooms opens them on streams and buckets that are there.
func (b *Bus) openRooms(ctx context.Context, p *connection.Patience, cfg *config.Config, room topology.Room) (err error) {
	b.processes = processes.NewGroup(b.reads, b.log)
	b.requests.Config = topology.RequestsConfig(cfg.Replicas, room.Bytes)
	names := make([]string, 0, len(b.streams))
	for name := range b.streams {
		names = append(names, name)
	}
	if b.reader, err = query.NewReader(ctx, p, b.reads, names, b.limit); err != nil {
		return err
	}
	b.queues = pull.NewQueues(b.front, b.reads, b.connectionFor, b.streams, b.reader)
	if err = p.Await(ctx, "the bucket of cursors in JetStream", func(ctx context.Context) (err error) {
		b.consumers, err = pull.OpenSet(ctx, b.front, b.reads, b.streams, b.reader, b.buckets[topology.BucketCursors])
		return err
	}); err != nil {
		return err
	}
	b.audit = audit.NewTrail(b.front.JS, b.streams[topology.StreamAudit], b.reader)
	b.aside = aside.New(b.back, b.reads, b.fits, cfg.LargeBodies, b.log)
	b.archive = eventlog.New(b.reads, b.reader, b.consumers)
	b.removal = removal.New(b.reads, b.reader, b.streams, topology.RemovedConfig(cfg, room.Bytes), b.log)
	b.rejects = quarantine.New(b.rejected, b.reader, b.streams[topology.StreamRejected], b.fits, len(cfg.Sources), b.removal, b.log)
	b.find = delivery.NewFinder(b.reads, b.reader, b.streams)
	b.store = delivery.New(delivery.Parts{
		Reads: b.reads, Reader: b.reader, Streams: b.streams, Endpoints: b.buckets[topology.BucketEndpoints],
		Keeping: topology.KeepingOf(b.streams), Consumers: b.consumers, Queues: b.queues, Archive: b.archive, Find: b.find, Bodies: b.aside,
		Removal: b.removal, Deliveries: b.deliveries, Dead: b.dead, History: b.history, Log: b.log,
	})
	return nil
}

// removeWhatCameBack removes once more what a killed server may have brought back.
func (b *Bus) removeWhatCameBack(ctx context.Context) error {
	if err := b.store.FinishForgetting(ctx); err != nil {
		return err
	}
	return b.removal.FinishRemoving(ctx)
}

// Query reads what is stored.
func (b *Bus) Query() *query.Reader { return b.reader }

// Queues give each message to one of the processes.
func (b *Bus) Queues() *pull.Queues { return b.queues }

// Consumers are those of single endpoints.
func (b *Bus) Consumers() *pull.Set { return b.consumers }

// EventLog reads events, also those that nobody waits for any more.
func (b *Bus) EventLog() *eventlog.Archive { return b.archive }

// Deliveries writes deliveries, and what becomes of them.
func (b *Bus) Deliveries() *delivery.Store { return b.store }

// Find finds out where a delivery is.
func (b *Bus) Find() *delivery.Finder { return b.find }

// Rejected keeps requests that did not verify.
func (b *Bus) Rejected() *quarantine.Store { return b.rejects }

// AuditTrail is what operators did.
func (b *Bus) AuditTrail() *audit.Trail { return b.audit }

// Moving keeps this process from changing a store that is being moved to a cluster.
func (b *Bus) Moving() *moving.Guard { return b.moving }

// Processes are those that use this bus.
func (b *Bus) Processes() *processes.Group { return b.processes }

// Sources is what senders handed over, by source.
func (b *Bus) Sources() *sources.Sources { return b.sources }

// Buckets are where others keep records of their own.
type Buckets struct {
	Endpoints  jetstream.KeyValue // the registry of endpoints
	Recoveries jetstream.KeyValue
	// Requests opens the bucket in which a request with an Idempotency-Key leaves what it did, for [topology.RequestsAge].
	Requests func(context.Context) (jetstream.KeyValue, error)
}

// Buckets are where others keep records of their own.
func (b *Bus) Buckets() Buckets {
	return Buckets{
		Endpoints:  seal.Sealable(b.buckets[topology.BucketEndpoints], b.front.JS),
		Recoveries: b.buckets[topology.BucketRecoveries],
		Requests:   func(ctx context.Context) (jetstream.KeyValue, error) { return b.requests.Open(ctx, b.reads.JS) },
	}
}

// Metrics are of what this process stored.
func (b *Bus) Metrics() prometheus.Collector { return b.meters }
