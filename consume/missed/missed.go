// Package missed counts the events that retention took before their endpoint came to them, and tells of them.
//
// What waits behind a cursor may wait longer than the stream keeps it. Once taken, nothing tells that it was there: so what
// waits is counted before, and again when retention has reached the place. The difference is missed. It is exact while the
// cursor rests; messages that were handed out twice meanwhile make it less than it was.
package missed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/notice"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/failure"
	"jethook/publish/outage"
	"jethook/publish/topology"
)

// Every is how often each cursor is looked at. What is stored and taken within less is not counted.
const Every = time.Minute

// Counter counts what cursors missed. It is safe for concurrent use.
type Counter struct {
	bus       *publish.Bus
	cursors   *cursor.Table
	endpoints *registry.Registry
	log       *slog.Logger
	counting  outage.Outage
}

// NewCounter returns a counter of what retention takes from the cursors on bus.
func NewCounter(bus *publish.Bus, cursors *cursor.Table, endpoints *registry.Registry, log *slog.Logger) *Counter {
	return &Counter{bus: bus, cursors: cursors, endpoints: endpoints, log: log, counting: outage.Outage{
		Fails: "cannot count the events that lagging endpoints missed; retrying",
		Works: "counting the events that lagging endpoints missed again",
	}}
}

// Run counts every so often what retention takes from all cursors, until ctx ends.
func (c *Counter) Run(ctx context.Context) {
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		c.counting.Tell(c.log, c.CountAll(ctx))
	}
}

// CountAll counts what retention took from all cursors since they were looked at.
func (c *Counter) CountAll(ctx context.Context) error {
	var fails error
	for _, r := range c.cursors.All() {
		if err := c.count(ctx, r.Key, false); err != nil && ctx.Err() == nil {
			fails = err
		}
	}
	return fails
}

// Look is for who is about to take events of a cursor. What fails is logged.
func (c *Counter) Look(ctx context.Context, key cursor.Key) {
	c.counting.Tell(c.log, c.count(ctx, key, false))
}

// Last counts what retention took from a cursor whose record is about to be removed, if there is anything to count or to tell.
// It reports whether there was.
func (c *Counter) Last(ctx context.Context, r *cursor.Record) (bool, error) {
	m := &r.Missed
	if (m.Mark == nil || m.Mark.Waiting == 0) && m.Told >= m.Events {
		return false, nil
	}
	return true, c.count(ctx, r.Key, true)
}

// count counts what retention took from a cursor since it was looked at, and tells of it. Processes that look at the
// same time count it once. Last: whatever the mark says, since the record is about to be removed.
func (c *Counter) count(ctx context.Context, key cursor.Key, last bool) error {
	ep, ok := c.endpoints.Lookup(key.Endpoint)
	r, err := c.cursors.Get(ctx, key)
	if err != nil || !ok || r == nil || !r.Divides() {
		return err
	}
	first, end, err := c.bus.Query().StreamEnds(ctx, key.Stream)
	if err != nil {
		return err
	}
	now := cursor.Mark{Place: r.Start() - 1, Last: end, Filters: filterHash(key.Stream, ep.Events)}
	place, handed, err := c.bus.Consumers().HandedOut(ctx, r.Consumer())
	switch {
	case err == nil:
		now.Place, now.Handed = max(place, now.Place), handed
	case !errors.Is(err, failure.ErrNotFound):
		return err
	}
	if !last && isMarked(r.Missed.Mark, &now, first) {
		return c.tell(ctx, ep, r)
	}
	taken, err := c.measure(ctx, r, ep.Events, &now, first)
	if err != nil {
		return err
	}
	now.Place = max(now.Place, first-1)
	next := r.Missed
	next.Events, next.Mark = next.Events+taken, &now
	if last {
		next.Mark = nil
	}
	noted := false
	err = c.cursors.Note(ctx, key, func(r2 *cursor.Record) bool {
		if noted = r2.Revision == r.Revision; noted {
			r2.Missed = next
		}
		return noted
	})
	if err != nil || !noted { // else it has changed meanwhile, and is looked at again
		return err
	}
	r.Missed = next
	return c.tell(ctx, ep, r)
}

// isMarked reports whether the mark says what there is to say: nothing of it was taken, and what waits now is not taken
// before the next look.
func isMarked(mark, now *cursor.Mark, first uint64) bool {
	middle := first + (max(now.Last, first)-first)/2
	switch {
	case mark == nil:
		return now.Place+1 > middle
	case mark.Filters != now.Filters, mark.Waiting > 0 && first > mark.Place+1:
		return false
	default:
		return now.Place+1 > middle || mark.Place == now.Place && mark.Last > middle
	}
}

