package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/notice"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// What waits behind a cursor may wait longer than the stream keeps it. Once taken, nothing tells that it was there: so what
// waits is counted before, and again when retention has reached the place. The difference is missed. It is exact while the
// cursor rests; messages that were handed out twice meanwhile make it less than it was.

// lookForMissed is how often each cursor is looked at. What is stored and taken within less is not counted.
const lookForMissed = time.Minute

// watchMissed counts what retention takes from cursors, until ctx ends.
func (e *Engine) watchMissed(ctx context.Context) {
	t := time.NewTicker(lookForMissed)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		e.faults.counting.Tell(e.log, e.countAllMissed(ctx))
	}
}

func (e *Engine) countAllMissed(ctx context.Context) error {
	var fails error
	for _, r := range e.cursors.All() {
		if err := e.countMissed(ctx, r.Key, false); err != nil && ctx.Err() == nil {
			fails = err
		}
	}
	return fails
}

// countMissed counts what retention took from a cursor since it was looked at, and tells of it. Processes that look at the
// same time count it once. Last: whatever the mark says, since the record is about to be removed.
func (e *Engine) countMissed(ctx context.Context, key cursor.Key, last bool) error {
	ep, ok := e.endpoints.Lookup(key.Endpoint)
	r, err := e.cursors.Get(ctx, key)
	if err != nil || !ok || r == nil || !r.Divides() {
		return err
	}
	first, end, err := e.bus.Query().StreamEnds(ctx, key.Stream)
	if err != nil {
		return err
	}
	now := cursor.Mark{Place: r.Start() - 1, Last: end, Filters: filterHash(key.Stream, ep.Events)}
	place, handed, err := e.bus.Consumers().HandedOut(ctx, r.Consumer())
	switch {
	case err == nil:
		now.Place, now.Handed = max(place, now.Place), handed
	case !errors.Is(err, failure.ErrNotFound):
		return err
	}
	if !last && isMarked(r.Missed.Mark, &now, first) {
		return e.tellMissed(ctx, ep, r)
	}
	taken, err := e.measure(ctx, r, ep.Events, &now, first)
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
	err = e.cursors.Note(ctx, key, func(r2 *cursor.Record) bool {
		if noted = r2.Revision == r.Revision; noted {
			r2.Missed = next
		}
		return noted
	})
	if err != nil || !noted { // else it has changed meanwhile, and is looked at again
		return err
	}
	r.Missed = next
	return e.tellMissed(ctx, ep, r)
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
func (e *Engine) measure(ctx context.Context, r *cursor.Record, patterns []string, now *cursor.Mark, first uint64) (taken uint64, err error) {
	mark := r.Missed.Mark
	compare := mark != nil && mark.Filters == now.Filters && mark.Handed <= now.Handed && first > mark.Place+1
	var later uint64 // of the cursor's, behind what the mark counts
	for range 5 {    // or until nothing comes in between that would count in one and not in the other
		c := &counter{Engine: e, ctx: ctx, r: r, patterns: patterns, first: first, last: now.Last, known: make(map[uint64]uint64)}
		end := c.from(now.Last + 1)
		now.Waiting = c.waiting(now.Place + 1)
		if compare {
			later = c.waiting(mark.Last + 1)
		}
		delete(c.known, now.Last+1)
		if again := c.from(now.Last + 1); c.err != nil || again == end {
			err = c.err
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

// counter counts the events of a record's cursor.
type counter struct {
	*Engine
	ctx         context.Context
	r           *cursor.Record
	patterns    []string
	first, last uint64            // of the stream
	known       map[uint64]uint64 // how many lie from a place on
	err         error
}

func (c *counter) from(place uint64) uint64 {
	n, ok := c.known[place]
	if !ok && c.err == nil {
		n, c.err = c.bus.Consumers().CountFrom(c.ctx, c.r.Key.Stream, c.patterns, place)
		c.known[place] = n
	}
	return n
}

func (c *counter) waiting(from uint64) uint64 {
	n := c.r.Left.Within(max(from, c.first), c.last)
	for _, s := range c.r.Spans(from, c.last) {
		low, high := c.from(s.From), c.from(s.Until)
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

// tellMissed announces what was missed and not told yet: by an operational event, and by a line of the history, which
// outlives the record. Cut off in between, both are told again under the same id.
func (e *Engine) tellMissed(ctx context.Context, ep *endpoint.Endpoint, r *cursor.Record) error {
	missed := r.Missed
	if missed.Events == missed.Told {
		return nil
	}
	about := notice.About(ep)
	about.Missed, about.Stream, about.WaitingSince = missed.Events-missed.Told, r.Key.Stream, r.Since
	id := fmt.Sprintf("%s.%s.%s.%d", ep.ID, notice.Missed, r.Epoch, missed.Events)
	event, err := about.Event(notice.Missed, id, time.Now())
	if err == nil {
		_, err = e.bus.Publish(ctx, event)
	}
	if err == nil {
		err = e.noteMissed(ctx, ep.ID, id, &about)
	}
	if err != nil {
		return fmt.Errorf("telling what %s missed: %w", ep.ID, err)
	}
	e.log.Warn("retention removed events that were waiting for an endpoint", "endpoint", ep.ID, "name", ep.Name, "stream", r.Key.Stream,
		"events", about.Missed, "since", r.Since)
	return e.cursors.Note(ctx, r.Key, func(r *cursor.Record) bool {
		changes := r.Missed.Told < missed.Events
		r.Missed.Told = max(r.Missed.Told, missed.Events)
		return changes
	})
}

// noteMissed writes the line of the history.
func (e *Engine) noteMissed(ctx context.Context, id, event string, about *notice.Data) error {
	l := history.Line{Attempt: history.Attempt{
		Time: time.Now().UTC(), Endpoint: id, EventID: event, Outcome: history.Missed, Class: attempt.ClassNone, Missed: about.Missed,
		Error: fmt.Sprintf("the retention of %s took %d events that waited since %s", about.Stream, about.Missed, about.WaitingSince.Format(time.RFC3339)),
	}}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	stored := make(chan error, 1)
	e.bus.Deliveries().Record(l.Trait(), text, func(err error) { stored <- err })
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
