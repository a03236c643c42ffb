package publish

import (
	"context"
	"fmt"
	"strings"
	"time"

	"jethook/publish/failure"
	"jethook/publish/topology"
)

// EventShelf lists the events of a stream, with their bodies, that the patterns may match: what does not is to be
// passed over.
func EventShelf(stream string, patterns []string) Shelf {
	sh := Shelf{stream: stream, subject: eventRoots[stream] + ">", whole: true}
	if filters := OrderedFilters(stream, patterns); len(filters) == 1 {
		sh.subject = filters[0]
	}
	return sh
}

// recoverySubjects is where the bucket of the recoveries keeps them.
const recoverySubjects = "$KV." + topology.BucketRecoveries + "."

// RecoveryShelf lists the entries of the bucket of the recoveries. A watch would pass over one that changes meanwhile.
func RecoveryShelf() Shelf {
	return Shelf{stream: "KV_" + topology.BucketRecoveries, subject: recoverySubjects + ">", whole: true}
}

// RecoveryKey is the key of an entry of that shelf; false for a removed one.
func (s *Stored) RecoveryKey() (string, bool) {
	return strings.TrimPrefix(s.Subject, recoverySubjects), s.Header.Get("KV-Operation") == ""
}

// Whole is the shelf with whole bodies.
func (sh Shelf) Whole() Shelf {
	sh.whole = true
	return sh
}

// Event decodes a stored event.
func (s *Stored) Event(stream string) Event {
	return decodeEvent(s.Subject, s.Header, s.Data, stream, s.Seq, s.Time)
}

// After returns up to limit messages of the shelf from sequence from on, the oldest first, and the sequence to go on
// from; 0 when there was no more. One call brings some megabytes at most, and passes over what can't be read, and so
// brings perhaps fewer than limit, or none.
func (b *Bus) After(ctx context.Context, sh Shelf, from uint64, limit int) (found []Stored, next uint64, err error) {
	from = max(from, 1)
	got, err := b.directGet(ctx, sh, from, limit)
	if err != nil || got.done || got.last == 0 {
		return got.msgs, 0, err
	}
	return got.msgs, got.last + 1, nil
}

// FirstSince returns the sequence of the shelf's first message that was stored at since or later; where there is none, the
// one that comes next in its stream.
func (b *Bus) FirstSince(ctx context.Context, sh Shelf, since time.Time) (uint64, error) {
	first, last, err := b.Ends(ctx, sh, since)
	if err == nil && first == 0 {
		first = last + 1
	}
	return first, err
}

// StreamShelf lists all of a stream.
func StreamShelf(stream string) Shelf { return Shelf{stream: stream, subject: ">"} }

// CountOn returns how many messages of the shelf lie from a place of its stream on.
func (b *Bus) CountOn(ctx context.Context, sh Shelf, from uint64) (uint64, error) {
	return b.count(ctx, sh, max(from, 1))
}

// Ends returns the sequence of the shelf's first message that was stored at since or later, and of the last one in its
// stream; the first is 0 when there is none.
func (b *Bus) Ends(ctx context.Context, sh Shelf, since time.Time) (first, last uint64, err error) {
	info, err := b.shelves[sh.stream].Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for stream %s: %w", sh.stream, failure.Classify(err))
	}
	since = since.UTC()
	first, err = b.place(ctx, sh, fetchQuery{StartTime: &since, Subject: sh.subject})
	return first, info.State.LastSeq, err
}