// measure counts what waits now, and returns how many of those that the record's mark counts were taken since.
func (c *Counter) measure(ctx context.Context, r *cursor.Record, patterns []string, now *cursor.Mark, first uint64) (taken uint64, err error) {
	mark := r.Missed.Mark
	compare := mark != nil && mark.Filters == now.Filters && mark.Handed <= now.Handed && first > mark.Place+1
	var later uint64 // of the cursor's, behind what the mark counts
	for range 5 {    // or until nothing comes in between that would count in one and not in the other
		n := &tally{r: r, first: first, last: now.Last, known: make(map[uint64]uint64), count: func(place uint64) (uint64, error) {
			return c.bus.Consumers().CountFrom(ctx, r.Key.Stream, patterns, place)
		}}
		end := n.from(now.Last + 1)
		now.Waiting = n.waiting(now.Place + 1)
		if compare {
			later = n.waiting(mark.Last + 1)
		}
		delete(n.known, now.Last+1)
		if again := n.from(now.Last + 1); n.err != nil || again == end {
			err = n.err
			break
		}
	}
	if err != nil || !compare {
		return 0, err
	}
	accounted := now.Waiting + now.Handed - mark.Handed + r.Ahead.Within(mark.Place+1, first-1)
	if were := mark.Waiting + later; were > accounted {
		taken = were - accounted
	}
	return taken, nil
}

// tally counts the events of a record's cursor.
type tally struct {
	r           *cursor.Record
	first, last uint64                       // of the stream
	count       func(uint64) (uint64, error) // how many lie from a place on
	known       map[uint64]uint64            // what count said
	err         error
}

func (t *tally) from(place uint64) uint64 {
	n, ok := t.known[place]
	if !ok && t.err == nil {
		n, t.err = t.count(place)
		t.known[place] = n
	}
	return n
}

func (t *tally) waiting(from uint64) uint64 {
	n := t.r.Left.Within(max(from, t.first), t.last)
	for _, s := range t.r.Spans(from, t.last) {
		low, high := t.from(s.From), t.from(s.Until)
		n += max(low, high) - high
	}
	return n
}

func filterHash(stream string, patterns []string) uint64 {
	h := fnv.New64a()
	for _, f := range topology.Filters(stream, patterns) {
		fmt.Fprintln(h, f)
	}
	return h.Sum64()
}

// tell announces what was missed and not told yet: by an operational event, and by a line of the history, which
// outlives the record. Cut off in between, both are told again under the same id.
func (c *Counter) tell(ctx context.Context, ep *endpoint.Endpoint, r *cursor.Record) error {
	missed := r.Missed
	if missed.Events == missed.Told {
		return nil
	}
	about := notice.About(ep)
	about.Missed, about.Stream, about.WaitingSince = missed.Events-missed.Told, r.Key.Stream, r.Since
	id := fmt.Sprintf("%s.%s.%s.%d", ep.ID, notice.Missed, r.Epoch, missed.Events)
	event, err := about.Event(notice.Missed, id, time.Now())
	if err == nil {
		_, err = c.bus.Publish(ctx, event)
	}
	if err == nil {
		err = c.note(ctx, ep.ID, id, &about)
	}
	if err != nil {
		return fmt.Errorf("telling what %s missed: %w", ep.ID, err)
	}
	c.log.Warn("retention removed events that were waiting for an endpoint", "endpoint", ep.ID, "name", ep.Name, "stream", r.Key.Stream,
		"events", about.Missed, "since", r.Since)
	return c.cursors.Note(ctx, r.Key, func(r *cursor.Record) bool {
		changes := r.Missed.Told < missed.Events
		r.Missed.Told = max(r.Missed.Told, missed.Events)
		return changes
	})
}

// note writes the line of the history.
func (c *Counter) note(ctx context.Context, id, event string, about *notice.Data) error {
	l := history.Line{Attempt: history.Attempt{
		Time: time.Now().UTC(), Endpoint: id, EventID: event, Outcome: history.Missed, Class: attempt.ClassNone, Missed: about.Missed,
		Error: fmt.Sprintf("the retention of %s took %d events that waited since %s", about.Stream, about.Missed, about.WaitingSince.Format(time.RFC3339)),
	}}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	stored := make(chan error, 1)
	c.bus.Deliveries().Record(l.Trait(), text, func(err error) { stored <- err })
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
