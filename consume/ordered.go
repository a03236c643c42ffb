package consume

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish/outage"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

// startOrdered begins the sequences of the endpoints that there are, and removes what those left that were
// removed while no process ran.
func (e *Engine) startOrdered(ctx context.Context, g *errgroup.Group) {
	for _, ep := range e.endpoints.All() {
		e.beginSequence(ctx, g, ep)
	}
	g.Go(func() error {
		for _, stream := range topology.EventStreams {
			outage.Insist(ctx, func() error { return e.dropOrphans(ctx, stream) }, func(err error) {
				e.log.Warn("cannot remove consumers of removed endpoints; retrying", "stream", stream, "error", err)
			})
		}
		return nil
	})
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
	if errors.Is(err, endpoint.ErrNotFound) {
		return true, nil
	}
	return err == nil && !ep.Ordered, err
}

func (e *Engine) beginSequence(ctx context.Context, g *errgroup.Group, ep *endpoint.Endpoint) {
	if !ep.Ordered {
		return
	}
	q := newSequence(ctx, e, ep.ID)
	if _, running := e.sequences.LoadOrStore(ep.ID, q); running {
		return
	}
	for _, in := range q.intakes {
		g.Go(func() error {
			q.follow(in)
			// When the process stops, what is in flight is still kept by way of the sequence.
			if q.following.Add(-1) == 0 && ctx.Err() == nil {
				e.sequences.Delete(q.id)
			}
			return nil
		})
	}
}

// orderedChanged lets an endpoint's sequence follow a change of the registry.
func (e *Engine) orderedChanged(ctx context.Context, g *errgroup.Group, c endpoint.Change) {
	switch {
	case c.Before == nil:
		e.beginSequence(ctx, g, c.After)
		return
	case c.After != nil && c.Before.Disabled == c.After.Disabled && slices.Equal(c.Before.Events, c.After.Events):
		return
	}
	if q := e.sequence(c.Before.ID); q != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.next()
		q.state, q.next = context.WithCancel(q.run)
	}
}

func (e *Engine) sequence(id string) *sequence {
	q, _ := e.sequences.Load(id)
	found, _ := q.(*sequence)
	return found
}

// orderedEnded wakes who waits for a delivery to end.
func (e *Engine) orderedEnded(id string) {
	if q := e.sequence(id); q != nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		close(q.ended)
		q.ended = make(chan struct{})
	}
}

// keepOrdered is keep for the messages of all endpoints that have consumers of their own.
func (e *Engine) keepOrdered(ctx context.Context) error {
	return keepHeld(ctx, func(into []*held) []*held {
		for _, q := range e.sequences.Range {
			for _, in := range q.(*sequence).intakes {
				into = in.snapshot(into)
			}
		}
		for _, f := range e.followers.Range {
			into = f.(*follower).in.snapshot(into)
		}
		return into
	})
}
