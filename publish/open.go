package publish

import (
	"context"

	"jethook/config"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/moving"
	"jethook/publish/sources"
	"jethook/publish/topology"
)

func (b *Bus) open(ctx context.Context, cfg *config.Config) (err error) {
	ctx, release := b.shared.Guard(ctx)
	defer release()
	defer func() {
		if lacks := b.shared.Err(); lacks != nil { // whatever else failed for that
			err = lacks
		}
	}()
	b.SetTokens(cfg)
	for purpose, c := range map[string]**connection.Conn{purposeEvents: &b.front, purposeDeliveries: &b.back, "reads": &b.reads} {
		if *c, err = connection.Wait(ctx, cfg, b.srv, b.clusterToken, purpose, &b.shared, b.log); err != nil {
			return err
		}
	}
	if err = b.permitted(ctx, needed); err != nil {
		return err
	}
	b.replicas = cfg.Replicas
	b.setLimits(cfg)
	p := connection.NewPatience(b.log)
	room, err := b.awaitStorage(ctx, p, cfg.Replicas)
	if err != nil {
		return err
	}
	if err = p.Await(ctx, "JetStream", func(ctx context.Context) (err error) {
		b.moving, err = moving.Open(ctx, b.reads, b.log)
		return err
	}); err != nil {
		return err
	}
	if b.streams, err = topology.EnsureStreams(ctx, p, b.front.JS, b.log, topology.StreamConfigs(cfg, min(int64(cfg.LargestBody()), b.fits), room)); err != nil {
		return err
	}
	if err = p.Await(ctx, "the buckets in JetStream", func(ctx context.Context) error { return b.openBuckets(ctx, cfg, room) }); err != nil {
		return err
	}
	if b.srv != nil {
		b.srv.StageBatches()
	}
	// An atomic batch costs the server a batch file and saves an fsync for every message but one: worth it
	// only where each message would be synced.
	synced := b.srv != nil && cfg.Sync == 0
	for name, c := range b.committers() {
		if *c, err = groupcommit.New(b.connectionFor(name), name, b.stuck, synced && b.streams[name].CachedInfo().Config.AllowAtomicPublish, b.meters.Of(name)); err != nil {
			return err
		}
	}
	if err = b.openRooms(ctx, p, cfg, room); err != nil {
		return err
	}
	return b.removeWhatCameBack(ctx) // whatever was the last stop: a kill before it may have left the server's index stale
}

// setLimits takes over what the server takes in a message.
func (b *Bus) setLimits(cfg *config.Config) {
	b.fits = b.front.MaxPayload() - embedded.HeaderRoom
	room := b.fits
	if cfg.LargeBodies {
		room = max(room, config.BodyLimit)
	}
	body := min(int64(cfg.MaxBody), room)
	if body < int64(cfg.MaxBody) {
		b.log.Warn("the cluster's max_payload limits bodies to less than JETHOOK_MAX_BODY; set JETHOOK_LARGE_BODIES=true to lift the limit", "max_body_bytes", body)
	}
	b.limits = Limits{Body: body, Room: room, Event: min(body, b.fits), Message: int(b.front.MaxPayload()) + embedded.HeaderRoom}
}

// awaitStorage waits for JetStream, and returns what room it has. It fails while a restore has not ended.
func (b *Bus) awaitStorage(ctx context.Context, p *connection.Patience, replicas int) (room topology.Room, err error) {
	if err = p.Await(ctx, "JetStream", func(ctx context.Context) (err error) {
		room, err = b.storage(ctx, replicas)
		return err
	}); err != nil {
		return room, err
	}
	return room, p.Await(ctx, "JetStream", func(ctx context.Context) error {
		unfinished, err := topology.IsRestoring(ctx, b.front.JS)
		if err == nil && unfinished {
			err = failure.ErrUnfinished
		}
		return err
	})
}

// openBuckets opens what is stored in buckets, and makes what is missing.
func (b *Bus) openBuckets(ctx context.Context, cfg *config.Config, room topology.Room) (err error) {
	if b.buckets, err = topology.EnsureBuckets(ctx, b.front.JS, cfg, room); err != nil {
		return err
	}
	if cfg.LargeBodies {
		if err = topology.EnsureBodies(ctx, b.front.JS, cfg, room, b.log); err != nil {
			return err
		}
	}
	b.sources, err = sources.Open(ctx, b.front.JS, cfg, room, b.log)
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
