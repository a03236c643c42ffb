package consume

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/publish"
)

// chronicle is what the history says of one endpoint's deliveries since a time, whatever their outcomes. By it a delivery that
// came back with a killed server is told from one that is late: the server brings back messages that it had removed.
type chronicle struct {
	mu       sync.Mutex // guards what follows
	since    time.Time  // from when on all lines have been read
	next     uint64     // where reading goes on in the stream
	read     time.Time  // when that was last done
	attempts map[string]lastAttempt
	timer    *time.Timer // forgets it when it has not been used for a while
}

// lastAttempt is the last line about a delivery.
type lastAttempt struct {
	number int
	over   bool // no attempt is left to be made
	at     time.Time
}

// chronicleMargin is how much earlier than it is asked for a chronicle begins: the next question may be about an earlier
// time.
const chronicleMargin = time.Hour

// attemptedSince reports whether the history has the attempt that d is to be made, or a later one, or the end of d, after a time:
// the history as it was at asOf, or later. What the history has lost, it can't tell: then d counts as not attempted.
func (r *recall) attemptedSince(ctx context.Context, d *publish.Delivery, at, asOf time.Time) (bool, error) {
	of := r.chronicleOf(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	sh := publish.HistoryShelf(d.Endpoint, "")
	if of.attempts == nil || at.Before(of.since) {
		since := at.Add(-chronicleMargin)
		first, last, err := r.bus.Ends(ctx, sh, since)
		if err != nil {
			return false, fmt.Errorf("looking for what was attempted: %w", err)
		}
		if first == 0 {
			first = last + 1
		}
		of.since, of.next, of.read, of.attempts = since, first, time.Time{}, make(map[string]lastAttempt)
	}
	if of.read.Before(asOf) {
		began := time.Now()
		if err := of.readOn(ctx, r.bus, sh); err != nil {
			return false, err
		}
		of.read = began
	}
	last, known := of.attempts[d.ID()]
	return known && last.at.After(at) && (last.over || last.number >= d.Attempt), nil
}

func (r *recall) chronicleOf(endpoint string) *chronicle {
	r.mu.Lock()
	defer r.mu.Unlock()
	of, ok := r.chronicles[endpoint]
	if ok {
		of.timer.Reset(recallFor)
		return of
	}
	of = &chronicle{}
	of.timer = time.AfterFunc(recallFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.chronicles, endpoint)
	})
	r.chronicles[endpoint] = of
	return of
}

// readOn reads the lines that were added.
func (of *chronicle) readOn(ctx context.Context, bus *publish.Bus, sh publish.Shelf) error {
	for {
		page, next, err := bus.After(ctx, sh, of.next, recallPage)
		if err != nil {
			return fmt.Errorf("reading what was attempted: %w", err)
		}
		for i := range page {
			of.next = page[i].Seq + 1
			line := gjson.GetManyBytes(page[i].Data, "delivery", "attempt", "outcome")
			outcome := Outcome(line[2].Str)
			number := int(line[1].Int())
			if outcome == OutcomeDeferred { // the same attempt is made again
				number--
			}
			of.attempts[line[0].Str] = lastAttempt{number, outcome == OutcomeDelivered || outcome == OutcomeDead, page[i].Time}
		}
		of.next = max(of.next, next)
		if next == 0 {
			return nil
		}
	}
}
