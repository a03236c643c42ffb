// Package dedup decides whether a delivery already has its outcome, so that what comes again is not attempted again.
//
// A message comes again when whoever had it was killed before it was acknowledged, or when the server was killed and has
// forgotten that it handed the message out. What is stored of the delivery decides: that it waits or is dead, and what the
// history says. Where nobody was killed nothing is read. What two processes have stored of one delivery, the [Uniter] brings
// into one state. The package makes no attempt and acknowledges no message.
package dedup

import (
	"context"
	"fmt"
	"time"

	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

const (
	// MaxEarly is how early a delivery may come by a difference of clocks.
	MaxEarly = 2 * time.Second
	// RereadAfter is for how long what was read does for messages that came before it was read: whoever had one before may
	// only have been cut off, and record its delivery yet.
	RereadAfter = time.Second
	// lateFire is how long after its time a healthy server has made a delivery due.
	lateFire = 5 * time.Second
	// keptFor is how long what was read of an endpoint is kept: it is asked for in the moments after a process was killed.
	keptFor = time.Minute
)

// History is where the lines of the attempts are read: a [query.Reader].
type History interface {
	history.Source
	LastTime(context.Context, query.Selection) (time.Time, error)
}

// Finder finds out where deliveries are: a [delivery.Finder].
type Finder interface {
	Trace(ctx context.Context, ids ...string) (delivery.Trace, error)
	Traces(ctx context.Context, ids []string) (map[string]*delivery.Trace, error)
	OnRecord(ctx context.Context, endpoint string) (map[string]int, error)
}

// Store is where deliveries wait and are dead.
type Store interface {
	Waiting(ctx context.Context, id string) (delivery.Delivery, error)
	Dead(ctx context.Context, id string) (delivery.Delivery, error)
	Unschedule(context.Context, *delivery.Delivery) error
	RemoveDead(context.Context, *delivery.Delivery) error
	RemovedUntil(id string) time.Time
}

// Message is how this process got the message that a delivery belongs to.
type Message struct {
	Stored time.Time // when the message was stored
	Came   time.Time // when this process got it
	Opened time.Time // when its server had started at the latest, for all that was known when it came
	Again  bool      // it may have been handed out before: the delivery may have its outcome
	Repeat bool      // it was handed out before
	Place  uint64    // in DELIVERIES, of what came due; 0: it is an event in its stream
}

// Outcomes knows which deliveries have one. It is safe for concurrent use.
type Outcomes struct {
	history  History
	find     Finder
	store    Store
	unbroken func() time.Time

	endpoints memory[recollection]
	attempts  memory[attempts]
}

// New returns Outcomes that knows nothing yet. Unbroken tells since when the connection by which deliveries come due has held
// without a break.
func New(lines History, find Finder, store Store, unbroken func() time.Time) *Outcomes {
	return &Outcomes{
		history: lines, find: find, store: store, unbroken: unbroken,
		endpoints: memory[recollection]{keep: keptFor}, attempts: memory[attempts]{keep: keptFor},
	}
}

// Has reports whether an earlier holder of the message stored an outcome for d before it was killed: then
// attempting d again would double its chain of attempts. What became of that outcome meanwhile stands for it: it
// may have come due, and have been delivered. What was stored before the message is none: it belongs to an earlier
// copy of the event, or is the dead letter that is being replayed. What came due late may have come back with a killed
// server, and been attempted long ago; or a cluster has made it due twice, and has removed with the second one what the
// outcome of the first one had scheduled on its subject.
func (o *Outcomes) Has(ctx context.Context, d *delivery.Delivery, m *Message) (bool, error) {
	if !d.Due.IsZero() && m.Stored.Sub(d.Due) > lateFire {
		if since := o.unbroken(); d.Due.Before(since) {
			progress, err := o.ProgressSince(ctx, d, d.Due.Add(-MaxEarly), since)
			over := progress == Ended
			if err == nil && progress == Attempted {
				over, err = o.isElsewhere(ctx, d, m)
			}
			if over || err != nil {
				return over, err
			}
		}
	}
	if !m.Again {
		return false, nil
	}
	if o.isRemoved(d, m) {
		return true, nil
	}
	if m.Place == 0 {
		known, sure, err := o.knownBefore(ctx, d, m)
		if err != nil {
			return false, fmt.Errorf("looking for an earlier outcome: %w", err)
		}
		if sure {
			return known, nil
		}
	}
	return o.IsRecorded(ctx, d, m)
}

// IsRecorded is [Outcomes.Has] for a message that somebody else may have had, by what is recorded at this moment.
func (o *Outcomes) IsRecorded(ctx context.Context, d *delivery.Delivery, m *Message) (bool, error) {
	if o.isRemoved(d, m) {
		return true, nil
	}
	ids := []string{d.ID()}
	if m.Place == 0 { // one that came due was stored under the id that it has
		ids = append(ids, d.FormerID())
	}
	trace, err := o.find.Trace(ctx, ids...)
	if err != nil {
		return false, fmt.Errorf("looking for an earlier outcome: %w", err)
	}
	if !trace.Scheduled.IsZero() || trace.Dead.After(m.Stored) { // whoever stored it may have been killed before it united them
		if _, err := o.unite(ctx, d, m, &trace); err != nil {
			return false, err
		}
	}
	switch after := m.Stored; {
	case trace.Scheduled.After(after), trace.Due.After(after), trace.Dead.After(after):
		return true, nil
	case !trace.Scheduled.IsZero() && m.Place > 0:
		// The server was killed after it made the delivery due and before it removed the schedule, which will
		// make it due once more.
		return true, nil
	}
	return o.WasDelivered(ctx, d, m, m.Came)
}

// isElsewhere reports whether the delivery waits, is dead, or came due behind the message.
func (o *Outcomes) isElsewhere(ctx context.Context, d *delivery.Delivery, m *Message) (bool, error) {
	trace, err := o.find.Trace(ctx, d.ID())
	if err != nil {
		return false, fmt.Errorf("looking for where a delivery has gone: %w", err)
	}
	return !trace.Scheduled.IsZero() || trace.Dead.After(d.Due) || trace.DueAfter(m.Place), nil
}

// isRemoved reports whether d died after its message was stored, and its dead letter was removed or replayed since: that was its
// outcome, of which nothing else is left, and what an operator has removed must not come back. A server that is killed forgets
// what was acknowledged last, and one whose power is cut the history too.
func (o *Outcomes) isRemoved(d *delivery.Delivery, m *Message) bool {
	return o.store.RemovedUntil(d.ID()).After(m.Stored)
}
