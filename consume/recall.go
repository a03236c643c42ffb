package consume

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/publish"
)

const (
	// longestHold is for how long, at most, an event was held whose delivery to one endpoint was recorded already: as
	// long as the slowest attempt for another one takes, and its outcome to be stored.
	longestHold = 10 * time.Minute
	// recallFor is how long a recollection is kept: it is asked for in the moments after a process was killed.
	recallFor = time.Minute
	// recallPage is how many lines are read at once.
	recallPage = 512
)

// recall knows what was recorded as delivered, so that an event which comes again after a kill is not delivered
// once more and then, when that fails, both delivered and waiting. It reads an endpoint's history when it is first
// asked for the endpoint, from the time in question on, and afterwards only what was added.
type recall struct {
	bus *publish.Bus

	mu        sync.Mutex // guards endpoints
	endpoints map[string]*recollection
}

// recollection is what is known of one endpoint's history.
type recollection struct {
	mu    sync.Mutex           // guards what follows
	since time.Time            // from when on all lines that matter have been read
	from  time.Time            // and where reading began
	next  uint64               // where it goes on; 0: at from
	taken map[string]time.Time // when each delivery was last recorded as delivered
}

func newRecall(bus *publish.Bus) *recall {
	return &recall{bus: bus, endpoints: make(map[string]*recollection)}
}

// takenSince reports whether the delivery was recorded as delivered after a time.
func (r *recall) takenSince(ctx context.Context, d *publish.Delivery, at time.Time) (bool, error) {
	of := r.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	sh := publish.HistoryShelf(d.Endpoint, string(OutcomeDelivered))
	if of.taken == nil || at.Before(of.since) {
		newest, err := r.bus.LastTime(ctx, sh)
		if err != nil {
			return false, err
		}
		of.since, of.from, of.next, of.taken = at, at, 0, make(map[string]time.Time)
		if earliest := newest.Add(-longestHold); at.Before(earliest) {
			of.from = earliest
		}
	}
	if err := of.readOn(ctx, r.bus, sh); err != nil {
		return false, err
	}
	return of.taken[d.ID()].After(at), nil
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

// readOn reads the lines that were added.
func (of *recollection) readOn(ctx context.Context, bus *publish.Bus, sh publish.Shelf) error {
	for more := true; more; {
		var page []publish.Stored
		var err error
		if page, of.next, more, err = bus.Since(ctx, sh, of.from, of.next, recallPage); err != nil {
			return fmt.Errorf("reading what was delivered: %w", err)
		}
		for i := range page {
			of.taken[gjson.GetBytes(page[i].Data, "delivery").Str] = page[i].Time
		}
	}
	return nil
}
