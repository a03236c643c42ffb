package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"jethook/publish/failure"
)

const (
	// ReadBytes bounds one answer of the store, and readTimeout how long it may take.
	ReadBytes   = 8 << 20
	ReadTimeout = 5 * time.Second
	// pageBytes bounds what Before returns.
	pageBytes = 4 << 20
	// maxFetch bounds the messages of one answer.
	maxFetch = 1000
	// surplus is how many times the messages of a page are read for it at most.
	surplus = 2
	// margin is how many times the messages of a page a part of the stream is to hold, if they lie evenly.
	margin = 1.25
	// growth is how much more of the stream is looked at, at most, when a part of it holds too few messages.
	growth = 4
)

// Reverse returns up to limit messages of the selection with sequences below before (0: from the newest on),
// newest first, and the sequence to go on before; 0 when there is no more. They are fewer than limit when there
// are no more, when some came or went meanwhile, or when they would be more than 4 MiB. Bodies of deliveries are
// left out, but for the beginning of a dead letter's.
//
// JetStream reads forwards only. So it looks for the place near the end behind which there are about limit
// messages: the server counts what matches behind a place in its index, without reading it. Only the messages of
// the page, and at most as many again, are read.
func (rd *Reader) Reverse(ctx context.Context, sel Selection, before uint64, limit int) (found []Stored, next uint64, err error) {
	r, err := rd.bounds(ctx, sel, before)
	if err != nil || r.lo > r.hi {
		return nil, 0, err
	}
	from, n, err := rd.aim(ctx, sel, r, uint64(limit))
	if err != nil {
		return nil, 0, err
	}
	found, cut, err := rd.tail(ctx, sel, from, r.hi, n, limit)
	switch {
	case err != nil:
		return nil, 0, err
	case from == r.lo && !cut:
		return found, 0, nil
	case len(found) == 0: // what was counted is gone
		return nil, from, nil
	default:
		return found, found[len(found)-1].Seq, nil
	}
}

// reach is a part of a stream, by sequences.
type reach struct {
	lo, hi      uint64 // the first one and the last one in it
	first, last uint64 // of the stream
}

// bounds finds the sequences between which a page may lie.
func (rd *Reader) bounds(ctx context.Context, sel Selection, before uint64) (r reach, err error) {
	info, err := rd.streams[sel.Stream].Info(ctx)
	if err != nil {
		return r, fmt.Errorf("opening %s: %w", sel.Stream, failure.Classify(err))
	}
	if info.State.Msgs == 0 {
		return reach{lo: 1}, nil
	}
	r = reach{first: max(info.State.FirstSeq, 1), last: info.State.LastSeq}
	r.lo, r.hi = r.first, r.last
	if before > 0 {
		r.hi = min(r.hi, before-1)
	}
	if !sel.until.IsZero() {
		seq, err := rd.seek(ctx, sel.Stream, sel.until)
		if err != nil {
			return r, err
		}
		r.hi = min(r.hi, seq-1)
	}
	if !sel.since.IsZero() {
		seq, err := rd.seek(ctx, sel.Stream, sel.since)
		if err != nil {
			return r, err
		}
		r.lo = max(r.lo, seq)
	}
	return r, nil
}

// none is a sequence above all.
const none = 1 << 62

// seek returns the sequence of a stream's first message that was stored at t or later, or none.
func (rd *Reader) seek(ctx context.Context, stream string, t time.Time) (uint64, error) {
	t = t.UTC()
	seq, err := rd.Place(ctx, Selection{Stream: stream}, Question{StartTime: &t, Subject: ">"})
	if err == nil && seq == 0 {
		seq = none
	}
	return seq, err
}

