package topology

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamRestoring is there while a cluster is being restored.
const StreamRestoring = "JETHOOK_RESTORING"

// IsRestoring reports whether a restore was begun and has not ended.
func IsRestoring(ctx context.Context, js jetstream.JetStream) (bool, error) {
	_, err := js.Stream(ctx, StreamRestoring)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	return err == nil, err
}
