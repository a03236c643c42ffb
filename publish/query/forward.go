package query

import (
	"context"
	"fmt"
	"time"

	"jethook/publish/failure"
)

// Forward returns up to limit messages of the selection from sequence from on, the oldest first, and the sequence to go on
// from; 0 when there was no more. One call brings some megabytes at most, and passes over what can't be read, and so
// brings perhaps fewer than limit, or none.
func (rd *Reader) Forward(ctx context.Context, sel Selection, from uint64, limit int) (found []Stored, next uint64, err error) {
	from = max(from, 1)
	got, err := rd.DirectGet(ctx, sel, from, limit)
	if err != nil || got.Done || got.Last == 0 {
		return got.Msgs, 0, err
	}
	return got.Msgs, got.Last + 1, nil
}

// FirstSince returns the sequence of the selection's first message that was stored at since or later; where there is none, the
// one that comes next in its stream.
func (rd *Reader) FirstSince(ctx context.Context, sel Selection, since time.Time) (uint64, error) {
	first, last, err := rd.Ends(ctx, sel, since)
	if err == nil && first == 0 {
		first = last + 1
	}
	return first, err
}

// CountOn returns how many messages of the selection lie from a place of its stream on.
func (rd *Reader) CountOn(ctx context.Context, sel Selection, from uint64) (uint64, error) {
	return rd.countFrom(ctx, sel, max(from, 1))
}

// Ends returns the sequence of the selection's first message that was stored at since or later, and of the last one in its
// stream; the first is 0 when there is none.
func (rd *Reader) Ends(ctx context.Context, sel Selection, since time.Time) (first, last uint64, err error) {
	info, err := rd.streams[sel.Stream].Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for stream %s: %w", sel.Stream, failure.Classify(err))
	}
	since = since.UTC()
	first, err = rd.Place(ctx, sel, Question{StartTime: &since, Subject: sel.Subject})
	return first, info.State.LastSeq, err
}

// LastTime returns when the newest message of the selection's stream was stored; zero when it holds none.
func (rd *Reader) LastTime(ctx context.Context, sel Selection) (time.Time, error) {
	info, err := rd.streams[sel.Stream].Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("opening %s: %w", sel.Stream, failure.Classify(err))
	}
	return info.State.LastTime, nil
}

// StreamEnds returns the sequences of a stream's first and last message. The first is behind the last when there is none.
func (rd *Reader) StreamEnds(ctx context.Context, stream string) (first, last uint64, err error) {
	info, err := rd.streams[stream].Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for stream %s: %w", stream, failure.Classify(err))
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}
