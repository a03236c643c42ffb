package history

import (
	"context"
	"fmt"
	"time"

	"jethook/publish/query"
)

// Source is where lines are read: a [query.Reader].
type Source interface {
	FirstSince(ctx context.Context, sel query.Selection, since time.Time) (uint64, error)
	Forward(ctx context.Context, sel query.Selection, from uint64, limit int) (found []query.Stored, next uint64, err error)
}

// Reader reads lines of the history in their order, and afterwards those that were added.
type Reader struct {
	source    Source
	selection query.Selection
	next      uint64 // where reading goes on in the stream
}

// PageSize is how many lines are read at once by who looks for one.
const PageSize = 512

// From returns a reader of the lines of a selection from a place in the stream on.
func From(source Source, sel query.Selection, first uint64) Reader {
	return Reader{source, sel, first}
}

// Since returns a reader of the lines of a selection that were recorded since a time.
func Since(ctx context.Context, source Source, sel query.Selection, since time.Time) (Reader, error) {
	first, err := source.FirstSince(ctx, sel, since)
	if err != nil {
		return Reader{}, fmt.Errorf("looking in the history: %w", err)
	}
	return Reader{source, sel, first}, nil
}

// ReadOn calls each with the lines that were not read yet, up to the end or to its first error. It reads so many at once.
func (r *Reader) ReadOn(ctx context.Context, atOnce int, each func(*query.Stored) error) error {
	for {
		page, next, err := r.source.Forward(ctx, r.selection, r.next, atOnce)
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
