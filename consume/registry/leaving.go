package registry

import (
	"context"
	"errors"

	"jethook/publish/topology"
)

// HasLeft reports whether, as the bucket says, an endpoint does not listen to a stream any more, or is removed.
func (r *Registry) HasLeft(ctx context.Context, id, stream string) (bool, error) {
	ep, err := r.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return err == nil && len(topology.Filters(stream, ep.Events)) == 0, err
}
