package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"jethook/consume/deliveries"
	"jethook/publish/event"
	"jethook/publish/eventlog"
	"jethook/publish/topology"
)

// searchTime bounds how long one call looks for an event.
const searchTime = 5 * time.Second

// ErrSearchTime means that an event was not found in time, and may still be there: see [SearchError].
var ErrSearchTime = errors.New("search timed out")

// SearchError is ErrSearchTime with how far the search came.
type SearchError struct {
	Passed int       // events that were looked at
	Back   time.Time // when the oldest of them was stored
}

// Error says how far the search came.
func (e *SearchError) Error() string {
	return fmt.Sprintf("not among the newest %d events, since %s, where the search ended; narrow it with until, since, or subject",
		e.Passed, e.Back.UTC().Format(time.RFC3339))
}

// Is reports whether target is ErrSearchTime.
func (e *SearchError) Is(target error) bool { return target == ErrSearchTime }

// search reads back until it meets the id. The store has no index of ids: the one that it has for deduplication
// only answers who publishes, and every plain subscriber would see that.
func (a *Archive) search(ctx context.Context, id string, q Query) (found *eventlog.Head, others []string, err error) {
	q.Cursor = ""
	m, err := a.merge(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	end := time.Now().Add(a.patience)
	var last SearchError
	for {
		h, err := m.next(ctx)
		switch {
		case err != nil:
			return nil, nil, err
		case h == nil:
			return nil, nil, ErrNoEvent
		case h.ID == id:
			return h, m.metAhead(id, h.Subject), nil
		}
		last.Passed++
		last.Back = h.Time
		if last.Passed%1024 == 0 && time.Now().After(end) {
			return nil, nil, &last
		}
	}
}

// searchStuck finds an event by a delivery of it that waits or is dead, which has the event's subject and tells when
// it was received; nil when there is none.
func (a *Archive) searchStuck(ctx context.Context, id string, q Query) (*eventlog.Head, error) {
	for _, source := range append([]string{""}, a.sources...) {
		waiting, dead, err := a.bus.Find().OfEvent(ctx, &event.Event{Source: source, ID: id})
		if err != nil {
			return nil, fmt.Errorf("looking for deliveries: %w", err)
		}
		for _, d := range append(waiting, dead...) {
			if q.Subject != "" && !topology.MatchesAny(d.Event.Subject, []string{q.Subject}) {
				continue
			}
			near := Query{
				Subject: d.Event.Subject,
				Since:   later(q.Since, d.Event.Received.Add(-deliveries.ClockSlack)),
				Until:   d.Event.Received.Add(deliveries.ClockSlack),
			}
			if !q.Until.IsZero() && q.Until.Before(near.Until) {
				near.Until = q.Until
			}
			found, _, err := a.search(ctx, id, near)
			if err == nil || !errors.Is(err, ErrNoEvent) && !errors.Is(err, ErrSearchTime) {
				return found, err
			}
		}
	}
	return nil, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
