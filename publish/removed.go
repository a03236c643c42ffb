package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// The server may bring back, after a kill, what was removed: see docs/resurrected-messages.md. So what is removed for good
// is noted first, and what is noted is removed again when a bus is opened.
//
// A note names a message by its place and by when it was stored: places are given anew after a power cut, when a stream is
// restored from a backup, and when it is made anew. A dead letter is noted by its subject too, which no other delivery has: what it
// had replaced there may come back without it. So its subject says all, and its place is not looked at.

// removal is one message that is removed: its place, and when it was stored in unix nanoseconds. With a subject, all that was
// stored there until then is removed with it.
type removal struct {
	Seq     uint64 `json:"seq"`
	At      int64  `json:"at"`
	Subject string `json:"subject,omitempty"`
}

// deathOf is the removal of a dead letter as it was read.
func deathOf(d *Delivery) removal {
	return removal{d.seq, d.Since.UnixNano(), topology.DeadPrefix + d.ID()}
}

// removeForGood removes messages of a stream, also across a kill. Those that are not there any more are no error.
func (b *Bus) removeForGood(ctx context.Context, stream string, gone ...removal) error {
	if len(gone) == 0 {
		return nil
	}
	if err := b.noteRemoved(ctx, stream, gone); err != nil {
		return err
	}
	for _, r := range gone {
		if err := b.remove(ctx, stream, r.Seq); err != nil {
			return err
		}
	}
	return nil
}

// removeIfThere is removeForGood for a message of which nothing is known but its place.
func (b *Bus) removeIfThere(ctx context.Context, stream string, seq uint64) error {
	m, err := b.reader.Stream(stream).GetMsg(ctx, seq)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case query.IsUnreadable(err): // nothing tells when it was stored
		return b.remove(ctx, stream, seq)
	case err != nil:
		return failure.Classify(err)
	}
	r := removal{Seq: seq, At: m.Time.UnixNano()}
	if stream == topology.StreamDead {
		r.Subject = m.Subject
	}
	return b.removeForGood(ctx, stream, r)
}

// noteRemoved notes that messages are removed. Each note has a key of its own: it must not replace another one that names one
// of its messages, and others with it. A full bucket keeps nobody from removing.
func (b *Bus) noteRemoved(ctx context.Context, stream string, gone []removal) error {
	kv, err := b.removed.Open(ctx, b.reads.JS)
	if err != nil {
		return err
	}
	note, err := json.Marshal(gone)
	if err != nil {
		return fmt.Errorf("noting what is removed: %w", err)
	}
	_, err = kv.Put(ctx, stream+"."+nuid.Next(), note)
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && refusal.ErrorCode == failure.CodeStoreFailed {
		b.log.Warn("cannot record a removal; the messages may reappear after a crash", "stream", stream, "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("noting what is removed: %w", failure.Classify(err))
	}
	return nil
}

// removeAgain removes what was removed for good and is there all the same.
func (b *Bus) removeAgain(ctx context.Context) error {
	if err := b.forgetAgain(ctx); err != nil {
		return err
	}
	kv, err := b.reads.JS.KeyValue(ctx, topology.BucketRemoved)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", topology.BucketRemoved, failure.Classify(err))
	}
	noted, err := readRemoved(ctx, kv)
	if err != nil {
		return err
	}
	for stream, gone := range noted {
		again, err := b.removeNoted(ctx, stream, gone.places)
		if err != nil {
			return fmt.Errorf("removing again what was removed of %s: %w", stream, err)
		}
		replaced, err := b.removeReplaced(ctx, stream, gone.subjects)
		if err != nil {
			return fmt.Errorf("removing again what had been replaced in %s: %w", stream, err)
		}
		again += replaced
		if again > 0 {
			b.log.Info("removed messages reappeared; removed them again", "stream", stream, "messages", again)
		}
	}
	return nil
}

