// Package publish is the bus: it opens the store, on the embedded server or a cluster, publishes events, and makes the rooms
// that work on it, each in a package below.
//
// [Bus.Publish] returns once JetStream has acknowledged an event. Everything that Jethook stores goes through this package
// and its rooms. It does not decide what to store; ingest and consume do.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/topology"
)

// Bus is a connection to JetStream with Jethook's streams on it. Its methods may be called concurrently.
type Bus struct {
	log      *slog.Logger
	srv      *embedded.Server // nil on a cluster
	front    *connection.Conn // for events that come in, and what is done with them first
	back     *connection.Conn // for deliveries that wait and come due: a crowd of them must not hold up events
	reads    *connection.Conn // for lists and look-ups: the server answers one after the other, and a stream may be busy
	shared   connection.Shared
	buckets  map[string]jetstream.KeyValue
	streams  map[string]jetstream.Stream // to ask for their state and to remove messages
	meters   *groupcommit.Meters
	limits   Limits
	replicas int
	fits     int64 // how large a body in a message may be

	webhooks, events, ops, deliveries, dead, history, rejected *groupcommit.Committer

	rooms

	lastFailure atomic.Int64 // unix nanoseconds of the last event the store did not take; 0 after a success

	token atomic.Pointer[config.Secret] // that a connection to the cluster logs in with
}

// Limits are how large things may be, in bytes.
type Limits struct {
	Body    int64 // the largest body that is taken where nothing else is set
	Room    int64 // the largest body of a webhook that can be stored
	Event   int64 // the largest body of any other event: it must fit into a message
	Message int   // bounds one message on the bus, with its headers
}

// Open starts the embedded server, or connects to the cluster of NATS_URL, and makes the streams that are
// missing. It waits, and logs what for, while a cluster is not ready for that, until ctx ends. It fails when a stream that
// exists would break a guarantee, when a login or its permissions are refused, and when another process uses DATA_DIR.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Bus, error) {
	b := &Bus{log: log, meters: groupcommit.NewMeters()}
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

// storage is the room for all streams together.
func (b *Bus) storage(ctx context.Context, replicas int) (topology.Room, error) {
	if b.srv != nil {
		return topology.Room{Bytes: b.srv.MaxStore()}, nil
	}
	return topology.AskRoom(ctx, b.front.JS, replicas)
}

// limit is how many bytes all streams together may hold now; 0: there is no limit.
func (b *Bus) limit(ctx context.Context) (int64, error) {
	room, err := b.storage(ctx, b.replicas)
	return room.Bytes, err
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
	if b.rejects != nil {
		b.rejects.Close()
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
func (b *Bus) Publish(ctx context.Context, e *event.Event) (groupcommit.Receipt, error) {
	e, err := b.aside.Lighten(ctx, e)
	var r groupcommit.Receipt
	if err == nil {
		r, err = b.committerFor(e).Publish(ctx, e.Msg())
		if r.Duplicate || groupcommit.NeverStored(err) {
			b.aside.DropAside(ctx, e)
		}
	}
	b.noteFailure(err)
	if err != nil {
		return r, fmt.Errorf("publishing to %s: %w", e.Subject, err)
	}
	return r, nil
}

// committerFor returns what stores e in its stream.
func (b *Bus) committerFor(e *event.Event) *groupcommit.Committer {
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

// Limits are how large things may be.
func (b *Bus) Limits() Limits { return b.limits }

// Server is the embedded server; nil on a cluster.
func (b *Bus) Server() *embedded.Server { return b.srv }

// recentFailure is how long one failed write keeps the store unready: long enough for a load balancer to see
// it, short enough that readiness comes back by itself when traffic does not.
const recentFailure = 5 * time.Second

// Ready returns nil when events can be stored: connected, with all permissions, the streams answer and have room, and the last
// event was not refused a moment ago.
func (b *Bus) Ready(ctx context.Context) error {
	if err := b.shared.Err(purposeEvents, purposeDeliveries); err != nil {
		return fmt.Errorf("%w: %w", failure.ErrUnavailable, err)
	}
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
			cfg.Discard, cfg.MaxBytes = jetstream.DiscardNew, b.store.Bound()
		}
		if cfg.Discard == jetstream.DiscardNew && cfg.MaxBytes > 0 && state.Bytes+1024 > uint64(cfg.MaxBytes) {
			return fmt.Errorf("%w: stream %s holds %d of %d bytes", failure.ErrFull, name, state.Bytes, cfg.MaxBytes)
		}
	}
	return nil
}
