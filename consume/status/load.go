package status

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/consume/endpoint"
	"jethook/publish"
)

const (
	// parallel is how many questions are put to the store at once. It answers one after the other.
	parallel = 8
	// depth is up to how many waiting deliveries of an endpoint are read to be exact about the oldest and the next, and
	// budget and budgetBytes how many of all endpoints: those that have the fewest come first.
	depth       = 1000
	budget      = 20_000
	budgetBytes = 64 << 20
)

// load is what lies on the bus for one endpoint.
type load struct {
	scheduled, due, dead, behind uint64

	read   uint64    // of the scheduled ones, how many were read
	oldest time.Time // of what was read
	next   time.Time
	tried  bool // something has failed before
}

func (l *load) describe(e *Endpoint) {
	e.Waiting, e.Dead, e.Behind = l.scheduled+l.due, l.dead, l.behind
	e.Approximate = l.read < l.scheduled
	if !l.oldest.IsZero() {
		at := l.oldest.UTC()
		e.Oldest = &at
	}
	if !l.next.IsZero() {
		at := l.next.UTC()
		e.NextDue = &at
	}
}

// see takes in what was read of a shelf.
func (l *load) see(stored []publish.Stored) {
	earlier := func(t *time.Time, than time.Time) {
		if !than.IsZero() && (t.IsZero() || than.Before(*t)) {
			*t = than
		}
	}
	for i := range stored {
		d, err := stored[i].Delivery()
		if err != nil {
			continue
		}
		earlier(&l.next, d.Due)
		received := d.Event.Received
		if received.IsZero() {
			received = d.Since
		}
		earlier(&l.oldest, received)
		l.tried = l.tried || d.Attempt > 1
	}
}

// weigh counts what lies on the bus for each endpoint.
func (d *draft) weigh(ctx context.Context, endpoints []*endpoint.Endpoint) map[string]*load {
	loads := make(map[string]*load, len(endpoints))
	for _, ep := range endpoints {
		loads[ep.ID] = &load{}
	}
	d.lacks("waiting deliveries", d.countScheduled(ctx, loads))
	d.lacks("deliveries that came due", d.countDue(ctx, loads, publish.DueShelf))
	d.lacks("deliveries that have their turn", d.countDue(ctx, loads, publish.TurnShelf))
	d.lacks("dead letters", d.countDead(ctx, loads))
	d.lacks("ordered endpoints", d.countBehind(ctx, endpoints, loads))
	return loads
}

// countScheduled counts what waits for its time, and looks for the oldest and the next of it.
func (d *draft) countScheduled(ctx context.Context, loads map[string]*load) error {
	counts, few, err := d.bus.CountByEndpoint(ctx, publish.RetryShelf(""))
	if err != nil {
		return err
	}
	found := make(map[string]uint64)
	if few {
		for id, n := range counts {
			if l := loads[id]; l != nil {
				l.scheduled, found[id] = n, n
			}
		}
	} else {
		var mu sync.Mutex
		err = peekEach(ctx, d.bus, slices.Collect(maps.Keys(loads)), publish.RetryShelf, 1, func(id string, p publish.Pile) {
			mu.Lock()
			defer mu.Unlock()
			l := loads[id]
			if l.scheduled = p.Total; p.Total > 0 {
				found[id] = p.Total
			}
			l.read = uint64(len(p.First))
			l.see(p.First)
		})
		if err != nil {
			return err
		}
	}
	return d.look(ctx, loads, found)
}

// look reads what waits for the endpoints with the fewest, as far as the budget goes, and the first delivery of the
// others unless it was read.
func (d *draft) look(ctx context.Context, loads map[string]*load, found map[string]uint64) error {
	ids := slices.Collect(maps.Keys(found))
	slices.SortFunc(ids, func(a, b string) int { return int(min(found[a], depth+1)) - int(min(found[b], depth+1)) })
	left, bytes := uint64(budget), 0
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, id := range ids {
		l, n := loads[id], found[id]
		mu.Lock()
		whole := n <= depth && n <= left && bytes < budgetBytes
		done := l.read > 0 && (!whole || l.read == n)
		if whole && !done {
			left -= n
		}
		mu.Unlock()
		if done {
			continue
		}
		if !whole {
			n = 1
		}
		g.Go(func() error {
			p, err := d.bus.Peek(ctx, publish.RetryShelf(id), int(n))
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			bytes += p.Bytes
			l.scheduled, l.read = p.Total, uint64(len(p.First))
			l.see(p.First)
			return nil
		})
	}
	return g.Wait()
}

// countDue counts what came due and has no outcome yet.
func (d *draft) countDue(ctx context.Context, loads map[string]*load, shelf func(string) publish.Shelf) error {
	counts, _, err := d.bus.CountByEndpoint(ctx, shelf(""))
	if err != nil {
		return err
	}
	var ids []string
	for id, n := range counts {
		if l := loads[id]; l != nil {
			l.due += n
			ids = append(ids, id)
		}
	}
	var mu sync.Mutex
	return peekEach(ctx, d.bus, ids, shelf, 1, func(id string, p publish.Pile) {
		mu.Lock()
		defer mu.Unlock()
		loads[id].see(p.First)
	})
}

func (d *draft) countDead(ctx context.Context, loads map[string]*load) error {
	counts, few, err := d.bus.CountByEndpoint(ctx, publish.DeadShelf(""))
	if err != nil {
		return err
	}
	if few {
		for id, n := range counts {
			if l := loads[id]; l != nil {
				l.dead = n
			}
		}
		return nil
	}
	return peekEach(ctx, d.bus, slices.Collect(maps.Keys(loads)), publish.DeadShelf, 1, func(id string, p publish.Pile) { loads[id].dead = p.Total })
}

// countBehind counts the events that ordered endpoints have not come to.
func (d *draft) countBehind(ctx context.Context, endpoints []*endpoint.Endpoint, loads map[string]*load) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, ep := range endpoints {
		if !ep.Ordered {
			continue
		}
		g.Go(func() (err error) {
			loads[ep.ID].behind, err = d.bus.OrderedBehind(ctx, ep.ID, ep.Events)
			return err
		})
	}
	return g.Wait()
}

// peekEach looks at the first n messages of each endpoint's shelf. It calls tell from several goroutines, once for
// each endpoint.
func peekEach(ctx context.Context, bus *publish.Bus, ids []string, shelf func(string) publish.Shelf, n int, tell func(string, publish.Pile)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, id := range ids {
		g.Go(func() error {
			p, err := bus.Peek(ctx, shelf(id), n)
			if err == nil {
				tell(id, p)
			}
			return err
		})
	}
	return g.Wait()
}
