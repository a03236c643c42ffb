package consume

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/query"
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
	began  time.Time // by the clock of who made it
	place  uint64    // in DELIVERIES, the highest from which an attempt was made
	placed bool      // place is known: no earlier release wrote the line
}

// ends reports whether the line is about an attempt that d stands for, or a later one. The order of DELIVERIES tells that,
// and no clock: the server's and those of several processes may differ, and the line about an attempt may come late. Of
// what an earlier release has written, the attempt's number and time tell.
func (l *lastAttempt) ends(d *delivery.Delivery, inTime bool) bool {
	if follows, known := d.Follows(); known && l.placed {
		return l.place > follows
	}
	return inTime && (l.over || l.number >= d.Attempt)
}

// chronicleMargin is how much earlier than it is asked for a chronicle begins: the next question may be about an earlier
// time.
const chronicleMargin = time.Hour

// attemptedSince reports whether the history has the attempt that d is to be made, or a later one, or the end of d, after a time:
// the history as it was at asOf, or later. What the history has lost, it can't tell: then d counts as not attempted.
func (r *recall) attemptedSince(ctx context.Context, d *delivery.Delivery, at, asOf time.Time) (bool, error) {
	last, err := r.lastOf(ctx, d, at, asOf)
	return last.ends(d, last.at.After(at)), err
}

// begunSince is attemptedSince for attempts that began after the time: the line about one before may have come later.
func (r *recall) begunSince(ctx context.Context, d *delivery.Delivery, at, asOf time.Time) (bool, error) {
	last, err := r.lastOf(ctx, d, at, asOf)
	return last.ends(d, last.began.After(at)), err
}

// lastOf returns the last line about a delivery, which is sure of lines after a time alone.
func (r *recall) lastOf(ctx context.Context, d *delivery.Delivery, at, asOf time.Time) (last lastAttempt, err error) {
	of := r.chronicles.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.attempts == nil || at.Before(of.since) {
		since := at.Add(-chronicleMargin)
		lines, err := history.Since(ctx, r.bus, delivery.HistoryShelf(d.Endpoint, ""), since)
		if err != nil {
			return last, err
		}
		of.since, of.lines, of.read, of.attempts = since, lines, time.Time{}, make(map[string]lastAttempt)
	}
	if of.read.Before(asOf) {
		began := time.Now()
		if err := of.lines.ReadOn(ctx, history.PageSize, of.note); err != nil {
			return last, err
		}
		of.read = began
	}
	return of.attempts[d.ID()], nil
}

// note notes a line.
func (of *chronicle) note(s *query.Stored) error {
	line := gjson.GetManyBytes(s.Data, "delivery", "attempt", "outcome", "time", "place")
	outcome := history.Outcome(line[2].Str)
	number := int(line[1].Int())
	if outcome == history.Deferred { // the same attempt is made again
		number--
	}
	over := outcome == history.Delivered || outcome == history.Dead
	place := max(line[4].Uint(), of.attempts[line[0].Str].place)
	of.attempts[line[0].Str] = lastAttempt{number, over, s.Time, line[3].Time(), place, line[4].Exists()}
	return nil
}