// aim returns the place in r from which a page is to be read, and how many messages of the selection lie from there
// to r.hi: as many as wanted or somewhat more, or fewer when that is all.
func (rd *Reader) aim(ctx context.Context, sel Selection, r reach, wanted uint64) (from, n uint64, err error) {
	all, err := rd.countFrom(ctx, sel, r.first)
	if err != nil || all <= wanted {
		return r.lo, all, err
	}
	var behind uint64 // of the selection, behind r.hi
	if r.hi < r.last {
		if behind, err = rd.countFrom(ctx, sel, r.hi+1); err != nil {
			return 0, 0, err
		}
	}
	upToHi := func(from uint64) (uint64, error) {
		n, err := rd.countFrom(ctx, sel, from)
		return n - min(n, behind), err
	}
	few := r.hi + 1 // from here on there are too few
	for width := spread(r.last-r.first+1, wanted, all); ; width *= growth {
		from = max(r.lo, r.hi+1-min(width, r.hi))
		if n, err = upToHi(from); err != nil {
			return 0, 0, err
		}
		if n >= wanted || from == r.lo {
			break
		}
		if few = from; n > 0 { // it may be only just too few
			width = min(width, max(width/3, spread(width, wanted, n)/growth))
		}
	}
	for even := true; n > surplus*wanted && few-from > surplus*wanted; even = false {
		at := from + (few-from)/2
		if even {
			at = min(max(r.hi+1-spread(r.hi+1-from, wanted, n), from+1), few-1)
		}
		m, err := upToHi(at)
		switch {
		case err != nil:
			return 0, 0, err
		case m < wanted:
			few = at
		default:
			from, n = at, m
		}
	}
	return from, n, nil
}

// spread is over how much of a part of the stream, which holds n messages of a selection, the wanted ones lie with a
// margin, when they lie evenly, as most do.
func spread(part, wanted, n uint64) uint64 {
	return uint64(float64(part)*margin*float64(wanted)/float64(n)) + 1
}

// countFrom returns how many messages of the selection lie from a place on to the end of the stream.
func (rd *Reader) countFrom(ctx context.Context, sel Selection, from uint64) (uint64, error) {
	sel.Bodies = false
	got, err := Fetch(ctx, rd.conn, sel, Question{Seq: from, Subject: sel.Subject, Batch: 1})
	return got.pending, err
}

// tail returns the last messages of the selection from a place on and up to hi, newest first: as many as wanted and as
// fit into a page. It reports whether it left some out. There are about n: what is behind hi may have changed
// since they were counted.
func (rd *Reader) tail(ctx context.Context, sel Selection, from, hi, n uint64, wanted int) (kept []Stored, cut bool, err error) {
	bytes := 0
	for from <= hi {
		batch := int(min(n, maxFetch)) + 1 // one more shows that these were all
		got, err := Fetch(ctx, rd.conn, sel, Question{Seq: from, Subject: sel.Subject, Batch: batch, MaxBytes: ReadBytes})
		if err != nil {
			return nil, false, err
		}
		for _, m := range got.Msgs {
			if m.Seq > hi {
				break
			}
			kept = append(kept, m)
			for bytes += len(m.Data); len(kept) > wanted || bytes > pageBytes && len(kept) > 1; cut = true {
				bytes -= len(kept[0].Data)
				kept[0] = Stored{}
				kept = kept[1:]
			}
		}
		if got.Done || got.Last == 0 {
			break
		}
		from = got.Last + 1
		n -= min(n, uint64(len(got.Msgs)))
	}
	slices.Reverse(kept)
	return kept, cut, nil
}

// errTooMany means that more subjects match than the server answers for at once: 1,024.
var errTooMany = errors.New("too many subjects match")

// ByKey is Reverse for the events with these keys only, on a selection of deliveries: see KeysOf of package eventlog. It returns all there are, as
// the server knows by the subject where each lies: that costs the same whatever else is on the selection. Of an event
// with more than a thousand deliveries there it returns the whole selection page by page, as Before does.
func (rd *Reader) ByKey(ctx context.Context, sel Selection, keys []string, before uint64) (found []Stored, next uint64, err error) {
	q := Question{MaxBytes: ReadBytes}
	for _, key := range keys {
		q.Newest = append(q.Newest, strings.TrimSuffix(sel.Subject, ">")+key)
	}
	for {
		got, err := Fetch(ctx, rd.conn, sel, q)
		switch {
		case errors.Is(err, errTooMany):
			return rd.Reverse(ctx, sel, before, maxFetch)
		case err != nil:
			return nil, 0, err
		}
		for _, m := range got.Msgs {
			if (before == 0 || m.Seq < before) && sel.holds(m.Time) {
				found = append(found, m)
			}
		}
		q.Seq = got.Last + 1
		if got.Done || got.Last == 0 {
			slices.Reverse(found)
			return found, 0, nil
		}
	}
}
