package dedup

import (
	"context"
	"fmt"
	"sync"
	"time"

	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/query"
)

// records is a history and a store without a server.
type records struct {
	mu      sync.Mutex // guards what follows
	lines   []recorded
	ids     map[string]int // see [Finder.OnRecord]
	traces  map[string]delivery.Trace
	removed []string
	graves  map[string]time.Time // when the removed dead letters were stored
	begins  int                  // how often reading began
	fails   error
}

type recorded struct {
	query.Stored
	outcome history.Outcome
}

func newRecords() *records {
	return &records{ids: make(map[string]int), traces: make(map[string]delivery.Trace), graves: make(map[string]time.Time)}
}

func (r *records) outcomes() *Outcomes { return New(r, r, r, time.Now) }

// record records a line about a delivery now.
func (r *records) record(id string, outcome history.Outcome, more string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, recorded{outcome: outcome, Stored: query.Stored{
		Seq: uint64(len(r.lines) + 1), Time: time.Now(), Data: fmt.Appendf(nil, `{"delivery":%q,"outcome":%q%s}`, id, outcome, more),
	}})
}

var (
	everyLine = delivery.HistoryKey{Endpoint: "ep_a"}.Selection().Subject
	delivers  = delivery.HistoryKey{Endpoint: "ep_a", Outcome: string(history.Delivered)}.Selection().Subject
)

// has reports whether a line is one of those that are asked for: all, or what was delivered.
func (r *records) has(sh query.Selection, l *recorded) bool {
	return sh.Subject == everyLine || sh.Subject == delivers && l.outcome == history.Delivered
}

func (r *records) FirstSince(_ context.Context, sh query.Selection, since time.Time) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begins++
	for i := range r.lines {
		if l := &r.lines[i]; r.has(sh, l) && !l.Time.Before(since) {
			return l.Seq, nil
		}
	}
	return uint64(len(r.lines) + 1), nil
}

func (r *records) Forward(_ context.Context, sh query.Selection, from uint64, limit int) (page []query.Stored, next uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := int(max(from, 1)) - 1; i < len(r.lines); i++ {
		if len(page) == limit {
			return page, r.lines[i].Seq, nil
		}
		if r.has(sh, &r.lines[i]) {
			page = append(page, r.lines[i].Stored)
		}
	}
	return page, 0, r.fails
}

func (r *records) LastTime(context.Context, query.Selection) (last time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.lines); n > 0 {
		last = r.lines[n-1].Time
	}
	return last, nil
}

func (r *records) Trace(_ context.Context, ids ...string) (t delivery.Trace, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if found, ok := r.traces[id]; ok {
			t = found
		}
	}
	return t, r.fails
}

func (r *records) Traces(ctx context.Context, ids []string) (map[string]*delivery.Trace, error) {
	all := make(map[string]*delivery.Trace)
	for _, id := range ids {
		t, err := r.Trace(ctx, id)
		if err != nil {
			return nil, err
		}
		all[id] = &t
	}
	return all, nil
}

func (r *records) OnRecord(context.Context, string) (map[string]int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make(map[string]int)
	for id, n := range r.ids {
		ids[id] = n
	}
	return ids, nil
}

func (r *records) Waiting(_ context.Context, id string) (delivery.Delivery, error) {
	return r.one(id, func(t delivery.Trace) time.Time { return t.Scheduled })
}

func (r *records) Dead(_ context.Context, id string) (delivery.Delivery, error) {
	return r.one(id, func(t delivery.Trace) time.Time { return t.Dead })
}

func (r *records) one(id string, since func(delivery.Trace) time.Time) (delivery.Delivery, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.traces[id]; !since(t).IsZero() {
		return delivery.Delivery{}, nil
	}
	return delivery.Delivery{}, failure.ErrNotFound
}

func (r *records) Unschedule(context.Context, *delivery.Delivery) error { return r.remove("waiting") }

func (r *records) RemoveDead(context.Context, *delivery.Delivery) error { return r.remove("dead") }

func (r *records) RemovedUntil(id string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.graves[id]
}

func (r *records) remove(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed = append(r.removed, what)
	return nil
}

// onRecord sets where a delivery is.
func (r *records) onRecord(id string, t delivery.Trace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[id], r.traces[id] = 1, t
}

func (r *records) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = err
}

// numbered is a delivery of the event at a place of its stream.
func numbered(place uint64) *delivery.Delivery {
	return &delivery.Delivery{Endpoint: "ep_a", Attempt: 1, Event: event.Event{ID: fmt.Sprint("evt_", place), Subject: "events.a", Seq: place}}
}
