package deliveries

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/query"
)

// ClockSlack is by how much the clock of who received an event may differ from the store's, and how long the store
// may have taken.
const ClockSlack = 5 * time.Second

// Soon is how long after it was stored an event is nearly always attempted for the first time.
const Soon = 2 * time.Minute

// ErrNotFound means that nothing is known of a delivery: there was none, or its record has gone from the history.
var ErrNotFound = errors.New("no such delivery")

// Delivery returns one delivery by its id. Waiting and dead ones are found by their subjects, or by the place of their
// event in its stream, and a delivered one in the history. An id without a place is that of the newest such delivery. The error is ErrNotFound when it is in no state.
func (l *Store) Delivery(ctx context.Context, id string) (Delivery, error) {
	id, err := l.bus.Find().FullID(ctx, id)
	if err != nil {
		return Delivery{}, err
	}
	d, found, err := l.pending(ctx, id)
	if err != nil || found {
		return d, err
	}
	b, h, stand, err := l.behind(ctx, id)
	if err != nil {
		return d, err
	}
	if b != nil {
		return WaitsBehind(b, h, stand), nil
	}
	d, found, err = l.delivered(ctx, id)
	if err != nil || found {
		return d, err
	}
	// One that was being attempted, and failed between the first look and here, waits again.
	if d, found, err = l.pending(ctx, id); err == nil && !found {
		err = ErrNotFound
	}
	return d, err
}

// pending looks for a delivery that is waiting or dead, in the order in which it moves on.
func (l *Store) pending(ctx context.Context, id string) (d Delivery, found bool, err error) {
	endpoint, key, _ := strings.Cut(id, ".")
	q := Query{Limit: paging.Max}
	for _, s := range []*part{
		l.part(StatusWaiting, query.Waiting(endpoint), []string{key}, &q),
		l.part(StatusWaiting, query.Due(endpoint), []string{key}, &q),
		l.part(StatusWaiting, query.Turns(endpoint), []string{key}, &q),
		l.part(StatusDead, query.Dead(endpoint), []string{key}, &q),
	} {
		for {
			if err := s.fill(ctx); err != nil {
				return d, false, fmt.Errorf("looking for %s: %w", id, err)
			}
			if len(s.page) == 0 {
				break
			}
			it := s.take()
			if d, ok := it.view(s.status); ok && d.ID == id {
				return d, true, nil
			}
		}
	}
	return d, false, nil
}

// delivered looks for the record of a delivery that was taken: first in the minutes after its event was stored, where nearly
// all are, so that it is found as fast in a long history as in a short one.
func (l *Store) delivered(ctx context.Context, id string) (d Delivery, found bool, err error) {
	stored, err := l.storedAt(ctx, id)
	if err != nil {
		return d, false, err
	}
	spans := [][2]time.Time{{}}
	if !stored.IsZero() {
		stored = stored.Add(-ClockSlack)
		spans = [][2]time.Time{{stored, stored.Add(Soon)}, {stored.Add(Soon), {}}}
	}
	for _, span := range spans {
		q := AttemptQuery{Delivery: id, Outcome: history.Delivered, Since: span[0], Until: span[1], Limit: 1}
		for more := true; more; more = q.Cursor != "" {
			attempts, next, err := l.Attempts(ctx, q)
			if err != nil {
				return d, false, err
			}
			if len(attempts) > 0 {
				return deliveredBy(&attempts[0]), true, nil
			}
			q.Cursor = next
		}
	}
	return d, false, nil
}

// storedAt returns when the event of a delivery was stored; zero if its id has no place, or the event has gone.
func (l *Store) storedAt(ctx context.Context, id string) (time.Time, error) {
	endpoint, key, place, ok := delivery.PlaceOf(id)
	if !ok {
		return time.Time{}, nil
	}
	for _, stream := range streamsOf(key) {
		h, err := l.bus.EventLog().Read(ctx, stream, place)
		if errors.Is(err, failure.ErrNotFound) {
			continue
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("reading the event of %s: %w", id, err)
		}
		if d := (delivery.Delivery{Endpoint: endpoint, Event: h.Event}); d.ID() == id {
			return h.Time, nil
		}
	}
	return time.Time{}, nil
}

// History returns the newest attempts at a delivery, newest first, and the cursor by which Attempts goes on. It reads only the
// part of the history in which they can be: what one endpoint has there lies far apart.
func (l *Store) History(ctx context.Context, d *Delivery, limit int) (attempts []history.Attempt, next string, err error) {
	q := AttemptQuery{Delivery: d.ID, Limit: limit}
	if d.Status != StatusWaiting {
		q.Until = d.At.Add(recordTime)
	}
	stored, err := l.storedAt(ctx, d.ID)
	if err != nil {
		return nil, "", err
	}
	if !stored.IsZero() {
		q.Since = stored.Add(-ClockSlack)
	}
	return l.Attempts(ctx, q)
}

// recordTime is by how much the clock of a process may differ from the store's.
const recordTime = 5 * time.Minute

// deliveredBy is the delivery that an attempt has brought to its end. It came into that state when the attempt
// ended.
func deliveredBy(a *history.Attempt) Delivery {
	return Delivery{
		ID: a.Delivery, Endpoint: a.Endpoint, EventID: a.EventID, Type: a.Type, Subject: a.Subject,
		Status: StatusDelivered, Attempts: a.Attempt, At: a.Ended(), Class: string(a.Class), HTTP: a.Status,
	}
}
