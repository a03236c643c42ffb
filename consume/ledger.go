package consume

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"jethook/publish"
)

// Status is the state a delivery is in. Each is in exactly one.
type Status string

// The states of a delivery.
const (
	StatusDelivered Status = "delivered"
	StatusWaiting   Status = "waiting"
	StatusDead      Status = "dead"
)

// Statuses are all of them.
var Statuses = []Status{StatusDelivered, StatusWaiting, StatusDead}

// Delivery is one event on its way to one endpoint, as an operator sees it.
type Delivery struct {
	ID       string     `json:"id"`
	Endpoint string     `json:"endpoint"`
	EventID  string     `json:"event_id"`
	Type     string     `json:"type"`
	Subject  string     `json:"subject"`
	Status   Status     `json:"status"`
	Attempts int        `json:"attempts" doc:"attempts made so far"`
	At       time.Time  `json:"at" doc:"when it came into this state"`
	Next     *time.Time `json:"next_attempt,omitempty" doc:"when a waiting delivery is attempted next"`
	Waits    string     `json:"waits_for,omitempty" doc:"what a waiting delivery waits for: retry, turn (the endpoint is busy) or disabled"`
	Reason   string     `json:"reason,omitempty" doc:"what the last attempt failed of"`
	HTTP     int        `json:"response_status,omitempty" doc:"status of the response that took it"`
}

// Errors of the ledger. Test with errors.Is.
var (
	// ErrNoDelivery means that there is nothing to retry or replay: no such delivery, or it is delivered.
	ErrNoDelivery = errors.New("no such delivery is waiting or dead")
	// ErrUnderWay means that the delivery is being attempted at this moment.
	ErrUnderWay = errors.New("the delivery is being attempted now")
	// ErrBadCursor means that a cursor is not one that a list returned.
	ErrBadCursor = errors.New("not a cursor of this list")
)

// Ledger lists deliveries by their state and moves them.
type Ledger struct{ bus *publish.Bus }

// NewLedger returns the ledger of what lies on bus.
func NewLedger(bus *publish.Bus) *Ledger { return &Ledger{bus} }

// Query chooses deliveries; zero fields choose all.
type Query struct {
	Endpoint     string
	Status       Status
	Type         string // an event type
	Since, Until time.Time
	Limit        int    // of one page; at most MaxLimit
	Cursor       string // of the next page
}

// MaxLimit bounds a page.
const MaxLimit = 500

// List returns the chosen deliveries, newest first, and the cursor of the next page; empty when there is none.
// A page may be short, or even empty, and still have a next one: one call reads a bounded number of messages.
func (l *Ledger) List(ctx context.Context, q Query) ([]Delivery, string, error) {
	shelves := shelvesOf(q)
	marks, err := parseCursor(q.Cursor, len(shelves))
	if err != nil {
		return nil, "", err
	}
	var found []placed
	ended := q.Cursor != ""
	for i, sh := range shelves {
		if marks[i] == 0 && ended { // read to its end by an earlier page
			continue
		}
		page, next, err := l.read(ctx, sh.Shelf, marks[i], q.Limit)
		if err != nil {
			return nil, "", fmt.Errorf("listing deliveries: %w", err)
		}
		for k := range page {
			found = append(found, placed{shelf: i, at: page[k].Time, seq: page[k].Seq, stored: &page[k]})
		}
		marks[i] = next
	}
	slices.SortStableFunc(found, func(a, b placed) int { return b.at.Compare(a.at) })
	return cut(found, shelves, marks, q)
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

// cut takes one page from the merged list. Reading goes on below the last message of each shelf that was
// looked at; what was read and not looked at is read again by the next page.
func cut(found []placed, shelves []shelf, marks []uint64, q Query) ([]Delivery, string, error) {
	// Beyond the oldest message of a shelf that has more, the merged order is not known yet.
	horizon := time.Time{}
	for i := range shelves {
		if marks[i] == 0 {
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
	items := []Delivery{}
	taken := make([]uint64, len(shelves))
	rest := false
	for _, p := range found {
		if len(items) == q.Limit || p.at.Before(horizon) {
			rest = true
			break
		}
		if !q.Since.IsZero() && p.at.Before(q.Since) {
			return items, "", nil // all that follows is older
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
	if !more {
		return items, "", nil
	}
	return items, formatCursor(marks), nil
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
	return describe(&d, status), true
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

// Retry attempts a waiting or dead delivery now. A waiting one keeps its place in the schedule if that fails
// too; a dead one begins a new schedule. Asked twice, it attempts once.
func (l *Ledger) Retry(ctx context.Context, id string) error {
	err := retryNow(ctx, l.bus, id)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, publish.ErrConflict):
		return ErrUnderWay
	case !errors.Is(err, publish.ErrNotFound):
		return fmt.Errorf("retrying: %w", err)
	}
	return l.replay(ctx, id)
}

// retryNow makes a waiting delivery due at once.
func retryNow(ctx context.Context, bus *publish.Bus, id string) error {
	d, err := bus.Waiting(ctx, id)
	if err != nil {
		return err
	}
	return bus.RetryNow(ctx, &d)
}

func (l *Ledger) replay(ctx context.Context, id string) error {
	d, err := l.bus.Dead(ctx, id)
	if errors.Is(err, publish.ErrNotFound) {
		return ErrNoDelivery
	}
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	return l.bus.Replay(ctx, &d)
}

// Replay makes dead letters due again, from their first attempt on: those with the given ids, or else those
// that q chooses. It returns how many; ids that are not dead count as none.
func (l *Ledger) Replay(ctx context.Context, ids []string, q Query) (replayed int, err error) {
	for _, id := range ids {
		switch err := l.replay(ctx, id); {
		case err == nil:
			replayed++
		case !errors.Is(err, ErrNoDelivery):
			return replayed, err
		}
	}
	if len(ids) > 0 {
		return replayed, nil
	}
	for before := uint64(0); ; {
		page, next, err := l.bus.Before(ctx, publish.DeadShelf(q.Endpoint), before, MaxLimit)
		if err != nil {
			return replayed, fmt.Errorf("listing dead letters: %w", err)
		}
		for i := range page {
			d, err := page[i].Delivery()
			if err != nil || !q.Since.IsZero() && d.Since.Before(q.Since) || !q.Until.IsZero() && !d.Since.Before(q.Until) {
				continue
			}
			switch err := l.replay(ctx, d.ID()); {
			case err == nil:
				replayed++
			case !errors.Is(err, ErrNoDelivery): // else somebody else was faster
				return replayed, err
			}
		}
		if next == 0 {
			return replayed, nil
		}
		before = next
	}
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
