// Package daily counts each endpoint's attempts of the last 24 hours, hour by hour, from the history. What it costs has a
// bound: of very many attempts it counts a sample. It keeps what it counted and stores nothing.
package daily

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Hours is how many hours a [Day] has.
const Hours = 24

const (
	// freshFor is for how long a count is given to whoever looks.
	freshFor = 5 * time.Second
	// patience is how long a look waits for a count: pages show what is counted by then.
	patience = 50 * time.Millisecond
	// hourBudget is how many lines of an hour are read. Beyond it an hour is counted by a sample, so that the cost has a bound,
	// whatever passes: about half a million lines when the first page is opened, and then a few thousand at each look.
	hourBudget = 20_000
	// lookBudget is the same for what came since the last look.
	lookBudget = 2_000
	// piece is how many lines are read in one go.
	piece = 500
)

// Day is what became of an endpoint's attempts in the last 24 hours.
type Day struct {
	Delivered, Failed uint64
	Hours             [Hours]Hour // the oldest first; the last one still goes on
	Sampled           bool        // there were too many to be counted one by one
}

// Hour is one hour of a Day.
type Hour struct {
	Start             time.Time
	Delivered, Failed uint64
}

// Counter counts the attempts of every endpoint in the last 24 hours, in one pass over the history that all viewers share: it reads each
// line once. It reads nothing unless somebody looks. It is safe for concurrent use.
type Counter struct {
	bus  *publish.Bus
	wake chan struct{}

	hourBudget, lookBudget uint64

	mu    sync.Mutex // guards what follows
	at    time.Time  // of the last count
	next  chan struct{}
	hours map[int64]*hour // by their start, in Unix seconds
	whole bool            // every hour was counted once
}

// hour is an hour of the history. Run alone writes it, with Counter.mu locked.
type hour struct {
	next    uint64 // place in the stream up to which it is counted
	over    bool   // it ended before it was counted last
	sampled bool
	tallies map[string]tally // by endpoint
}

type tally struct{ delivered, failed float64 }

// New returns a counter of what lies on bus. It counts while Run runs.
func New(bus *publish.Bus) *Counter {
	return &Counter{
		bus: bus, wake: make(chan struct{}, 1), hourBudget: hourBudget, lookBudget: lookBudget,
		next: make(chan struct{}), hours: make(map[int64]*hour),
	}
}

// Run counts when somebody looks, until ctx ends.
func (c *Counter) Run(ctx context.Context, failed func(error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		if err := c.count(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// Look asks for a count, and waits a moment for it. It reports whether the whole day is counted.
func (c *Counter) Look(ctx context.Context) (whole bool) {
	c.mu.Lock()
	fresh, next := time.Since(c.at) < freshFor, c.next
	c.mu.Unlock()
	if !fresh {
		select {
		case c.wake <- struct{}{}:
		default: // it was asked for
		}
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-next:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.whole
}

// Of returns the day of an endpoint, as far as it was counted.
func (c *Counter) Of(endpoint string) (day Day) {
	now := time.Now().UTC().Truncate(time.Hour)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range day.Hours {
		h := &day.Hours[i]
		h.Start = now.Add(time.Duration(i+1-Hours) * time.Hour)
		counted := c.hours[h.Start.Unix()]
		if counted == nil {
			continue
		}
		t := counted.tallies[endpoint]
		h.Delivered, h.Failed = whole(t.delivered), whole(t.failed)
		day.Delivered += h.Delivered
		day.Failed += h.Failed
		day.Sampled = day.Sampled || counted.sampled && h.Delivered+h.Failed > 0
	}
	return day
}

// whole is a count that a sample may have made a fraction: whatever was seen is at least one.
func whole(n float64) uint64 {
	if n > 0 && n < 1 {
		return 1
	}
	return uint64(n + 0.5)
}

// count counts what is not counted yet, the newest hour first.
func (c *Counter) count(ctx context.Context) error {
	history := query.All(topology.StreamHistory)
	newest := time.Now().UTC().Truncate(time.Hour)
	_, last, err := c.bus.Query().Ends(ctx, history, newest)
	if err != nil {
		return fmt.Errorf("counting the last day: %w", err)
	}
	end := last + 1
	for i := range Hours {
		start := newest.Add(-time.Duration(i) * time.Hour)
		h := c.hour(start)
		if h.over {
			end = 0 // to be asked for
			continue
		}
		if end == 0 {
			if end, err = c.bus.Query().FirstSince(ctx, history, start.Add(time.Hour)); err != nil {
				return fmt.Errorf("counting the last day: %w", err)
			}
		}
		first, err := c.bus.Query().FirstSince(ctx, history, start)
		if err != nil {
			return fmt.Errorf("counting the last day: %w", err)
		}
		if err := c.countHour(ctx, h, first, min(end, last+1), i > 0); err != nil {
			return fmt.Errorf("counting the last day: %w", err)
		}
		end = first
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.hours, func(start int64, _ *hour) bool { return start <= newest.Add(-Hours*time.Hour).Unix() })
	c.at, c.whole = time.Now(), true
	close(c.next)
	c.next = make(chan struct{})
	return nil
}

// hour is the hour that began then.
func (c *Counter) hour(start time.Time) *hour {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hours[start.Unix()]
	if h == nil {
		h = &hour{tallies: make(map[string]tally)}
		c.hours[start.Unix()] = h
	}
	return h
}

// countHour counts what an hour has up to a place, or a sample of it.
func (c *Counter) countHour(ctx context.Context, h *hour, first, end uint64, over bool) error {
	budget := c.lookBudget
	if h.next == 0 {
		budget = c.hourBudget
	}
	from := max(h.next, first)
	if n := end - min(from, end); n <= budget {
		if err := c.read(ctx, h, from, end, 1); err != nil {
			return err
		}
	} else {
		c.mu.Lock()
		h.sampled = true
		c.mu.Unlock()
		stride := n / max(1, budget/piece)
		for ; from < end; from += stride {
			upTo := min(from+stride, end)
			seen := min(from+piece, upTo)
			if err := c.read(ctx, h, from, seen, float64(upTo-from)/float64(seen-from)); err != nil {
				return err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h.next, h.over = end, over
	return nil
}

// read counts the lines from a place up to another, each for so many. It rests for as long as it has worked, since nothing waits
// for it that matters as much as deliveries do.
func (c *Counter) read(ctx context.Context, h *hour, from, end uint64, weight float64) error {
	for from != 0 && from < end {
		began := time.Now()
		lines, next, err := c.bus.Query().Forward(ctx, query.All(topology.StreamHistory), from, int(min(piece, end-from)))
		if err != nil {
			return err
		}
		c.mu.Lock()
		for i := range lines {
			if lines[i].Seq < end {
				h.add(lines[i].Subject, weight)
			}
		}
		h.next = max(h.next, from)
		if len(lines) > 0 {
			h.next = min(end, lines[len(lines)-1].Seq+1)
		}
		c.mu.Unlock()
		if from = next; from < end && from != 0 {
			select {
			case <-time.After(time.Since(began)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// outcomes of the history that are attempts, with whether they went well.
var outcomes = map[string]bool{"delivered": true, "failed": false, "dead": false}

// add counts one line of the history.
func (h *hour) add(subject string, weight float64) {
	trait, ok := delivery.HistoryKeyOf(subject)
	if !ok {
		return
	}
	well, attempt := outcomes[trait.Outcome]
	if !attempt {
		return
	}
	t := h.tallies[trait.Endpoint]
	if well {
		t.delivered += weight
	} else {
		t.failed += weight
	}
	h.tallies[trait.Endpoint] = t
}
