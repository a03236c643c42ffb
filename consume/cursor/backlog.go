package cursor

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"jethook/consume/endpoint"
	"jethook/publish/pull"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Backlog is what waits for an endpoint in a stream, at one moment: behind its cursor, or behind the consumer that an
// ordered endpoint always has.
type Backlog struct {
	Endpoint *endpoint.Endpoint
	Stream   string
	Record   *Record // nil: the endpoint is ordered, and gets the whole stream by its consumer
	Lag      pull.Lag
}

// Stand is how an event stands behind a cursor. The set is closed.
type Stand int

// How an event stands.
const (
	Elsewhere Stand = iota // it is not the cursor's, or it has its outcome
	Waits                  // nobody has taken it
	Taken                  // somebody has: it waits unless an outcome is recorded
)

// Of tells how an event stands that matches the endpoint's patterns. Outcomes of what is Elsewhere were recorded before the
// backlog was read.
func (b *Backlog) Of(place uint64) Stand {
	switch {
	case !b.Record.waits(place), place <= b.Lag.Settled:
		return Elsewhere
	case place > b.Lag.Taken:
		return Waits
	default:
		return Taken
	}
}

// forgotten is how many places a killed server may have forgotten to have handed out.
const forgotten = 4096

// MayBeForgotten reports whether the event at a place that waits may have been handed out before a server was killed, by the
// cursor or to all: what is recorded of it decides.
func (b *Backlog) MayBeForgotten(place uint64) bool {
	return b.Record != nil && b.Record.From > 0 && place < max(b.Lag.Taken+1, b.Record.From)+forgotten
}

// waits reports whether the event at a place is delivered by the endpoint's own consumer: in a phase that divides nothing,
// by the rule of before.
func (r *Record) waits(place uint64) bool {
	switch {
	case r == nil:
		return true
	case r.Phase == Leaving && r.From == 0:
		return false
	default:
		return r.HasCursor(place) && r.Delivers(place)
	}
}

// Span is where the backlog lies in its stream: from first on, and before end; 0: to the end of the stream.
func (b *Backlog) Span() (first, end uint64) {
	first = b.Lag.Settled + 1
	if b.Record == nil {
		return first, 0
	}
	if b.Record.Phase != Leaving || b.Record.From != 0 {
		end = b.Record.Until
	}
	return max(first, b.Record.Start()), end
}

// Why tells for what the backlog waits. What an endpoint left for may be over while it still catches up.
func (b *Backlog) Why() Why {
	switch {
	case b.Endpoint.Disabled:
		return Disabled
	case !b.Endpoint.FailingSince.IsZero():
		return CircuitOpen
	case b.Record == nil:
		return Order
	case b.Record.Why == Disabled, b.Record.Why == CircuitOpen:
		return Behind
	default:
		return b.Record.Why
	}
}

