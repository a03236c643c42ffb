package consume

import (
	"context"
	"slices"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/parked"
	"jethook/consume/registry"
	"jethook/publish/topology"

	"golang.org/x/sync/errgroup"
)

// endpointChanged follows a change of the registry: a removed endpoint loses its lane, a lane follows its
// endpoint's concurrency, and an endpoint that was enabled gets what waited for that.
func (e *Engine) endpointChanged(ctx context.Context, g *errgroup.Group, c registry.Change) {
	e.sequences.Change(ctx, g, c)
	if c.Before == nil { // new: nothing waits for it
		return
	}
	e.followers.Wake(c.Before.ID)
	if c.After == nil {
		e.lanes.Remove(c.Before.ID)
		e.meters.Forget(c.Before.ID)
		return
	}
	if now, ok := e.endpoints.Lookup(c.After.ID); ok { // changes may be told out of order
		if l := e.lanes.Follow(now); l != nil {
			e.handover.Relieve(l)
		}
	}
	e.health.Switched(c.Before, c.After)
	if c.Before.Disabled && !c.After.Disabled {
		g.Go(func() error { e.parked.Release(ctx, c.After.ID); return nil })
	}
}

// releaseCutOff does again the releases that an earlier process may have been killed in. Those of endpoints that have
// not changed for long have come due by themselves.
func (e *Engine) releaseCutOff(ctx context.Context) {
	turns := slices.Contains(e.bus.Queues().All(), topology.QueueTurns)
	for _, ep := range e.endpoints.All() {
		if !ep.Disabled && (turns || time.Since(ep.UpdatedAt) < 2*parked.For) {
			e.parked.Release(ctx, ep.ID)
		}
	}
}

// cursorChanged follows a change of an endpoint's record.
func (e *Engine) cursorChanged(ctx context.Context, g *errgroup.Group, key cursor.Key) {
	if l := e.lanes.Find(key.Endpoint); l != nil {
		e.handover.DecideAside(l, key)
	}
	e.followers.Change(ctx, g, key)
}
