package status

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

const (
	// readBytes is how many bytes of deliveries are read to be exact about the oldest and the next of each endpoint,
	// when few wait altogether.
	readBytes = 64 << 20
	// firsts is of how many endpoints the first delivery is read when many wait.
	firsts = 500
	// large is how many deliveries that wait take longer to be counted than the first of them to be found.
	large = 5000
)

// load is what lies on the bus for one endpoint.
type load struct {
	scheduled, due, dead, behind uint64

	whys        map[string]uint64 // of those that wait and were read, and of those that came due, how many wait for what
	why         cursor.Why        // for what those wait that it is behind
	behindSince time.Time

	counted bool      // the scheduled ones are
	read    uint64    // of the scheduled ones, how many were read
	told    uint64    // of those, of how many it was noted what they wait for
	oldest  time.Time // of what was read
	next    time.Time
	tried   bool // something has failed before
}

func (l *load) describe(e *Endpoint) {
	e.Waiting, e.Dead, e.Behind = l.scheduled+l.due, l.dead, l.behind
	if l.told < l.scheduled {
		l.waits(whyUnread, l.scheduled-l.told)
	}
	e.WaitingWhy = l.whys
	e.BehindWhy = string(l.why)
	if !l.behindSince.IsZero() {
		at := l.behindSince.UTC()
		e.BehindSince = &at
	}
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

// What deliveries wait for beside [delivery.Why].
const (
	whyDue    = "due"    // nothing: their time has come
	whyUnread = "unread" // so many wait that they were not looked at
)

// waits counts deliveries in that wait for something.
func (l *load) waits(why string, n uint64) {
	if l.whys == nil {
		l.whys = make(map[string]uint64)
	}
	l.whys[why] += n
}

// see takes in a delivery that was read.
func (l *load) see(d *delivery.Delivery) {
	received := d.Event.Received
	if received.IsZero() {
		received = d.Since
	}
	l.next, l.oldest = earlier(l.next, d.Due), earlier(l.oldest, received)
	l.tried = l.tried || d.Attempt > 1
}

// seeFirst takes in the first delivery of a pile, if there is one.
func (l *load) seeFirst(p query.Count) {
	if p.First == nil {
		return
	}
	if d, err := delivery.Of(p.First); err == nil {
		l.see(&d)
	}
}

// earlier returns the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// weigh counts what lies on the bus for each endpoint.
func (d *draft) weigh(ctx context.Context, endpoints []*endpoint.Endpoint) map[string]*load {
	loads := make(map[string]*load, len(endpoints))
	for _, ep := range endpoints {
		loads[ep.ID] = &load{}
	}
	ids := byUrgency(endpoints)
	d.note(lackDue, d.countDue(ctx, loads, query.Due, whyDue))
	d.note(lackTurn, d.countDue(ctx, loads, query.Turns, string(delivery.WhyTurn)))
	d.note(lackBehind, d.countBehind(ctx, endpoints, loads))
	// What may take long comes last, and for each endpoint at once: the most urgent first.
	d.note(lackWaiting, d.countScheduled(ctx, ids, loads))
	d.note(lackDead, d.countDead(ctx, ids, loads))
	return loads
}

// countScheduled counts what waits for its time, and looks for the oldest and the next of it.
func (d *draft) countScheduled(ctx context.Context, ids []string, loads map[string]*load) error {
	counts, few, err := d.bus.Query().CountByEndpoint(ctx, query.Waiting(""))
	if err != nil {
		return err
	}
	if few {
		for id, l := range loads {
			l.counted, l.scheduled = true, counts[id]
		}
		_, err := d.bus.Query().ReadAll(ctx, query.Waiting(""), readBytes, func(m *query.Stored) {
			d, err := delivery.Of(m)
			if l := loads[d.Endpoint]; err == nil && l != nil {
				l.read++
				l.told++
				l.see(&d)
				l.waits(string(cmp.Or(d.Why, delivery.WhyRetry)), 1)
			}
		})
		return err
	}
	var small, known []string
	for _, id := range ids {
		if d.large[id] {
			known = append(known, id)
		} else {
			small = append(small, id)
		}
	}
	err = d.peekEach(ctx, known, loads)
	if err == nil {
		err = d.countEach(ctx, small, query.Waiting, func(id string, n uint64) { loads[id].counted, loads[id].scheduled = true, n })
	}
	if err != nil {
		return err
	}
	return d.look(ctx, ids, loads)
}

// look reads the first delivery that waits for each of some endpoints: in a stream that is large, to find the others is
// to read much of it.
func (d *draft) look(ctx context.Context, ids []string, loads map[string]*load) error {
	var some []string
	for _, id := range ids {
		if l := loads[id]; l.scheduled > 0 && l.read == 0 && len(some) < firsts {
			some = append(some, id)
		}
	}
	return d.peekEach(ctx, some, loads)
}

// countDue counts what came due and has no outcome yet.
func (d *draft) countDue(ctx context.Context, loads map[string]*load, selection func(string) query.Selection, why string) error {
	counts, few, err := d.bus.Query().CountByEndpoint(ctx, selection(""))
	if err == nil && !few { // a crowd came due at one moment
		counts = make(map[string]uint64)
		all := slices.Collect(maps.Keys(loads))
		err = d.countEach(ctx, all, selection, func(id string, n uint64) { counts[id] = n })
	}
	if err != nil {
		return err
	}
	var ids []string
	for id, n := range counts {
		if l := loads[id]; l != nil && n > 0 {
			l.due += n
			l.waits(why, n)
			ids = append(ids, id)
		}
	}
	return d.bus.Query().PeekEach(ctx, selectionsOf(ids, selection), func(i int, p query.Count) { loads[ids[i]].seeFirst(p) })
}

func (d *draft) countDead(ctx context.Context, ids []string, loads map[string]*load) error {
	counts, few, err := d.bus.Query().CountByEndpoint(ctx, query.Dead(""))
	if err != nil {
		return err
	}
	if few {
		for id, l := range loads {
			l.dead = counts[id]
		}
		return nil
	}
	return d.countEach(ctx, ids, query.Dead, func(id string, n uint64) { loads[id].dead = n })
}

// countBehind counts the events that endpoints which lag, and ordered ones, have not come to.
func (d *draft) countBehind(ctx context.Context, endpoints []*endpoint.Endpoint, loads map[string]*load) error {
	table := cursor.NewTable(d.bus, slog.New(slog.DiscardHandler)) // nobody runs it: it reads what the bucket has now
	all, err := table.Backlogs(ctx, endpoints)
	if err != nil {
		return err
	}
	counts, err := table.CountBacklogs(ctx, all)
	if err != nil {
		return err
	}
	for i, b := range all {
		l := loads[b.Endpoint.ID]
		l.behind += counts[i]
		if counts[i] == 0 {
			continue
		}
		l.why = b.Why()
		if b.Record != nil {
			l.behindSince = earlier(l.behindSince, b.Record.Since)
		}
	}
	return nil
}

// byUrgency returns the endpoints' ids, those first whose state alone says that something may wait.
func byUrgency(endpoints []*endpoint.Endpoint) []string {
	var urgent, others []string
	for _, ep := range endpoints {
		if ep.Disabled || !ep.FailingSince.IsZero() {
			urgent = append(urgent, ep.ID)
		} else {
			others = append(others, ep.ID)
		}
	}
	return append(urgent, others...)
}

// peekEach counts what waits for each endpoint and looks at the first of it.
func (d *draft) peekEach(ctx context.Context, ids []string, loads map[string]*load) error {
	return d.bus.Query().PeekEach(ctx, selectionsOf(ids, query.Waiting), func(i int, p query.Count) {
		l := loads[ids[i]]
		l.counted, l.scheduled, l.read = true, p.Total, min(p.Total, 1)
		l.seeFirst(p)
	})
}

func (d *draft) countEach(ctx context.Context, ids []string, selection func(string) query.Selection, tell func(id string, n uint64)) error {
	return d.bus.Query().CountEach(ctx, selectionsOf(ids, selection), func(i int, n uint64) { tell(ids[i], n) })
}

func selectionsOf(ids []string, selection func(string) query.Selection) []query.Selection {
	selections := make([]query.Selection, len(ids))
	for i, id := range ids {
		selections[i] = selection(id)
	}
	return selections
}
