package deliveries

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

// part is one stream's part of a list, with the state that its messages stand for, and how far it is read.
type part struct {
	status Status
	read   func(ctx context.Context, before uint64) (page []item, next uint64, err error)
	holds  func(data []byte) bool // tells quickly what can't match; nil: all may

	page  []item // read, and not taken yet
	next  uint64 // what is to be read lies below this sequence; 0: the newest of all
	ended bool   // nothing is left to be read
	last  item   // that was taken
}

// item is a delivery in a part: a message, or one of those that a message stands for.
type item struct {
	query.Stored
	d *Delivery // nil: the message says it
}

// view describes the delivery; false: it is none.
func (it *item) view(status Status) (Delivery, bool) {
	if it.d != nil {
		return *it.d, it.d.ID != ""
	}
	return view(&it.Stored, status)
}

// take removes the newest message of those that are read.
func (s *part) take() item {
	s.last = s.page[0]
	s.page[0] = item{} // it may be large
	s.page = s.page[1:]
	return s.last
}

// fill makes sure that the newest message that is left is read, if there is one.
func (s *part) fill(ctx context.Context) (err error) {
	for len(s.page) == 0 && !s.ended {
		if s.page, s.next, err = s.read(ctx, s.next); err != nil {
			return err
		}
		s.ended = s.next == 0
	}
	return nil
}

// place is the sequence below which the list goes on, 0 when nothing is left; and, within the messages that stand for
// several deliveries, behind which endpoint's.
func (s *part) place() string {
	switch {
	case len(s.page) == 0:
		return strconv.FormatUint(s.next, 36)
	case s.page[0].Seq == s.last.Seq && s.last.d != nil:
		return strconv.FormatUint(s.last.Seq+1, 36) + ":" + s.last.d.Endpoint
	default:
		return strconv.FormatUint(s.page[0].Seq+1, 36)
	}
}

// seek goes on at a place.
func (s *part) seek(place string) (err error) {
	below, behind, _ := strings.Cut(place, ":")
	if s.next, err = strconv.ParseUint(below, 36, 62); err != nil {
		return paging.ErrBadCursor
	}
	s.ended = s.next == 0
	if behind != "" {
		s.last = item{Stored: query.Stored{Seq: s.next - 1}, d: &Delivery{Endpoint: behind}}
	}
	return nil
}

// parts are the parts of a list.
type parts []*part

// parts returns those that may hold what q chooses.
func (l *Store) parts(ctx context.Context, q *Query) (all parts, err error) {
	var keys []string
	behind, err := l.streamParts(ctx, q)
	if err != nil {
		return nil, err
	}
	if q.EventID != "" {
		if keys, err = l.bus.EventLog().KeysOf(ctx, q.EventID); err != nil {
			return nil, err
		}
	}
	add := func(status Status, sel query.Selection) {
		if q.Status == "" || q.Status == status {
			all = append(all, l.part(status, sel.Within(q.Since, q.Until), keys, q))
		}
	}
	add(StatusWaiting, query.Waiting(q.Endpoint))
	add(StatusWaiting, query.Due(q.Endpoint))
	add(StatusWaiting, query.Turns(q.Endpoint))
	all = append(all, behind...)
	add(StatusDead, query.Dead(q.Endpoint))
	add(StatusDelivered, delivery.HistoryKey{
		Endpoint: q.Endpoint, Outcome: string(history.Delivered), Class: string(q.Class), Status: q.Code,
	}.Selection())
	return all, nil
}

// part returns one part of the list that q chooses. Where the subjects tell the event, it is found by its keys.
func (l *Store) part(status Status, sel query.Selection, keys []string, q *Query) *part {
	ahead := q.Limit + 1 // one more shows whether there is a next page
	if q.narrow() {
		ahead = paging.Max
	}
	s := &part{status: status}
	s.read = items(func(ctx context.Context, before uint64) ([]query.Stored, uint64, error) {
		return l.bus.Query().Reverse(ctx, sel, before, ahead)
	})
	switch {
	case status == StatusDelivered:
		s.holds = (&AttemptQuery{EventID: q.EventID, Type: q.Type}).matcher()
	case len(keys) > 0:
		s.read = items(func(ctx context.Context, before uint64) ([]query.Stored, uint64, error) {
			return l.bus.Query().ByKey(ctx, sel, keys, before)
		})
	}
	return s
}

// items reads messages that each stand for one delivery.
func items(read func(ctx context.Context, before uint64) ([]query.Stored, uint64, error)) func(context.Context, uint64) ([]item, uint64, error) {
	return func(ctx context.Context, before uint64) ([]item, uint64, error) {
		page, next, err := read(ctx, before)
		all := make([]item, len(page))
		for i := range page {
			all[i].Stored = page[i]
		}
		return all, next, err
	}
}

// newest returns the part whose next message is the newest of all that are left; nil when none is.
func (all parts) newest(ctx context.Context) (newest *part, err error) {
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

// cursor tells where each part goes on. What came later than the first page lies above that.
func (all parts) cursor() string {
	places := make([]string, len(all))
	for i, s := range all {
		places[i] = s.place()
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(places, ",")))
}

// seek goes on where a cursor says.
func (all parts) seek(cursor string) error {
	if cursor == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return paging.ErrBadCursor
	}
	places := strings.Split(string(raw), ",")
	if len(places) != len(all) {
		return paging.ErrBadCursor
	}
	for i, place := range places {
		if err := all[i].seek(place); err != nil {
			return err
		}
	}
	return nil
}
