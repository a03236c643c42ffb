package consume

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

const (
	// longestHold is for how long, at most, an event was held whose delivery to one endpoint was recorded already: as
	// long as the slowest attempt for another one takes, and its outcome to be stored.
	longestHold = 10 * time.Minute
	// recallFor is how long a recollection is kept: it is asked for in the moments after a process was killed.
	recallFor = time.Minute
	// rereadAfter is for how long what was read does for messages that came before it was read: whoever had one before may
	// only have been cut off, and record its delivery yet.
	rereadAfter = time.Second
)

// recall knows what was recorded as delivered, so that an event which comes again after a kill is not delivered
// once more and then, when that fails, both delivered and waiting. It reads an endpoint's history when it is first
// asked for the endpoint, from the time in question on, and afterwards only what was added.
type recall struct {
	bus *publish.Bus

	before     memory[remains]
	chronicles memory[chronicle]

	mu        sync.Mutex // guards endpoints
	endpoints map[string]*recollection
}

// recollection is what is known of one endpoint's history.
type recollection struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // from when on all lines that matter have been read
	lines history.Reader
	read  time.Time        // when that was last done
	taken map[string]taken // deliveries that were recorded as delivered
}

// taken is the last line that says that a delivery was delivered.
type taken struct {
	at     time.Time
	place  uint64 // see lastAttempt
	placed bool
}

// since reports whether the line is about d, which came by a message that was stored at a time, or about a later one.
func (t taken) since(d *delivery.Delivery, stored time.Time) bool {
	if follows, known := d.Follows(); known && t.placed {
		return t.place > follows
	}
	return t.at.After(stored)
}

func newRecall(bus *publish.Bus) *recall {
	return &recall{
		bus: bus, endpoints: make(map[string]*recollection),
		before: memory[remains]{keep: recallFor}, chronicles: memory[chronicle]{keep: recallFor},
	}
}

// takenSince reports whether the delivery, which came to this process at a time, was recorded as delivered after an
// earlier one.
func (r *recall) takenSince(ctx context.Context, d *delivery.Delivery, at, came time.Time) (bool, error) {
	of := r.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	sh := delivery.HistoryShelf(d.Endpoint, string(history.Delivered))
	if of.taken == nil || at.Before(of.since) {
		if err := of.begin(ctx, r.bus, sh, at); err != nil {
			return false, err
		}
	}
	if !of.read.After(came) || time.Since(of.read) > rereadAfter {
		began := time.Now()
		if err := of.lines.ReadOn(ctx, history.PageSize, of.note); err != nil {
			return false, err
		}
		of.read = began
	}
	return of.taken[d.ID()].since(d, at) || of.taken[d.FormerID()].since(d, at), nil
}

// of returns the recollection of an endpoint.
func (r *recall) of(endpoint string) *recollection {
	r.mu.Lock()
	defer r.mu.Unlock()
	of, ok := r.endpoints[endpoint]
	if !ok {
		of = &recollection{}
		r.endpoints[endpoint] = of
		time.AfterFunc(recallFor, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.endpoints, endpoint)
		})
	}
	return of
}

// begin makes reading begin anew, for what was recorded after a time.
func (of *recollection) begin(ctx context.Context, bus *publish.Bus, sh query.Selection, at time.Time) error {
	newest, err := bus.Query().LastTime(ctx, sh)
	if err != nil {
		return err
	}
	from := at
	if earliest := newest.Add(-longestHold); at.Before(earliest) {
		from = earliest
	}
	lines, err := history.Since(ctx, bus, sh, from)
	if err != nil {
		return err
	}
	of.since, of.lines, of.read, of.taken = at, lines, time.Time{}, make(map[string]taken)
	return nil
}

// note notes a line.
func (of *recollection) note(s *query.Stored) error {
	line := gjson.GetManyBytes(s.Data, "delivery", "place")
	of.taken[line[0].Str] = taken{s.Time, max(line[1].Uint(), of.taken[line[0].Str].place), line[1].Exists()}
	return nil
}
