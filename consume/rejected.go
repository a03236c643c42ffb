package consume

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"jethook/publish"
)

const (
	// reverifyPage and reverifyTime bound what one call verifies again, so that a request over thousands is several
	// short ones.
	reverifyPage = 1000
	reverifyTime = 3 * time.Second
	// rejectedPortion is how many rejected requests are read at once, with bodies.
	rejectedPortion = 50
)

// RejectedQuery chooses requests of a source that did not verify; but for Source, zero fields choose all.
type RejectedQuery struct {
	Source       string
	IDs          []uint64  // their places in the stream; for Reverify
	Reason       string    // the word for why
	Since, Until time.Time // when they were kept; Until is excluded
	Limit        int       // of one page; 0, or more than MaxLimit, is MaxLimit
	Cursor       string    // where the call before ended
}

func (q *RejectedQuery) matches(m *publish.Stored, r *publish.Rejected) bool {
	return (q.Reason == "" || r.Reason == q.Reason) &&
		(q.Since.IsZero() || !m.Time.Before(q.Since)) && (q.Until.IsZero() || m.Time.Before(q.Until))
}

// Rejected returns the chosen requests without their bodies, newest first, and the cursor of the next page; empty when
// there is none. A page may be short, or even empty, and still have a next one. The error is ErrBadCursor for a cursor
// that Rejected has not returned.
func (l *Ledger) Rejected(ctx context.Context, q RejectedQuery) (items []publish.Rejected, next string, err error) {
	var before uint64
	if q.Cursor != "" {
		if before, err = parsePlace(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	if q.Limit <= 0 || q.Limit > MaxLimit {
		q.Limit = MaxLimit
	}
	shelf := publish.RejectedShelf(q.Source).Within(q.Since, q.Until)
	for began := time.Now(); ; {
		page, end, err := l.bus.Before(ctx, shelf, before, q.Limit)
		if err != nil {
			return nil, "", fmt.Errorf("listing rejected requests: %w", err)
		}
		for i := range page {
			if len(items) == q.Limit {
				return items, formatPlace(before), nil
			}
			before = page[i].Seq
			if r, err := page[i].Rejected(); err == nil && q.matches(&page[i], &r) {
				items = append(items, r)
			}
		}
		if end == 0 {
			return items, "", nil
		}
		if before = end; len(items) == q.Limit || time.Since(began) > listTime {
			return items, formatPlace(before), nil
		}
	}
}

// ErrNoRejected means that there is no such rejected request: it never was, it was verified since, or it made room.
var ErrNoRejected = errors.New("no such rejected request")

// OneRejected returns a rejected request of a source with its body, or ErrNoRejected.
func (l *Ledger) OneRejected(ctx context.Context, source string, id uint64) (publish.Rejected, error) {
	r, err := l.bus.GetRejected(ctx, id)
	if errors.Is(err, publish.ErrNotFound) || err == nil && r.Source != source {
		return publish.Rejected{}, ErrNoRejected
	}
	return r, err
}

// DropRejected removes a rejected request of a source for good, or returns ErrNoRejected.
func (l *Ledger) DropRejected(ctx context.Context, source string, id uint64) error {
	if _, err := l.OneRejected(ctx, source, id); err != nil {
		return err
	}
	return l.bus.DropRejected(ctx, id)
}

// Reverifier verifies a rejected request again and stores its events. It returns the word for why it still does not
// verify, or an error when the events can't be stored.
type Reverifier func(ctx context.Context, r *publish.Rejected) (reason string, err error)

// Reverified is what came of verifying again.
type Reverified struct {
	Verified int
	Refused  map[string]int // by reason
	Next     string         // the cursor to go on with; empty when all are done
}

// Reverify verifies the first of the chosen requests again, the oldest first, as many as one call may. Those that pass
// leave the stream once their events are stored: cut off between the two, the next call stores them again under the
// same ids. What is rejected after the first call is not looked at.
func (l *Ledger) Reverify(ctx context.Context, q RejectedQuery, verify Reverifier) (Reverified, error) {
	done := Reverified{Refused: map[string]int{}}
	from, end, err := l.rejectedSpan(ctx, &q)
	if err != nil || from == 0 {
		return done, err
	}
	began, tried := time.Now(), 0
	for r, err := range l.chosenRejected(ctx, &q, from, end) {
		if err != nil {
			return done, fmt.Errorf("reading rejected requests: %w", err)
		}
		if tried == reverifyPage || tried > 0 && time.Since(began) > reverifyTime {
			done.Next = formatSpan(r.Seq, end)
			return done, nil
		}
		tried++
		reason, err := verify(ctx, r)
		switch {
		case err != nil:
			return done, fmt.Errorf("verifying a rejected request again: %w", err)
		case reason != "":
			done.Refused[reason]++
			continue
		}
		if err := l.bus.DropRejected(ctx, r.Seq); err != nil {
			return done, err
		}
		done.Verified++
	}
	return done, nil
}

// rejectedSpan returns where q begins and ends in the stream; 0 when there is nothing.
func (l *Ledger) rejectedSpan(ctx context.Context, q *RejectedQuery) (from, end uint64, err error) {
	switch {
	case q.Cursor != "":
		return parseSpan(q.Cursor)
	case len(q.IDs) > 0:
		return slices.Min(q.IDs), slices.Max(q.IDs), nil
	default:
		return l.bus.Ends(ctx, publish.RejectedShelf(q.Source), q.Since)
	}
}

// chosenRejected goes over what q chooses between two places, in the order of the stream.
func (l *Ledger) chosenRejected(ctx context.Context, q *RejectedQuery, from, end uint64) iter.Seq2[*publish.Rejected, error] {
	if len(q.IDs) > 0 {
		return l.namedRejected(ctx, q, from)
	}
	shelf := publish.RejectedShelf(q.Source).Whole()
	return func(yield func(*publish.Rejected, error) bool) {
		for from != 0 && from <= end {
			page, after, err := l.bus.After(ctx, shelf, from, rejectedPortion)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page {
				r, err := page[i].Rejected()
				if err == nil && r.Seq <= end && q.matches(&page[i], &r) && !yield(&r, nil) {
					return
				}
			}
			from = after
		}
	}
}

func (l *Ledger) namedRejected(ctx context.Context, q *RejectedQuery, from uint64) iter.Seq2[*publish.Rejected, error] {
	return func(yield func(*publish.Rejected, error) bool) {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(q.IDs))) {
			if id < from {
				continue
			}
			r, err := l.OneRejected(ctx, q.Source, id)
			if errors.Is(err, ErrNoRejected) {
				continue
			}
			if !yield(&r, err) || err != nil {
				return
			}
		}
	}
}
