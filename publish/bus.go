// Package publish is the way onto the bus: the NATS connection (to the embedded server or to a cluster), the
// streams, the subjects and headers of an event, and the writes, which return once JetStream acknowledged them.
//
// Everything Jethook stores goes through here by group commit: what waits while one batch is being stored
// forms the next batch. It does not decide what to store; ingest and consume do.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/certificate"
	"jethook/publish/audit"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/processes"
	"jethook/publish/pull"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Bus is a connection to JetStream with Jethook's streams on it. Its methods may be called concurrently.
type Bus struct {
	log       *slog.Logger
	srv       *embedded.Server // nil on a cluster
	front     *connection.Conn // for events that come in, and what is done with them first
	back      *connection.Conn // for deliveries that wait and come due: a crowd of them must not hold up events
	reads     *connection.Conn // for lists and look-ups: the server answers one after the other, and a stream may be busy
	buckets   map[string]jetstream.KeyValue
	consumers *pull.Set
	requests  topology.LateBucket
	removed   topology.LateBucket
	sources   *Sources
	streams   map[string]jetstream.Stream // to ask for their state and to remove messages
	reader    *query.Reader               // reads from the streams
	keeping   topology.Keeping
	maxBody   int64
	fits      int64 // how large a body in a message may be
	room      int64 // how large one that can be stored
	aside     bool  // a body that fits into no message is stored aside

	quotas   *quotas // of rejected requests
	audit    *audit.Trail
	meters   *groupcommit.Meters
	calendar *calendar
	space    space
	replicas int

	webhooks, events, ops, deliveries, dead, history, rejected *groupcommit.Committer

	lastFailure atomic.Int64 // unix nanoseconds of the last event the store did not take; 0 after a success

	token atomic.Pointer[config.Secret] // that a connection to the cluster logs in with

	processes *processes.Group
}

// Open starts the embedded server, or connects to the cluster of NATS_URL, and makes the streams that are
// missing. It waits, and logs what for, while a cluster is not ready for that, until ctx ends. It fails when a stream that
// exists would break a guarantee, when a login or its permissions are refused, and when another process uses DATA_DIR.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Bus, error) {
	b := &Bus{
		log: log, meters: groupcommit.NewMeters(),
		calendar: newCalendar(perSlot * runtime.GOMAXPROCS(0)),
	}
	if cfg.NATSURL == "" {
		srv, err := embedded.Start(ctx, cfg, topology.StagedStreams, log)
		if err != nil {
			return nil, err
		}
		b.srv = srv
	}
	if err := b.open(ctx, cfg); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// SetTokens takes over the tokens of a configuration whose files have changed: what clients of the embedded server log in
// with, or what Jethook itself logs in to the cluster with when it next connects.
func (b *Bus) SetTokens(cfg *config.Config) {
	b.token.Store(&cfg.NATSToken)
	if b.srv == nil {
		return
	}
	b.srv.SetTokens(cfg)
}

// clusterToken is asked for whenever a connection logs in.
func (b *Bus) clusterToken() string { return b.token.Load().Reveal() }

