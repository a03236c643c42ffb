package consume

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"jethook/publish"
)

// listTime bounds how long one call looks for deliveries that match.
const listTime = 2 * time.Second

// List returns the chosen deliveries, newest first, and the cursor of the next page; empty when there is none.
// A page may be short, or even empty, and still have a next one: one call reads for a bounded time.
func (l *Ledger) List(ctx context.Context, q Query) ([]Delivery, string, error) {
	shelves := shelvesOf(q)
	marks, err := parseCursor(q.Cursor, len(shelves))
	if err != nil {
		return nil, "", err
	}
	items := []Delivery{}
	first, began := q.Cursor == "", time.Now()
	for {
		found, err := l.readAll(ctx, shelves, marks, first, q)
		if err != nil {
			return nil, "", fmt.Errorf("listing deliveries: %w", err)
		}
		var more bool
		items, more = cut(items, found, shelves, marks, q)
		switch {
		case !more:
			return items, "", nil
		case len(items) == q.Limit || time.Since(began) > listTime:
			return items, formatCursor(marks), nil
		}
		first = false
	}
}

// readAll reads the next part of each shelf, merged by time, and moves the marks to where reading ended.
func (l *Ledger) readAll(ctx context.Context, shelves []shelf, marks []uint64, first bool, q Query) ([]placed, error) {
	limit := q.Limit
	if q.Type != "" || !q.Until.IsZero() { // much of it may not match
		limit = MaxLimit
	}
	var found []placed
	for i, sh := range shelves {
		if marks[i] == 0 && !first { // read to its end before
			continue
		}
		page, next, err := l.read(ctx, sh.Shelf, marks[i], limit)
		if err != nil {
			return nil, err
		}
		for k := range page {
			found = append(found, placed{shelf: i, at: page[k].Time, seq: page[k].Seq, stored: &page[k]})
		}
		marks[i] = next
	}
	slices.SortStableFunc(found, func(a, b placed) int { return b.at.Compare(a.at) })
	return found, nil
}

// rounds bounds how long one page looks for the first message of a shelf that has few of them.
const rounds = 100

// read reads a part of a shelf that holds something, if anything of the shelf is near enough.
func (l *Ledger) read(ctx context.Context, sh publish.Shelf, before uint64, limit int) (page []publish.Stored, next uint64, err error) {
	next = before
	for range rounds {
		page, next, err = l.bus.Before(ctx, sh, next, limit)
		if err != nil || len(page) > 0 || next == 0 {
			break
		}
	}
	return page, next, err
}

// shelf is one stream's part of the list, with the state that its messages stand for.
type shelf struct {
	publish.Shelf
	status Status
}

func shelvesOf(q Query) []shelf {
	all := []shelf{
		{publish.RetryShelf(q.Endpoint), StatusWaiting},
		{publish.DueShelf(q.Endpoint), StatusWaiting},
		{publish.TurnShelf(q.Endpoint), StatusWaiting},
		{publish.DeadShelf(q.Endpoint), StatusDead},
		{publish.HistoryShelf(q.Endpoint, string(OutcomeDelivered)), StatusDelivered},
	}
	return slices.DeleteFunc(all, func(s shelf) bool { return q.Status != "" && s.status != q.Status })
}

// placed is a message of a page with its place in the merged list.
type placed struct {
	shelf  int
	at     time.Time
	seq    uint64
	stored *publish.Stored
}

