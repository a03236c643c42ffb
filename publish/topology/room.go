package topology

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/connection"
)

// Room is what the store has for Jethook's streams.
type Room struct {
	Bytes    int64 // for all of them together; 0: there is no limit
	Required bool  // each stream must say how much it may hold
}

// AskRoom asks for the limits of an account, which may differ by the number of replicas. A JetStream that is too old is an error.
func AskRoom(ctx context.Context, js jetstream.JetStream, replicas int) (Room, error) {
	info, err := js.AccountInfo(ctx)
	if err != nil {
		return Room{}, fmt.Errorf("asking for the limits of JetStream: %w", err)
	}
	if err := connection.CheckLevel(info.API.Level); err != nil {
		return Room{}, err
	}
	limits, spread := info.Limits, int64(1)
	if tier, ok := info.Tiers[fmt.Sprint("R", replicas)]; ok { // which counts each byte once
		limits, spread = tier.Limits, int64(replicas)
	}
	return Room{Bytes: max(0, limits.MaxStore) * spread, Required: limits.MaxBytesRequired}, nil
}

// Shares of the store that streams without a setting of their own have where each must say how much it may hold: 1/n.
const (
	eventsShare     = 5
	deliveriesShare = 10
	auditShare      = 50
	bucketShare     = 100
	bodiesShare     = 10
)

// boundless is what shares are taken of where an account requires limits and has none as a whole.
const boundless = 100 << 30

// Of returns the limit in bytes of something that a setting gives so many bytes; -1: it has none. Without a setting it has its
// share if it must have a limit.
func (r Room) Of(asked, share int64, replicas int) int64 {
	switch {
	case asked > 0:
		return asked
	case !r.Required:
		return -1
	case r.Bytes == 0:
		return boundless / share
	default:
		return max(leastRoom, r.Bytes/share/int64(replicas))
	}
}

// OfBucket is the limit of each bucket that settings know of.
func (r Room) OfBucket(cfg *config.Config) int64 {
	return r.Of(int64(cfg.BucketsMaxBytes), bucketShare, cfg.Replicas)
}
