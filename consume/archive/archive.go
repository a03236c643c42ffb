// Package archive finds stored events and tells what became of each. What it returns is of the moment when it was read;
// searches end after a few seconds and say how far they came. It changes nothing.
package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/paging"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/event"
	"jethook/publish/eventlog"
	"jethook/publish/failure"
	"jethook/publish/query"
)

// StoredEvent is an event as an operator sees it, without its body.
type StoredEvent struct {
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject"`
	Source      string    `json:"source,omitempty" doc:"the sender of a webhook"`
	Received    time.Time `json:"received"`
	Stream      string    `json:"stream"`
	Sequence    uint64    `json:"sequence" doc:"its place in the stream"`
	Size        int       `json:"size" doc:"bytes of its body"`
	ContentType string    `json:"content_type,omitempty"`
}

// Describe returns an event as an operator sees it.
func Describe(h *eventlog.Head) StoredEvent {
	return StoredEvent{
		ID: h.ID, Type: h.Type, Subject: h.Subject, Source: h.Source, Received: h.Received.UTC(),
		Stream: h.Stream, Sequence: h.Seq, Size: h.Size, ContentType: h.ContentType,
	}
}

// Query chooses stored events; zero fields choose all but operational ones.
type Query struct {
	Subject      string    // a pattern
	Since, Until time.Time // of when they were stored
	Limit        int       // of one page; at most paging.Max
	Cursor       string    // of the next page
}

// ErrNoEvent means that no such event is stored, or not any more.
var ErrNoEvent = errors.New("no such event is stored")

// Archive finds stored events, and tells what became of them.
type Archive struct {
	bus       *publish.Bus
	cursors   *cursor.Table // not run
	endpoints *registry.Registry
	sources   []string
	patience  time.Duration
	lines     int // of the history, that are read for one event
	skew      time.Duration
}

// New returns the archive of what lies on bus. Without endpoints (nil) it knows only of deliveries that
// left something behind. Of webhooks of the sources it finds also old ones that still wait to be delivered, or are dead.
func New(bus *publish.Bus, endpoints *registry.Registry, sources ...string) *Archive {
	return &Archive{bus: bus, cursors: cursor.NewIdleTable(bus), endpoints: endpoints, sources: sources, patience: searchTime, lines: linesRead, skew: clockSkew}
}

// List returns the chosen events, newest first, and the cursor of the next page; empty when there is none. A
// cursor stays where it is: events that come later are on no later page. Errors are publish.ErrBadPattern,
// ErrBadCursor, and those of the bus.
func (a *Archive) List(ctx context.Context, q Query) ([]StoredEvent, string, error) {
	m, err := a.merge(ctx, q)
	if err != nil {
		return nil, "", err
	}
	items := []StoredEvent{}
	for len(items) < q.Limit {
		h, err := m.next(ctx)
		if err != nil {
			return nil, "", err
		}
		if h == nil {
			return items, "", nil
		}
		items = append(items, Describe(h))
	}
	return items, m.cursor(), nil
}

// Find returns the newest chosen event with an id: its own, or its stream and sequence; and the subjects of other
// events with that id that were met on the way. Errors are ErrNoEvent, a [SearchError], and those of List.
func (a *Archive) Find(ctx context.Context, id string, q Query) (found eventlog.Head, others []string, err error) {
	if stream, seq, ok := event.ParsePlace(id); ok {
		found, err = a.bus.EventLog().Read(ctx, stream, seq)
		if errors.Is(err, failure.ErrNotFound) {
			err = ErrNoEvent
		}
		return found, nil, err
	}
	id = event.CleanID(id)
	head, others, err := a.search(ctx, id, q)
	if late := err; errors.Is(late, ErrSearchTime) {
		if head, err = a.searchStuck(ctx, id, q); head == nil && err == nil {
			err = late
		}
	}
	if err != nil {
		return eventlog.Head{}, nil, err
	}
	found, err = a.bus.EventLog().Read(ctx, head.Stream, head.Seq)
	if errors.Is(err, failure.ErrNotFound) { // it went this moment
		err = ErrNoEvent
	}
	return found, others, err
}

// merged reads the events of several selections as one list, newest first.
type merged struct{ strands []*strand }

// strand is the part of one selection that was read and not yet taken.
type strand struct {
	tail  *eventlog.Tail
	heads []eventlog.Head
}

// merge begins to read what q chooses, where its cursor says.
func (a *Archive) merge(ctx context.Context, q Query) (*merged, error) {
	selections, err := query.EventsOn(q.Subject)
	if err != nil {
		return nil, err
	}
	marks, err := parseMarks(q.Cursor, len(selections))
	if err != nil {
		return nil, err
	}
	m := &merged{}
	for i, sel := range selections {
		tail, err := a.bus.EventLog().Tail(ctx, sel, q.Since, q.Until)
		if err != nil {
			return nil, fmt.Errorf("listing events: %w", err)
		}
		if q.Cursor != "" {
			if err := tail.Seek(ctx, marks[i]); err != nil {
				return nil, fmt.Errorf("listing events: %w", err)
			}
		}
		m.strands = append(m.strands, &strand{tail: tail})
	}
	return m, nil
}

// next takes the newest event that is left; nil when none is.
func (m *merged) next(ctx context.Context) (*eventlog.Head, error) {
	var newest *strand
	for _, s := range m.strands {
		if len(s.heads) == 0 && !s.tail.Done() {
			var err error
			if s.heads, err = s.tail.Next(ctx); err != nil {
				return nil, fmt.Errorf("listing events: %w", err)
			}
		}
		if len(s.heads) > 0 && (newest == nil || s.heads[0].Time.After(newest.heads[0].Time)) {
			newest = s
		}
	}
	if newest == nil {
		return nil, nil
	}
	h := &newest.heads[0]
	newest.heads = newest.heads[1:]
	return h, nil
}

// metAhead returns the subjects of other events with the id among those that were read already.
func (m *merged) metAhead(id, subject string) (others []string) {
	for _, s := range m.strands {
		for i := range s.heads {
			if h := &s.heads[i]; h.ID == id && h.Subject != subject && !slices.Contains(others, h.Subject) {
				others = append(others, h.Subject)
			}
		}
	}
	return others
}

// cursor says where to go on: for each selection the sequence below which it is still to be read. It is empty when
// nothing is left.
func (m *merged) cursor() string {
	marks := make([]string, len(m.strands))
	left := false
	for i, s := range m.strands {
		before := s.tail.Before()
		if len(s.heads) > 0 {
			before = s.heads[0].Seq + 1
		}
		left = left || len(s.heads) > 0 || !s.tail.Done()
		marks[i] = strconv.FormatUint(before, 10)
	}
	if !left {
		return ""
	}
	return strings.Join(marks, "-")
}

func parseMarks(cursor string, n int) ([]uint64, error) {
	if cursor == "" {
		return nil, nil
	}
	parts := strings.Split(cursor, "-")
	if len(parts) != n {
		return nil, paging.ErrBadCursor
	}
	marks := make([]uint64, n)
	for i, p := range parts {
		var err error
		if marks[i], err = strconv.ParseUint(p, 10, 64); err != nil {
			return nil, paging.ErrBadCursor
		}
	}
	return marks, nil
}
