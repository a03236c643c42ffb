package dedup

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

// attempts is what the history says of one endpoint's deliveries since a time, whatever their outcomes. By it a delivery that
// came back with a killed server is told from one that is late: the server brings back messages that it had removed.
type attempts struct {
	mu    sync.Mutex // guards what follows
	since time.Time  // from when on all lines have been read
	lines history.Reader
	read  time.Time              // when that was last done
	last  map[string]lastAttempt // by the delivery's id
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

// progress is what the line says of d.
func (l *lastAttempt) progress(d *delivery.Delivery, inTime bool) Progress {
	switch {
	case !l.ends(d, inTime):
		return NotAttempted
	case l.over:
		return Ended
	default:
		return Attempted
	}
}

// attemptsMargin is how much earlier than it is asked for reading begins: the next question may be about an earlier time.
const attemptsMargin = time.Hour

// Progress is how far a delivery has come by the history.
type Progress int

// What the history has lost, it can't tell: then a delivery counts as not attempted.
const (
	NotAttempted Progress = iota
	Attempted             // and is to be attempted again: it waits somewhere, unless the server has lost it
	Ended                 // it was delivered, or is dead
)

// ProgressSince tells whether the history has the attempt that d is to be made, or a later one, or the end of d, after a
// time: the history as it was at asOf, or later.
func (o *Outcomes) ProgressSince(ctx context.Context, d *delivery.Delivery, at, asOf time.Time) (Progress, error) {
	last, err := o.lastOf(ctx, d, at, asOf)
	return last.progress(d, last.at.After(at)), err
}

// BegunSince is [Outcomes.ProgressSince] for attempts that began after the time: the line about one before may have come
// later.
func (o *Outcomes) BegunSince(ctx context.Context, d *delivery.Delivery, at, asOf time.Time) (Progress, error) {
	last, err := o.lastOf(ctx, d, at, asOf)
	return last.progress(d, last.began.After(at)), err
}

// lastOf returns the last line about a delivery, which is sure of lines after a time alone.
func (o *Outcomes) lastOf(ctx context.Context, d *delivery.Delivery, at, asOf time.Time) (last lastAttempt, err error) {
	of := o.attempts.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.last == nil || at.Before(of.since) {
		since := at.Add(-attemptsMargin)
		lines, err := history.Since(ctx, o.history, delivery.HistoryKey{Endpoint: d.Endpoint}.Selection(), since)
		if err != nil {
			return last, err
		}
		of.since, of.lines, of.read, of.last = since, lines, time.Time{}, make(map[string]lastAttempt)
	}
	if of.read.Before(asOf) {
		began := time.Now()
		if err := of.lines.ReadOn(ctx, history.PageSize, of.note); err != nil {
			return last, err
		}
		of.read = began
	}
	return of.last[d.ID()], nil
}

// note notes a line.
func (of *attempts) note(s *query.Stored) error {
	text := gjson.GetManyBytes(s.Data, "delivery", "attempt", "outcome", "time", "place")
	outcome := history.Outcome(text[2].Str)
	number := int(text[1].Int())
	if outcome == history.Deferred { // the same attempt is made again
		number--
	}
	over := outcome == history.Delivered || outcome == history.Dead
	place := max(text[4].Uint(), of.last[text[0].Str].place)
	of.last[text[0].Str] = lastAttempt{number, over, s.Time, text[3].Time(), place, text[4].Exists()}
	return nil
}
