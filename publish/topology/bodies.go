package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/failure"
)

// BucketBodies is the object store of bodies that are stored aside.
const BucketBodies = "jethook_bodies"

// StreamBodies is the stream behind it.
const StreamBodies = "OBJ_" + BucketBodies

// EnsureBodies makes the bucket if it is missing. What it holds outlives the event, and the dead letters that it becomes.
func EnsureBodies(ctx context.Context, js jetstream.JetStream, cfg *config.Config, room Room, log *slog.Logger) error {
	age := cfg.Retention + deadAge
	_, err := js.ObjectStore(ctx, BucketBodies)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: BucketBodies, Description: "bodies of webhooks that fit into no message",
			TTL: age, Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
			MaxBytes: room.Of(int64(cfg.BodiesMaxBytes), bodiesShare, cfg.Replicas),
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // another process was faster
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("opening object store %s: %w", BucketBodies, failure.Classify(err))
	}
	s, err := js.Stream(ctx, StreamBodies)
	if err != nil {
		return fmt.Errorf("opening object store %s: %w", BucketBodies, failure.Classify(err))
	}
	got := s.CachedInfo().Config
	switch {
	case got.Storage != jetstream.FileStorage:
		return fmt.Errorf("%w: object store %s is in memory, so a restart loses its content; remove it, and Jethook recreates it", ErrStreamMismatch, BucketBodies)
	case got.Discard != jetstream.DiscardNew && got.MaxBytes > 0:
		return fmt.Errorf("%w: object store %s drops the oldest bodies when it is full (discard: old); change it", ErrStreamMismatch, BucketBodies)
	case !got.AllowDirect:
		return fmt.Errorf("%w: allow_direct of object store %s is off, so no body could be read; change it", ErrStreamMismatch, BucketBodies)
	case got.MaxAge == 0 || got.MaxAge >= age:
		return nil
	}
	got.MaxAge = age
	if _, err := js.UpdateStream(ctx, got); err != nil {
		return fmt.Errorf("letting object store %s keep bodies for %s: %w", BucketBodies, age, failure.Classify(err))
	}
	log.Info("applied changed settings to the object store", "bucket", BucketBodies, "max-age", age)
	return nil
}
