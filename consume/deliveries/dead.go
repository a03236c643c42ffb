package deliveries

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"jethook/consume/paging"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/query"
)

const (
	// deadPage and deadTime bound what one call does of a bulk of dead letters, so that a request over a million of
	// them is many short ones.
	deadPage = 5000
	deadTime = 3 * time.Second
	// portion is how many messages are read and moved at once.
	portion = 250
)

// DeadQuery chooses dead letters; zero fields choose all.
type DeadQuery struct {
	Endpoint     string
	Since, Until time.Time // of when they died
	Reason       string    // a part of the reason, in any case
	Cursor       string    // where the call before ended
}

func (q *DeadQuery) matches(d *delivery.Delivery) bool {
	return (q.Since.IsZero() || !d.Since.Before(q.Since)) && (q.Until.IsZero() || d.Since.Before(q.Until)) &&
		strings.Contains(strings.ToLower(d.Reason), strings.ToLower(q.Reason))
}

// Replay makes the dead letters with these ids due again, from their first attempt on. It returns how many; ids that
// are not dead count as none.
func (l *Store) Replay(ctx context.Context, ids []string) (replayed int, err error) {
	return l.each(ctx, ids, l.replay)
}

// Remove drops the dead letters with these ids for good. It returns how many; ids that are not dead count as none.
func (l *Store) Remove(ctx context.Context, ids []string) (removed int, err error) {
	return l.each(ctx, ids, l.remove)
}

func (l *Store) each(ctx context.Context, ids []string, do func(context.Context, string) error) (n int, err error) {
	for _, id := range ids {
		if id, err = l.bus.Find().FullID(ctx, id); err != nil {
			return n, err
		}
		switch err := do(ctx, id); {
		case err == nil:
			n++
		case !errors.Is(err, ErrNoDelivery) && !errors.Is(err, ErrUnderWay):
			return n, err
		}
	}
	return n, nil
}

func (l *Store) remove(ctx context.Context, id string) error {
	d, err := l.bus.Find().Dead(ctx, id)
	if errors.Is(err, failure.ErrNotFound) {
		return ErrNoDelivery
	}
	if err != nil {
		return fmt.Errorf("removing: %w", err)
	}
	return l.bus.Deliveries().RemoveDead(ctx, &d)
}

// ReplaySome replays the first of the chosen dead letters, the oldest first, and RemoveSome drops them: as many as one
// call may. Each returns how many, and the cursor to go on with; empty when all are done. What dies after the
// first call is not touched. Done again after a crash, they do the rest.
func (l *Store) ReplaySome(ctx context.Context, q DeadQuery) (replayed int, next string, err error) {
	return l.someDead(ctx, q, l.bus.Deliveries().ReplayAll)
}

// RemoveSome is described at ReplaySome.
func (l *Store) RemoveSome(ctx context.Context, q DeadQuery) (removed int, next string, err error) {
	return l.someDead(ctx, q, func(ctx context.Context, dead []delivery.Delivery) (int, error) {
		for i := range dead {
			if err := l.bus.Deliveries().RemoveDead(ctx, &dead[i]); err != nil {
				return i, err
			}
		}
		return len(dead), nil
	})
}

func (l *Store) someDead(ctx context.Context, q DeadQuery, do func(context.Context, []delivery.Delivery) (int, error)) (n int, next string, err error) {
	selection := query.Dead(q.Endpoint).WithBodies()
	from, end, err := paging.ParseSpan(q.Cursor)
	if err != nil {
		return 0, "", err
	}
	if q.Cursor == "" {
		if from, end, err = l.bus.Query().Ends(ctx, selection, time.Time{}); err != nil || from == 0 {
			return 0, "", err
		}
	}
	for began := time.Now(); from != 0 && from <= end; {
		page, after, err := l.bus.Query().Forward(ctx, selection, from, portion)
		if err != nil {
			return n, "", fmt.Errorf("listing dead letters: %w", err)
		}
		var chosen []delivery.Delivery
		for i := range page {
			if d, err := delivery.Of(&page[i]); err == nil && page[i].Seq <= end && q.matches(&d) {
				chosen = append(chosen, d)
			}
		}
		done, err := do(ctx, chosen)
		if n += done; err != nil {
			return n, "", err
		}
		if from = after; n >= deadPage || time.Since(began) > deadTime {
			break
		}
	}
	if from == 0 || from > end {
		return n, "", nil
	}
	return n, paging.FormatSpan(from, end), nil
}
