package consume

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"jethook/publish"
)

// shelf is one stream's part of a list, with the state that its messages stand for, and how far it is read.
type shelf struct {
	status Status
	read   func(ctx context.Context, before uint64) (page []publish.Stored, next uint64, err error)
	holds  func(data []byte) bool // tells quickly what can't match; nil: all may

	page  []publish.Stored // read, and not taken yet
	next  uint64           // what is to be read lies below this sequence; 0: the newest of all
	ended bool             // nothing is left to be read
}

// take removes the newest message of those that are read.
func (s *shelf) take() publish.Stored {
	m := s.page[0]
	s.page[0] = publish.Stored{} // it may be large
	s.page = s.page[1:]
	return m
}

// fill makes sure that the newest message that is left is read, if there is one.
func (s *shelf) fill(ctx context.Context) (err error) {
	for len(s.page) == 0 && !s.ended {
		if s.page, s.next, err = s.read(ctx, s.next); err != nil {
			return err
		}
		s.ended = s.next == 0
	}
	return nil
}

// place is the sequence below which the list goes on; 0 when nothing is left.
func (s *shelf) place() uint64 {
	if len(s.page) > 0 {
		return s.page[0].Seq + 1
	}
	return s.next
}

// shelves are the parts of a list.
type shelves []*shelf

// shelves returns those that may hold what q chooses.
func (l *Ledger) shelves(ctx context.Context, q *Query) (all shelves, err error) {
	var keys []string
	if q.EventID != "" {
		if keys, err = l.bus.EventKeys(ctx, q.EventID); err != nil {
			return nil, err
		}
	}
	add := func(status Status, sh publish.Shelf) {
		if q.Status == "" || q.Status == status {
			all = append(all, l.shelf(status, sh.Within(q.Since, q.Until), keys, q))
		}
	}
	add(StatusWaiting, publish.RetryShelf(q.Endpoint))
	add(StatusWaiting, publish.DueShelf(q.Endpoint))
	add(StatusWaiting, publish.TurnShelf(q.Endpoint))
	add(StatusDead, publish.DeadShelf(q.Endpoint))
	add(StatusDelivered, publish.Trait{
		Endpoint: q.Endpoint, Outcome: string(OutcomeDelivered), Class: string(q.Class), Status: q.Code,
	}.Shelf())
	return all, nil
}

// shelf returns one part of the list that q chooses. Where the subjects tell the event, it is found by its keys.
func (l *Ledger) shelf(status Status, sh publish.Shelf, keys []string, q *Query) *shelf {
	ahead := q.Limit + 1 // one more shows whether there is a next page
	if q.narrow() {
		ahead = MaxLimit
	}
	s := &shelf{status: status}
	s.read = func(ctx context.Context, before uint64) ([]publish.Stored, uint64, error) {
		return l.bus.Before(ctx, sh, before, ahead)
	}
	switch {
	case status == StatusDelivered:
		s.holds = (&AttemptQuery{EventID: q.EventID, Type: q.Type}).matcher()
	case len(keys) > 0:
		s.read = func(ctx context.Context, before uint64) ([]publish.Stored, uint64, error) {
			return l.bus.OfEvents(ctx, sh, keys, before)
		}
	}
	return s
}

// newest returns the shelf whose next message is the newest of all that are left; nil when none is.
func (all shelves) newest(ctx context.Context) (newest *shelf, err error) {
	for _, s := range all {
		if err := s.fill(ctx); err != nil {
			return nil, err
		}
		if len(s.page) > 0 && (newest == nil || s.page[0].Time.After(newest.page[0].Time)) {
			newest = s
		}
	}
	return newest, nil
}

// cursor tells where each shelf goes on. What came later than the first page lies above that.
func (all shelves) cursor() string {
	places := make([]string, len(all))
	for i, s := range all {
		places[i] = strconv.FormatUint(s.place(), 36)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(places, ",")))
}

// seek goes on where a cursor says.
func (all shelves) seek(cursor string) error {
	if cursor == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return ErrBadCursor
	}
	places := strings.Split(string(raw), ",")
	if len(places) != len(all) {
		return ErrBadCursor
	}
	for i, place := range places {
		if all[i].next, err = strconv.ParseUint(place, 36, 62); err != nil {
			return ErrBadCursor
		}
		all[i].ended = all[i].next == 0
	}
	return nil
}
