package status

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/consume/endpoint"
	"jethook/publish"
)

const (
	// depth is up to how many waiting deliveries of an endpoint are read to be exact about the oldest and the next, and
	// budget how many of all endpoints: those that have the fewest come first.
	depth  = 1000
	budget = 10_000
)

// load is what lies on the bus for one endpoint.
type load struct {
	scheduled, due, dead, behind uint64

	counted bool      // the scheduled ones are
	read    uint64    // of the scheduled ones, how many were read
	oldest  time.Time // of what was read
	next    time.Time
	tried   bool // something has failed before
}

func (l *load) describe(e *Endpoint) {
	e.Waiting, e.Dead, e.Behind = l.scheduled+l.due, l.dead, l.behind
	e.Approximate = !l.counted || l.read < l.scheduled
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
	d.lacks("deliveries that came due", d.countDue(ctx, loads, publish.DueShelf))
	d.lacks("deliveries that have their turn", d.countDue(ctx, loads, publish.TurnShelf))
	d.lacks("ordered endpoints", d.countBehind(ctx, endpoints, loads))
	// What may take long comes last, and for each endpoint at once: the most troubled first.
	d.lacks("waiting deliveries", d.countScheduled(ctx, endpoints, loads))
	d.lacks("dead letters", d.countDead(ctx, endpoints, loads))
	return loads
}

// countScheduled counts what waits for its time, and looks for the oldest and the next of it.
func (d *draft) countScheduled(ctx context.Context, endpoints []*endpoint.Endpoint, loads map[string]*load) error {
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
		for _, l := range loads {
			l.counted = true
		}
	} else {
		err = d.peekEach(ctx, byTrouble(endpoints), publish.RetryShelf, 1, func(id string, p publish.Pile) {
			l := loads[id]
			l.counted = true
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

// look reads all that waits for the endpoints with the fewest, as far as the budget goes, and the first delivery of
// the others unless it was read.
func (d *draft) look(ctx context.Context, loads map[string]*load, found map[string]uint64) error {
	ids := slices.SortedFunc(maps.Keys(found), func(a, b string) int { return cmp.Compare(found[a], found[b]) })
	see := func(id string, p publish.Pile) {
		l := loads[id]
		l.scheduled, l.read = p.Total, uint64(len(p.First))
		l.see(p.First)
	}
	left, whole := uint64(budget), 0
	for ; whole < len(ids) && found[ids[whole]] <= min(left, depth); whole++ {
		left -= found[ids[whole]]
	}
	deep, rest := ids[:whole], ids[whole:]
	read := func(id string) bool { return loads[id].read > 0 }
	rest = slices.DeleteFunc(slices.Clone(rest), read)
	deep = slices.DeleteFunc(slices.Clone(deep), func(id string) bool { return read(id) && found[id] == 1 })
	if err := d.peekEach(ctx, rest, publish.RetryShelf, 1, see); err != nil {
		return err
	}
	return d.peekEach(ctx, deep, publish.RetryShelf, depth, see)
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
	return d.peekEach(ctx, ids, shelf, 1, func(id string, p publish.Pile) { loads[id].see(p.First) })
}

func (d *draft) countDead(ctx context.Context, endpoints []*endpoint.Endpoint, loads map[string]*load) error {
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
	return d.peekEach(ctx, byTrouble(endpoints), publish.DeadShelf, 1, func(id string, p publish.Pile) { loads[id].dead = p.Total })
}

// countBehind counts the events that ordered endpoints have not come to.
func (d *draft) countBehind(ctx context.Context, endpoints []*endpoint.Endpoint, loads map[string]*load) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
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

// byTrouble returns the endpoints' ids, those first whose state alone says that something may wait.
func byTrouble(endpoints []*endpoint.Endpoint) []string {
	var troubled, others []string
	for _, ep := range endpoints {
		if ep.Disabled || !ep.FailingSince.IsZero() {
			troubled = append(troubled, ep.ID)
		} else {
			others = append(others, ep.ID)
		}
	}
	return append(troubled, others...)
}

// peekEach looks at the first n messages of each endpoint's shelf.
func (d *draft) peekEach(ctx context.Context, ids []string, shelf func(string) publish.Shelf, n int, tell func(string, publish.Pile)) error {
	shelves := make([]publish.Shelf, len(ids))
	for i, id := range ids {
		shelves[i] = shelf(id)
	}
	return d.bus.PeekEach(ctx, shelves, n, func(i int, p publish.Pile) { tell(ids[i], p) })
}