// cut adds to items, up to the limit, what matches of the merged list, and reports whether there is more. It
// moves the marks below the last message of each shelf that was looked at; what was read and not looked at is
// read again.
func cut(items []Delivery, found []placed, shelves []shelf, marks []uint64, q Query) ([]Delivery, bool) {
	horizon := horizonOf(found, marks)
	taken := make([]uint64, len(shelves))
	rest := false
	for _, p := range found {
		if len(items) == q.Limit || p.at.Before(horizon) {
			rest = true
			break
		}
		if !q.Since.IsZero() && p.at.Before(q.Since) {
			return items, false // all that follows is older
		}
		taken[p.shelf] = p.seq
		if d, ok := view(p.stored, shelves[p.shelf].status); ok && q.matches(&d) {
			items = append(items, d)
		}
	}
	more := false
	for i := range marks {
		switch {
		case !rest: // everything read was looked at: go on where reading ended
		case taken[i] != 0:
			marks[i] = taken[i]
		default:
			marks[i] = newest(found, i, marks[i])
		}
		more = more || marks[i] != 0
	}
	return items, more
}

// horizonOf returns the time before which the merged order is not known yet: that of the oldest message read
// of a shelf that has more.
func horizonOf(found []placed, marks []uint64) (horizon time.Time) {
	for i, mark := range marks {
		if mark == 0 {
			continue
		}
		at, read := oldest(found, i)
		if !read { // anything may follow
			at = endOfTime
		}
		if at.After(horizon) {
			horizon = at
		}
	}
	return horizon
}

// endOfTime is after everything.
var endOfTime = time.Unix(1<<40, 0)

// oldest returns the time of the shelf's oldest message that was read, if any was.
func oldest(found []placed, shelf int) (time.Time, bool) {
	for _, p := range slices.Backward(found) {
		if p.shelf == shelf {
			return p.at, true
		}
	}
	return time.Time{}, false
}

// newest returns a mark above the shelf's newest message that was read, or mark when none was.
func newest(found []placed, shelf int, mark uint64) uint64 {
	for _, p := range found {
		if p.shelf == shelf {
			return p.seq + 1
		}
	}
	return mark
}

func (q *Query) matches(d *Delivery) bool {
	return (q.Type == "" || d.Type == q.Type) && (q.Until.IsZero() || d.At.Before(q.Until))
}

// view decodes a stored message into what an operator sees.
func view(s *publish.Stored, status Status) (Delivery, bool) {
	if status == StatusDelivered {
		var a Attempt
		if json.Unmarshal(s.Data, &a) != nil {
			return Delivery{}, false
		}
		return Delivery{
			ID: a.Delivery, Endpoint: a.Endpoint, EventID: a.EventID, Type: a.Type, Subject: a.Subject,
			Status: status, Attempts: a.Attempt, At: s.Time, HTTP: a.Status,
		}, true
	}
	d, err := s.Delivery()
	if err != nil {
		return Delivery{}, false
	}
	v := describe(&d, status)
	if status == StatusDead {
		v.Body, v.Cut = strings.ToValidUTF8(string(s.Data), "\uFFFD"), s.Cut
	}
	return v, true
}

func describe(d *publish.Delivery, status Status) Delivery {
	v := Delivery{
		ID: d.ID(), Endpoint: d.Endpoint, EventID: d.Event.ID, Type: d.Event.Type, Subject: d.Event.Subject,
		Status: status, Attempts: d.Attempt, At: d.Since, Reason: d.Reason,
	}
	if status == StatusWaiting {
		due := d.Due.UTC()
		v.Next, v.Waits = &due, string(d.Why)
		v.Attempts-- // it holds the number of the attempt to come
	}
	return v
}

// A cursor is the sequence below which reading goes on, for each shelf of the list.

func formatCursor(marks []uint64) string {
	var b strings.Builder
	for _, m := range marks {
		fmt.Fprintf(&b, "%d,", m)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(b.String()))
}

func parseCursor(cursor string, n int) ([]uint64, error) {
	marks := make([]uint64, n)
	if cursor == "" {
		return marks, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, ErrBadCursor
	}
	parts := strings.Split(strings.TrimSuffix(string(raw), ","), ",")
	if len(parts) != n {
		return nil, ErrBadCursor
	}
	for i, p := range parts {
		if _, err := fmt.Sscanf(p, "%d", &marks[i]); err != nil {
			return nil, ErrBadCursor
		}
	}
	return marks, nil
}
