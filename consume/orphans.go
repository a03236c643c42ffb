package consume

import (
	"context"
	"errors"

	"jethook/consume/cursor"
	"jethook/consume/registry"
	"jethook/publish/outage"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

// dropAllOrphans removes the consumers that endpoints left which were removed while no process ran.
func (e *Engine) dropAllOrphans(ctx context.Context) {
	for _, stream := range topology.EventStreams {
		outage.Insist(ctx, func() error { return e.dropOrphans(ctx, stream) }, func(err error) {
			e.log.Warn("cannot remove consumers of removed endpoints; retrying", "stream", stream, "error", err)
		})
	}
}

func (e *Engine) dropOrphans(ctx context.Context, stream string) error {
	all, err := e.bus.Consumers().Ordered(ctx, stream)
	if err != nil {
		return err
	}
	for _, own := range all {
		if e.endpoints.IsUnreadable(own.Endpoint) {
			continue
		}
		orphan, err := e.isOrphan(ctx, own)
		if orphan {
			err = e.bus.Consumers().Drop(ctx, own)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isOrphan reports whether a consumer belongs to no ordered endpoint and to no record of a cursor any more. Another process may
// have made it a moment ago, so the buckets are asked: what it belongs to was stored before it.
func (e *Engine) isOrphan(ctx context.Context, own pull.Own) (bool, error) {
	if own.Epoch != "" {
		r, err := e.cursors.Get(ctx, cursor.Key{Endpoint: own.Endpoint, Stream: own.Stream})
		return err == nil && (r == nil || r.Epoch != own.Epoch), err
	}
	ep, err := e.endpoints.Get(ctx, own.Endpoint)
	if errors.Is(err, registry.ErrNotFound) {
		return true, nil
	}
	return err == nil && !ep.Ordered, err
}
