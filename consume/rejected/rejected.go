// Package rejected keeps no webhook: it lists the requests that a source refused because they did not verify, and gives them
// a second try once the source's settings are mended. Those that verify then leave the list after their events are stored,
// never before. It does not verify; its caller does.
package rejected

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/failure"
	"jethook/publish/quarantine"
	"jethook/publish/query"
)

const (
	// reverifyPage and reverifyTime bound what one call verifies again, so that a request over thousands is several
	// short ones.
	reverifyPage = 1000
	reverifyTime = 3 * time.Second
	// rejectedPortion is how many rejected requests are read at once, with bodies.
	rejectedPortion = 50
)

// Store lists the rejected requests that lie on a bus, and moves them.
type Store struct{ bus *publish.Bus }

// New returns the store of what lies on bus.
func New(bus *publish.Bus) *Store { return &Store{bus} }

// Query chooses requests of a source that did not verify; but for Source, zero fields choose all.
type Query struct {
	Source       string
	IDs          []uint64  // their places in the stream; for Reverify
	Reason       string    // the word for why
	Since, Until time.Time // when they were kept; Until is excluded
	Limit        int       // of one page; 0, or more than paging.Max, is paging.Max
	Cursor       string    // where the call before ended
}

func (q *Query) matches(m *query.Stored, r *quarantine.Request) bool {
	return (q.Reason == "" || r.Reason == q.Reason) &&
		(q.Since.IsZero() || !m.Time.Before(q.Since)) && (q.Until.IsZero() || m.Time.Before(q.Until))
}

// List returns the chosen requests without their bodies, newest first, and the cursor of the next page; empty when
// there is none. A page may be short, or even empty, and still have a next one. The error is ErrBadCursor for a cursor
// that Rejected has not returned.
func (s *Store) List(ctx context.Context, q Query) (items []quarantine.Request, next string, err error) {
	var before uint64
	if q.Cursor != "" {
		if before, err = paging.ParsePlace(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	if q.Limit <= 0 || q.Limit > paging.Max {
		q.Limit = paging.Max
	}
	selection := query.Rejected(q.Source).Within(q.Since, q.Until)
	for began := time.Now(); ; {
		page, end, err := s.bus.Query().Reverse(ctx, selection, before, q.Limit)
		if err != nil {
			return nil, "", fmt.Errorf("listing rejected requests: %w", err)
		}
		for i := range page {
			if len(items) == q.Limit {
				return items, paging.FormatPlace(before), nil
			}
			before = page[i].Seq
			if r, err := quarantine.RequestOf(&page[i]); err == nil && q.matches(&page[i], &r) {
				items = append(items, r)
			}
		}
		if end == 0 {
			return items, "", nil
		}
		if before = end; len(items) == q.Limit || time.Since(began) > paging.Patience {
			return items, paging.FormatPlace(before), nil
		}
	}
}

// ErrNotFound means that there is no such rejected request: it never was, it was verified since, or it made room.
var ErrNotFound = errors.New("no such rejected request")

// Get returns a rejected request of a source with its body, or ErrNoRejected.
func (s *Store) Get(ctx context.Context, source string, id uint64) (quarantine.Request, error) {
	r, err := s.bus.Rejected().Get(ctx, id)
	if errors.Is(err, failure.ErrNotFound) || err == nil && r.Source != source {
		return quarantine.Request{}, ErrNotFound
	}
	return r, err
}

// Drop removes a rejected request of a source for good, or returns ErrNoRejected.
func (s *Store) Drop(ctx context.Context, source string, id uint64) error {
	if _, err := s.Get(ctx, source, id); err != nil {
		return err
	}
	return s.bus.Rejected().Drop(ctx, id)
}

// Reverifier verifies a rejected request again and stores its events. It returns the word for why it still does not
// verify, or an error when the events can't be stored.
type Reverifier func(ctx context.Context, r *quarantine.Request) (reason string, err error)

// Reverified is what came of verifying again.
type Reverified struct {
	Verified int
	Refused  map[string]int // by reason
	Next     string         // the cursor to go on with; empty when all are done
}

// Reverify verifies the first of the chosen requests again, the oldest first, as many as one call may. Those that pass
// leave the stream once their events are stored: cut off between the two, the next call stores them again under the
// same ids. What is rejected after the first call is not looked at.
func (s *Store) Reverify(ctx context.Context, q Query, verify Reverifier) (Reverified, error) {
	done := Reverified{Refused: map[string]int{}}
	from, end, err := s.span(ctx, &q)
	if err != nil || from == 0 {
		return done, err
	}
	began, tried := time.Now(), 0
	for r, err := range s.chosen(ctx, &q, from, end) {
		if err != nil {
			return done, fmt.Errorf("reading rejected requests: %w", err)
		}
		if tried == reverifyPage || tried > 0 && time.Since(began) > reverifyTime {
			done.Next = paging.FormatSpan(r.Seq, end)
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
		if err := s.bus.Rejected().Drop(ctx, r.Seq); err != nil {
			return done, err
		}
		done.Verified++
	}
	return done, nil
}

// span returns where q begins and ends in the stream; 0 when there is nothing.
func (s *Store) span(ctx context.Context, q *Query) (from, end uint64, err error) {
	switch {
	case q.Cursor != "":
		return paging.ParseSpan(q.Cursor)
	case len(q.IDs) > 0:
		return slices.Min(q.IDs), slices.Max(q.IDs), nil
	default:
		return s.bus.Query().Ends(ctx, query.Rejected(q.Source), q.Since)
	}
}

// chosen goes over what q chooses between two places, in the order of the stream.
func (s *Store) chosen(ctx context.Context, q *Query, from, end uint64) iter.Seq2[*quarantine.Request, error] {
	if len(q.IDs) > 0 {
		return s.named(ctx, q, from)
	}
	selection := query.Rejected(q.Source).WithBodies()
	return func(yield func(*quarantine.Request, error) bool) {
		for from != 0 && from <= end {
			page, after, err := s.bus.Query().Forward(ctx, selection, from, rejectedPortion)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page {
				r, err := quarantine.RequestOf(&page[i])
				if err == nil && r.Seq <= end && q.matches(&page[i], &r) && !yield(&r, nil) {
					return
				}
			}
			from = after
		}
	}
}

func (s *Store) named(ctx context.Context, q *Query, from uint64) iter.Seq2[*quarantine.Request, error] {
	return func(yield func(*quarantine.Request, error) bool) {
		for _, id := range slices.Compact(slices.Sorted(slices.Values(q.IDs))) {
			if id < from {
				continue
			}
			r, err := s.Get(ctx, q.Source, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if !yield(&r, err) || err != nil {
				return
			}
		}
	}
}