func (b *Bus) open(ctx context.Context, cfg *config.Config) (err error) {
	b.SetTokens(cfg)
	lost := &connection.Losses{}
	for purpose, c := range map[string]**connection.Conn{"events": &b.front, "deliveries": &b.back, "reads": &b.reads} {
		if *c, err = connection.Wait(ctx, cfg, b.srv, b.clusterToken, purpose, lost, b.log); err != nil {
			return err
		}
	}
	b.processes = processes.NewGroup(b.reads, b.log)
	b.fits = b.front.MaxPayload() - embedded.HeaderRoom
	b.room = b.fits
	if b.aside = cfg.LargeBodies; b.aside {
		b.room = max(b.fits, config.BodyLimit)
	}
	b.maxBody = min(int64(cfg.MaxBody), b.room)
	if b.maxBody < int64(cfg.MaxBody) {
		b.log.Warn("the cluster's max_payload limits bodies to less than JETHOOK_MAX_BODY; set JETHOOK_LARGE_BODIES=true to lift the limit", "max_body_bytes", b.maxBody)
	}
	p := connection.NewPatience(b.front, b.log)
	var room topology.Room
	if err = p.Await(ctx, "JetStream", func(ctx context.Context) (err error) {
		room, err = b.storage(ctx, cfg.Replicas)
		return err
	}); err != nil {
		return err
	}
	if err = b.front.MayAnswer(); err != nil {
		return err
	}
	if err = p.Await(ctx, "JetStream", func(ctx context.Context) error {
		unfinished, err := topology.IsRestoring(ctx, b.front.JS)
		if err == nil && unfinished {
			err = failure.ErrUnfinished
		}
		return err
	}); err != nil {
		return err
	}
	if b.streams, err = topology.EnsureStreams(ctx, p, b.front.JS, b.log, topology.StreamConfigs(cfg, min(int64(cfg.LargestBody()), b.fits), room)); err != nil {
		return err
	}
	b.keeping = topology.KeepingOf(b.streams)
	b.replicas = cfg.Replicas
	b.space.limit(b.streams[topology.StreamDeliveries].CachedInfo().Config.MaxBytes)
	b.quotas = b.rejectedQuotas(len(cfg.Sources))
	b.requests.Config = topology.RequestsConfig(cfg.Replicas, room.Bytes)
	b.removed.Config = topology.RemovedConfig(cfg, room.Bytes)
	if err = p.Await(ctx, "the buckets in JetStream", func(ctx context.Context) error { return b.openBuckets(ctx, cfg, room) }); err != nil {
		return err
	}
	if b.srv != nil {
		b.srv.StageBatches()
	}
	if b.reader, err = query.NewReader(ctx, p, b.reads, slices.Collect(maps.Keys(b.streams))); err != nil {
		return err
	}
	b.audit = audit.NewTrail(b.front.JS, b.streams[topology.StreamAudit], b.reader)
	if err = p.Await(ctx, "the bucket of cursors", func(ctx context.Context) (err error) {
		b.consumers, err = pull.OpenSet(ctx, b.front, b.reads, b.connectionFor, b.streams, b.reader, b.buckets[topology.BucketCursors])
		return err
	}); err != nil {
		return err
	}
	if err = b.removeAgain(ctx); err != nil { // whatever was the last stop: a kill before it may have left the server's index stale
		return err
	}
	// An atomic batch costs the server a staging file and saves an fsync for every message but one: worth it
	// only where each message would be synced.
	synced := b.srv != nil && cfg.Sync == 0
	for name, c := range b.committers() {
		if *c, err = groupcommit.New(b.connectionFor(name), name, b.stuck, synced && b.streams[name].CachedInfo().Config.AllowAtomicPublish, b.meters.Of(name)); err != nil {
			return err
		}
	}
	return nil
}

// openBuckets opens what is stored in buckets, and makes what is missing.
func (b *Bus) openBuckets(ctx context.Context, cfg *config.Config, room topology.Room) (err error) {
	if b.buckets, err = topology.EnsureBuckets(ctx, b.front.JS, cfg, room); err != nil {
		return err
	}
	if b.aside {
		if err = topology.EnsureBodies(ctx, b.front.JS, cfg, room, b.log); err != nil {
			return err
		}
	}
	b.sources, err = openSources(ctx, b.front.JS, cfg, room, b.log)
	return err
}

// connectionFor returns the connection for writing to a stream and for taking from it.
func (b *Bus) connectionFor(stream string) *connection.Conn {
	switch stream {
	case topology.StreamDeliveries, topology.StreamDead, topology.StreamHistory, topology.StreamRejected:
		return b.back
	default:
		return b.front
	}
}

// storage is the room for all streams together.
func (b *Bus) storage(ctx context.Context, replicas int) (topology.Room, error) {
	if b.srv != nil {
		return topology.Room{Bytes: b.srv.MaxStore()}, nil
	}
	return topology.AskRoom(ctx, b.front.JS, replicas)
}

// stuck is told that the store answers nothing although the connection stands.
func (b *Bus) stuck(conn *connection.Conn) {
	if b.srv != nil {
		b.srv.Heal()
	} else {
		conn.ChangeServer()
	}
}

func (b *Bus) committers() map[string]**groupcommit.Committer {
	return map[string]**groupcommit.Committer{
		topology.StreamWebhooks: &b.webhooks, topology.StreamEvents: &b.events, topology.StreamOps: &b.ops,
		topology.StreamDeliveries: &b.deliveries, topology.StreamDead: &b.dead, topology.StreamHistory: &b.history,
		topology.StreamRejected: &b.rejected,
	}
}

// Close stores what waits, closes the connection and stops the embedded server. Nothing may be published
// after it.
func (b *Bus) Close() {
	for _, c := range b.committers() {
		if *c != nil {
			(*c).Close()
		}
	}
	if b.quotas != nil {
		b.quotas.close()
	}
	for _, c := range []*connection.Conn{b.front, b.back, b.reads} {
		if c != nil {
			c.End(b.log)
		}
	}
	if b.srv != nil {
		b.srv.Stop()
	}
}

// Publish stores e and returns after the acknowledgement. It takes e.Header over. An event whose id was stored within the
// deduplication window is a success with Receipt.Duplicate set. Errors are of the classes ErrUnavailable,
// ErrFull, ErrBusy, ErrTooLarge and ErrRefused.
func (b *Bus) Publish(ctx context.Context, e *Event) (groupcommit.Receipt, error) {
	e, err := b.lighten(ctx, e)
	var r groupcommit.Receipt
	if err == nil {
		r, err = b.committerFor(e).Publish(ctx, e.msg())
		if r.Duplicate || groupcommit.NeverStored(err) {
			b.dropAside(ctx, e)
		}
	}
	b.noteFailure(err)
	if err != nil {
		return r, fmt.Errorf("publishing to %s: %w", e.Subject, err)
	}
	return r, nil
}