// removeNoted removes those of some messages that are there, and returns how many. It goes from one message of the stream to
// the next, so it takes no more steps than there are of either.
func (b *Bus) removeNoted(ctx context.Context, stream string, gone map[uint64]int64) (again int, err error) {
	sh, seqs := query.Selection{Stream: stream, Subject: ">"}, slices.Sorted(maps.Keys(gone))
	for len(seqs) > 0 {
		got, err := b.reader.DirectGet(ctx, sh, seqs[0], 1)
		if err != nil || got.Last == 0 {
			return again, err
		}
		if len(got.Msgs) > 0 && gone[got.Last] == got.Msgs[0].Time.UnixNano() {
			if err := b.remove(ctx, stream, got.Last); err != nil {
				return again, err
			}
			again++
		}
		i, _ := slices.BinarySearch(seqs, got.Last+1)
		seqs = seqs[i:]
	}
	return again, nil
}

// removeReplaced removes what is on some subjects and was stored there until a time, and returns how many there were.
func (b *Bus) removeReplaced(ctx context.Context, stream string, until map[string]int64) (again int, err error) {
	if len(until) == 0 {
		return 0, nil
	}
	info, err := b.reader.Stream(stream).Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return 0, failure.Classify(err)
	}
	for subject := range info.State.Subjects {
		at, noted := until[subject]
		if !noted {
			continue
		}
		got, err := b.reader.DirectGet(ctx, query.Selection{Stream: stream, Subject: subject}, 1, 1)
		if err != nil {
			return again, err
		}
		if len(got.Msgs) == 0 || got.Msgs[0].Time.UnixNano() > at { // it died again since
			continue
		}
		if err := b.remove(ctx, stream, got.Last); err != nil {
			return again, err
		}
		again++
	}
	return again, nil
}

// removed is what is noted of one stream: when what was at a place was stored, or until when what is on a subject is removed.
type removed struct {
	places   map[uint64]int64
	subjects map[string]int64
}

// readRemoved returns what is noted, by stream.
func readRemoved(ctx context.Context, kv jetstream.KeyValue) (map[string]removed, error) {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("reading bucket %s: %w", topology.BucketRemoved, failure.Classify(err))
	}
	defer w.Stop()
	noted := make(map[string]removed)
	for _, stream := range []string{topology.StreamDead, topology.StreamRejected} {
		noted[stream] = removed{make(map[uint64]int64), make(map[string]int64)}
	}
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return nil, fmt.Errorf("%w: reading bucket %s ended", failure.ErrUnavailable, topology.BucketRemoved)
			}
			if entry == nil { // the end of what is there
				return noted, nil
			}
			stream, _, _ := strings.Cut(entry.Key(), ".")
			var gone []removal
			of, known := noted[stream]
			if !known || json.Unmarshal(entry.Value(), &gone) != nil {
				continue
			}
			for _, r := range gone {
				if r.Subject == "" {
					of.places[r.Seq] = r.At
				} else {
					of.subjects[r.Subject] = max(of.subjects[r.Subject], r.At)
				}
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// forgetAgain forgets once more the endpoints that were removed: their bucket keeps a mark of each, for ever.
func (b *Bus) forgetAgain(ctx context.Context) error {
	w, err := b.buckets[topology.BucketEndpoints].WatchAll(ctx, jetstream.MetaOnly())
	if err != nil {
		return fmt.Errorf("reading bucket %s: %w", topology.BucketEndpoints, failure.Classify(err))
	}
	defer w.Stop()
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("%w: reading bucket %s ended", failure.ErrUnavailable, topology.BucketEndpoints)
			}
			if entry == nil { // the end of what is there
				return nil
			}
			if entry.Operation() == jetstream.KeyValuePut {
				continue
			}
			if err := b.forgetIfThere(ctx, entry.Key()); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Bus) forgetIfThere(ctx context.Context, endpoint string) error {
	for _, sh := range []query.Selection{query.Waiting(endpoint), query.Due(endpoint), query.Turns(endpoint), query.Dead(endpoint)} {
		switch seq, err := b.reader.Place(ctx, sh, query.Question{Seq: 1, Subject: sh.Subject}); {
		case err != nil:
			return err
		case seq > 0:
			b.log.Info("deliveries of a removed endpoint reappeared; removed them again", "endpoint", endpoint)
			return b.Forget(ctx, endpoint)
		}
	}
	return nil
}
