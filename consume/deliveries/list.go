package deliveries

import (
	"context"
	"fmt"
	"strings"
	"time"

	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

// List returns the chosen deliveries, newest first, and the cursor of the next page; empty when there is none.
// A page may be short, or even empty, and still have a next one: one call reads for a bounded time. What comes into
// a state while pages are read is on none of them; a delivery that moves on from one state to another meanwhile may
// be on one page as what it was, or on none.
func (l *Store) List(ctx context.Context, q Query) ([]Delivery, string, error) {
	if q.Limit <= 0 || q.Limit > paging.Max {
		q.Limit = paging.Max
	}
	all, err := l.parts(ctx, &q)
	if err != nil {
		return nil, "", fmt.Errorf("listing deliveries: %w", err)
	}
	if err := all.seek(q.Cursor); err != nil {
		return nil, "", err
	}
	items, listed := []Delivery{}, make(map[string]bool)
	for began := time.Now(); ; {
		s, err := all.newest(ctx)
		switch {
		case err != nil:
			return nil, "", fmt.Errorf("listing deliveries: %w", err)
		case s == nil:
			return items, "", nil
		case len(items) == q.Limit || time.Since(began) > paging.Patience:
			return items, all.cursor(), nil
		}
		it := s.take()
		if it.d == nil && s.holds != nil && !s.holds(it.Data) {
			continue
		}
		// One that has just moved on may still lie where it was: its newest state counts.
		if d, ok := it.view(s.status); ok && q.matches(&d) && !listed[d.ID] {
			items = append(items, d)
			listed[d.ID] = true
		}
	}
}

func (q *Query) matches(d *Delivery) bool {
	return (q.Type == "" || MatchesType(q.Type, d.Type)) && (q.EventID == "" || d.EventID == q.EventID) &&
		(q.Class == "" || d.Class == string(q.Class)) && (q.Code == 0 || d.HTTP == q.Code) &&
		(q.Reason == "" || strings.Contains(strings.ToLower(d.Reason), strings.ToLower(q.Reason)))
}

// narrow reports whether the parts hold more than what q chooses, so that some of it is passed over.
func (q *Query) narrow() bool {
	return q.Type != "" || q.EventID != "" || q.Class != "" || q.Code != 0 || q.Reason != ""
}

// view decodes a stored message into what an operator sees.
func view(s *query.Stored, status Status) (Delivery, bool) {
	if status == StatusDelivered {
		a, err := history.Parse(s.Data)
		d := deliveredBy(&a)
		d.At = s.Time
		return d, err == nil
	}
	d, err := delivery.Of(s)
	if err != nil {
		return Delivery{}, false
	}
	v := Describe(&d, status)
	if status == StatusDead {
		v.Body, v.Cut = strings.ToValidUTF8(string(s.Data), "\uFFFD"), s.Cut || d.BodySize() > len(s.Data)
	}
	return v, true
}

func Describe(d *delivery.Delivery, status Status) Delivery {
	v := Delivery{
		ID: d.ID(), Endpoint: d.Endpoint, EventID: d.Event.ID, Type: d.Event.Type, Subject: d.Event.Subject,
		Status: status, Attempts: d.Attempt, At: d.Since, Reason: d.Reason, Class: d.Class, HTTP: d.Status,
	}
	if status == StatusWaiting {
		due := d.Due.UTC()
		v.Next, v.Waits = &due, string(d.Why)
		v.Attempts-- // it holds the number of the attempt to come
	}
	return v
}