// committerFor returns what stores e in its stream.
func (b *Bus) committerFor(e *Event) *groupcommit.Committer {
	switch {
	case e.Source != "":
		return b.webhooks
	case topology.IsOps(e.Subject):
		return b.ops
	default:
		return b.events
	}
}

// noteFailure remembers whether the last event could be stored: readiness depends on it.
func (b *Bus) noteFailure(err error) {
	switch {
	case err == nil:
		b.lastFailure.Store(0)
	case (errors.Is(err, failure.ErrUnavailable) || errors.Is(err, failure.ErrFull)) && !errors.Is(err, context.Canceled):
		b.lastFailure.Store(time.Now().UnixNano())
	}
}

// MaxBody is the largest body in bytes that is taken where nothing else is set.
func (b *Bus) MaxBody() int64 { return b.maxBody }

// Room is the largest body in bytes of a webhook that can be stored.
func (b *Bus) Room() int64 { return b.room }

// MaxEvent is the largest body in bytes of any other event: it must fit into a message.
func (b *Bus) MaxEvent() int64 { return min(b.maxBody, b.fits) }

// MaxMessage bounds the size in bytes of one message on the bus, with its headers.
func (b *Bus) MaxMessage() int { return int(b.front.MaxPayload()) + embedded.HeaderRoom }

// Restored returns a channel that is closed when a connection that broke is back the next time. Whoever watches
// the bus learns by it that it may have missed something.
func (b *Bus) Restored() <-chan struct{} { return b.front.Restored() }

// Reconnects tells how often the connection came back by which a stream's messages are taken.
func (b *Bus) Reconnects(stream string) uint64 { return b.connectionFor(stream).Stats().Reconnects }

// IsConnected reports whether there is a connection for what concerns a stream, for all that is known.
func (b *Bus) IsConnected(stream string) bool { return b.connectionFor(stream).IsConnected() }

// Endpoints is the bucket of the endpoint registry.
func (b *Bus) Endpoints() jetstream.KeyValue {
	return markable{b.buckets[topology.BucketEndpoints], b.front.JS}
}

// Recoveries is the bucket of the recoveries.
func (b *Bus) Recoveries() jetstream.KeyValue { return b.buckets[topology.BucketRecoveries] }

// Sources is what senders handed over, by source.
func (b *Bus) Sources() *Sources { return b.sources }

// ClientURL is where services reach the embedded server; empty when it takes none or on a cluster.
func (b *Bus) ClientURL() string {
	if b.srv == nil {
		return ""
	}
	return b.srv.ClientURL()
}

// Certificate is what the embedded server shows its clients; nil where there is none.
func (b *Bus) Certificate() *certificate.Certificate {
	if b.srv == nil {
		return nil
	}
	return b.srv.Certificate()
}

// recentFailure is how long one failed write keeps the store unready: long enough for a load balancer to see
// it, short enough that readiness comes back by itself when traffic does not.
const recentFailure = 5 * time.Second

// Ready returns nil when events can be stored: connected, the streams answer and have room, and the last
// event was not refused a moment ago.
func (b *Bus) Ready(ctx context.Context) error {
	if !b.front.IsConnected() || !b.back.IsConnected() {
		return fmt.Errorf("%w: not connected to NATS", failure.ErrUnavailable)
	}
	if at := b.lastFailure.Load(); at != 0 && time.Since(time.Unix(0, at)) < recentFailure {
		return fmt.Errorf("%w: the last event could not be stored", failure.ErrUnavailable)
	}
	for _, name := range []string{topology.StreamWebhooks, topology.StreamEvents, topology.StreamDeliveries} {
		info, err := b.streams[name].Info(ctx)
		if err != nil {
			return fmt.Errorf("%w: asking for stream %s: %w", failure.ErrUnavailable, name, err)
		}
		cfg, state := info.Config, info.State
		if name == topology.StreamDeliveries {
			cfg.Discard, cfg.MaxBytes = jetstream.DiscardNew, b.space.most
		}
		if cfg.Discard == jetstream.DiscardNew && cfg.MaxBytes > 0 && state.Bytes+1024 > uint64(cfg.MaxBytes) {
			return fmt.Errorf("%w: stream %s holds %d of %d bytes", failure.ErrFull, name, state.Bytes, cfg.MaxBytes)
		}
	}
	return nil
}

// Deaths is how many processes in a row died, all but the first soon after they had opened this bus with its embedded server; 0 on a
// cluster, whose servers know how often they gave out a message.
func (b *Bus) Deaths() int {
	if b.srv == nil {
		return 0
	}
	return b.srv.Deaths()
}