// Backlog returns the backlog of an endpoint in a stream; nil: it takes part in the shared intake alone.
func (t *Table) Backlog(ctx context.Context, ep *endpoint.Endpoint, stream string) (*Backlog, error) {
	b := &Backlog{Endpoint: ep, Stream: stream}
	if !ep.Ordered {
		var err error
		if b.Record, err = t.Get(ctx, b.key()); err != nil || b.Record == nil {
			return nil, err
		}
	}
	all, err := t.lags(ctx, []*Backlog{b})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (b *Backlog) key() Key { return Key{b.Endpoint.ID, b.Stream} }

// Backlogs returns the backlogs of some endpoints in all streams, by endpoint. It reads all records.
func (t *Table) Backlogs(ctx context.Context, endpoints []*endpoint.Endpoint) ([]*Backlog, error) {
	records, err := t.readAll(ctx)
	if err != nil {
		return nil, err
	}
	var all []*Backlog
	for _, ep := range endpoints {
		for _, stream := range topology.EventStreams {
			r := records[Key{ep.ID, stream}]
			if r == nil && !ep.Ordered || len(topology.Filters(stream, ep.Events)) == 0 {
				continue
			}
			all = append(all, &Backlog{Endpoint: ep, Stream: stream, Record: r})
		}
	}
	all, err = t.lags(ctx, all)
	slices.SortStableFunc(all, func(a, b *Backlog) int { return cmp.Compare(a.Endpoint.ID, b.Endpoint.ID) })
	return all, err
}

// readAll reads the bucket. A record that can't be read is passed over, as whoever follows the bucket does.
func (t *Table) readAll(ctx context.Context) (map[Key]*Record, error) {
	records := make(map[Key]*Record)
	for next := uint64(1); next != 0; {
		page, more, err := t.bus.Query().Forward(ctx, query.Bucket(topology.BucketCursors), next, 500)
		if err != nil {
			return nil, fmt.Errorf("reading the cursors: %w", err)
		}
		for i := range page {
			text, live := page[i].Key(topology.BucketCursors)
			key, ok := parseKey(text)
			if !ok {
				continue
			}
			delete(records, key) // it is of before
			r := &Record{}
			if live && r.decode(key, page[i].Data, page[i].Seq) == nil {
				records[key] = r
			}
		}
		next = more
	}
	return records, nil
}

// lags asks the consumers of backlogs how far they are, and drops the backlogs that have gone meanwhile. A record that was
// read before its consumer may be of before: the consumer is removed after it.
func (t *Table) lags(ctx context.Context, all []*Backlog) (left []*Backlog, err error) {
	for asked := all; len(asked) > 0; {
		names := make([]pull.Own, len(asked))
		for i, b := range asked {
			names[i] = pull.Own{Stream: b.Stream, Endpoint: b.Endpoint.ID}
			if b.Record != nil {
				names[i] = b.Record.Consumer()
			}
		}
		if err := t.bus.Consumers().Lags(ctx, names, func(i int, lag pull.Lag) { asked[i].Lag = lag }); err != nil {
			return nil, err
		}
		var again []*Backlog
		for _, b := range asked {
			changed, err := t.settleLag(ctx, b)
			switch {
			case err != nil:
				return nil, err
			case changed && b.Record != nil:
				again = append(again, b)
			case !changed:
				left = append(left, b)
			}
		}
		asked = again
	}
	return left, nil
}

// settleLag makes the lag of a consumer that is not there that of one that has yet to begin. It returns whether the
// record has changed meanwhile.
func (t *Table) settleLag(ctx context.Context, b *Backlog) (changed bool, err error) {
	r := b.Record
	switch {
	case r == nil && b.Lag.NotThere: // nobody has begun, and nobody knows where it will
		return true, nil
	case !b.Lag.NotThere:
		return false, nil
	}
	if r.Opened {
		now, err := t.Get(ctx, r.Key)
		if err != nil {
			return false, err
		}
		if now == nil || now.Revision != r.Revision {
			b.Record = now
			return true, nil
		}
	}
	b.Lag = pull.Lag{NotThere: true}
	if start := r.Start(); start > 0 {
		b.Lag.Taken, b.Lag.Settled = start-1, start-1
	}
	return false, nil
}

// countingAtOnce is how many backlogs are counted in their streams together.
const countingAtOnce = 8

// CountBacklogs counts the events of each backlog, those among them that have been taken and have no outcome.
func (t *Table) CountBacklogs(ctx context.Context, all []*Backlog) ([]uint64, error) {
	counts := make([]uint64, len(all))
	firsts := make(map[string]uint64)
	for _, b := range all {
		if _, known := firsts[b.Stream]; known || b.Record == nil || len(b.Record.Left) == 0 {
			continue
		}
		first, _, err := t.bus.Query().StreamEnds(ctx, b.Stream)
		if err != nil {
			return nil, err
		}
		firsts[b.Stream] = first
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(countingAtOnce)
	for i, b := range all {
		g.Go(func() error {
			untaken, err := t.untaken(ctx, b, firsts[b.Stream])
			counts[i] = untaken + uint64(b.Lag.Unacked)
			return err
		})
	}
	return counts, g.Wait()
}

// untaken counts what nobody has taken: the consumer knows it, unless it passes over some of what it has.
func (t *Table) untaken(ctx context.Context, b *Backlog, first uint64) (uint64, error) {
	r, next := b.Record, b.Lag.Taken+1
	if r == nil {
		return b.Lag.Behind, nil
	}
	if r.Phase == Leaving && r.From == 0 {
		return 0, nil
	}
	var fault error
	from := func(place uint64) int64 {
		if place = max(place, next); place == next && !b.Lag.NotThere {
			return int64(b.Lag.Behind)
		}
		n, err := t.bus.Consumers().CountFrom(ctx, b.Stream, b.Endpoint.Events, place)
		fault = cmp.Or(fault, err)
		return int64(n)
	}
	n := from(r.From)
	if r.Until > 0 {
		n -= from(r.Until)
	}
	for _, gap := range r.Gaps {
		if gap.Until > next {
			n -= from(gap.From) - from(gap.Until)
		}
	}
	for _, place := range r.Left {
		if place >= max(next, first) {
			n++
		}
	}
	for _, place := range r.Ahead {
		if place >= next {
			n--
		}
	}
	return uint64(max(n, 0)), fault
}
