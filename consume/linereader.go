package consume

import (
	"context"
	"fmt"
	"sync"
	"time"

	"jethook/publish"
)

// lineReader reads lines of the history in their order, and afterwards those that were added.
type lineReader struct {
	bus   *publish.Bus
	shelf publish.Shelf
	next  uint64 // where reading goes on in the stream
}

// linesSince returns a reader of the lines of a shelf that were recorded since a time.
func linesSince(ctx context.Context, bus *publish.Bus, sh publish.Shelf, since time.Time) (lineReader, error) {
	first, err := bus.FirstSince(ctx, sh, since)
	if err != nil {
		return lineReader{}, fmt.Errorf("looking in the history: %w", err)
	}
	return lineReader{bus, sh, first}, nil
}

// readOn calls each with the lines that were not read yet, up to the end or to its first error. It reads so many at once.
func (r *lineReader) readOn(ctx context.Context, atOnce int, each func(*publish.Stored) error) error {
	for {
		page, next, err := r.bus.After(ctx, r.shelf, r.next, atOnce)
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		for i := range page {
			if err := each(&page[i]); err != nil {
				return err
			}
			r.next = page[i].Seq + 1
		}
		r.next = max(r.next, next)
		if next == 0 {
			return nil
		}
	}
}

// memory keeps something for each endpoint for as long as it is used every now and then.
type memory[T any] struct {
	keep time.Duration

	mu   sync.Mutex // guards kept
	kept map[string]*remembered[T]
}

type remembered[T any] struct {
	what  T
	timer *time.Timer
}

// of returns what is kept for an endpoint; at first, and after it was forgotten, the zero value.
func (m *memory[T]) of(endpoint string) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.kept[endpoint]; ok {
		r.timer.Reset(m.keep)
		return &r.what
	}
	r := &remembered[T]{}
	r.timer = time.AfterFunc(m.keep, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.kept, endpoint)
	})
	if m.kept == nil {
		m.kept = make(map[string]*remembered[T])
	}
	m.kept[endpoint] = r
	return &r.what
}
