package consume

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish"
)

// chronicle is what the history says of one endpoint's deliveries since a time, whatever their outcomes. By it a delivery that
// came back with a killed server is told from one that is late: the server brings back messages that it had removed.
type chronicle struct {
	mu       sync.Mutex // guards what follows
	since    time.Time  // from when on all lines have been read
	lines    history.Reader
	read     time.Time // when that was last done
	attempts map[string]lastAttempt
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
	of := r.chronicles.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.attempts == nil || at.Before(of.since) {
		since := at.Add(-chronicleMargin)
		lines, err := history.Since(ctx, r.bus, publish.HistoryShelf(d.Endpoint, ""), since)
		if err != nil {
			return false, err
		}
		of.since, of.lines, of.read, of.attempts = since, lines, time.Time{}, make(map[string]lastAttempt)
	}
	if of.read.Before(asOf) {
		began := time.Now()
		if err := of.lines.ReadOn(ctx, history.PageSize, of.note); err != nil {
			return false, err
		}
		of.read = began
	}
	last, known := of.attempts[d.ID()]
	return known && last.at.After(at) && (last.over || last.number >= d.Attempt), nil
}

// note notes a line.
func (of *chronicle) note(s *publish.Stored) error {
	line := gjson.GetManyBytes(s.Data, "delivery", "attempt", "outcome")
	outcome := history.Outcome(line[2].Str)
	number := int(line[1].Int())
	if outcome == history.Deferred { // the same attempt is made again
		number--
	}
	of.attempts[line[0].Str] = lastAttempt{number, outcome == history.Delivered || outcome == history.Dead, s.Time}
	return nil
}
