package removal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// The server may bring back, after a kill, what was removed: see publish/docs/resurrected-messages.md. So what is removed for good
// is noted first, and what is noted is removed again when a bus is opened.
//
// A note names a message by its place and by when it was stored: places are given anew after a power cut, when a stream is
// restored from a backup, and when it is made anew. A dead letter is noted by its subject too, which no other delivery has: what it
// had replaced there may come back without it. So its subject says all, and its place is not looked at.

// Remover removes messages for good.
type Remover struct {
	reads   *connection.Conn
	reader  *query.Reader
	streams map[string]jetstream.Stream
	removed topology.LateBucket
	log     *slog.Logger

	known known
}

// New returns one that notes what it removes in a bucket, which it makes when it is first needed.
func New(reads *connection.Conn, reader *query.Reader, streams map[string]jetstream.Stream, bucket jetstream.KeyValueConfig, log *slog.Logger) *Remover {
	return &Remover{reads: reads, reader: reader, streams: streams, removed: topology.LateBucket{Config: bucket}, log: log}
}

// Removal is one message that is removed: its place, and when it was stored in unix nanoseconds. With a subject, all that was
// stored there until then is removed with it.
type Removal struct {
	Seq     uint64 `json:"seq"`
	At      int64  `json:"at"`
	Subject string `json:"subject,omitempty"`
}

// RemoveForGood removes messages of a stream, also across a kill. Those that are not there any more are no error.
func (rm *Remover) RemoveForGood(ctx context.Context, stream string, gone ...Removal) error {
	if len(gone) == 0 {
		return nil
	}
	if err := rm.noteRemoved(ctx, stream, gone); err != nil {
		return err
	}
	for _, r := range gone {
		if err := rm.Remove(ctx, stream, r.Seq); err != nil {
			return err
		}
	}
	return nil
}

// RemoveIfThere is removeForGood for a message of which nothing is known but its place.
func (rm *Remover) RemoveIfThere(ctx context.Context, stream string, seq uint64) error {
	m, err := rm.reader.Stream(stream).GetMsg(ctx, seq)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case query.IsUnreadable(err): // nothing tells when it was stored
		return rm.Remove(ctx, stream, seq)
	case err != nil:
		return failure.Classify(err)
	}
	r := Removal{Seq: seq, At: m.Time.UnixNano()}
	if stream == topology.StreamDead {
		r.Subject = m.Subject
	}
	return rm.RemoveForGood(ctx, stream, r)
}

// noteRemoved notes that messages are removed. Each note has a key of its own: it must not replace another one that names one
// of its messages, and others with it. A full bucket keeps nobody from removing.
func (rm *Remover) noteRemoved(ctx context.Context, stream string, gone []Removal) error {
	kv, err := rm.removed.Open(ctx, rm.reads.JS)
	if err != nil {
		return err
	}
	for _, r := range gone {
		if r.Subject != "" {
			rm.known.note(r.Subject, r.At)
		}
	}
	note, err := json.Marshal(gone)
	if err != nil {
		return fmt.Errorf("noting what is removed: %w", err)
	}
	_, err = kv.Put(ctx, stream+"."+nuid.Next(), note)
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && refusal.ErrorCode == failure.CodeStoreFailed {
		rm.log.Warn("cannot record a removal; the messages may reappear after a crash", "stream", stream, "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("noting what is removed: %w", failure.Classify(err))
	}
	return nil
}

// FinishRemoving removes what was removed for good and is there all the same.
func (rm *Remover) FinishRemoving(ctx context.Context) error {
	kv, err := rm.reads.JS.KeyValue(ctx, topology.BucketRemoved)
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
	rm.known.learn(noted[topology.StreamDead].subjects)
	for stream, gone := range noted {
		again, err := rm.removeNoted(ctx, stream, gone.places)
		if err != nil {
			return fmt.Errorf("removing again what was removed of %s: %w", stream, err)
		}
		replaced, err := rm.removeReplaced(ctx, stream, gone.subjects)
		if err != nil {
			return fmt.Errorf("removing again what had been replaced in %s: %w", stream, err)
		}
		again += replaced
		if again > 0 {
			rm.log.Info("removed messages reappeared; removed them again", "stream", stream, "messages", again)
		}
	}
	return nil
}

// removeNoted removes those of some messages that are there, and returns how many. It goes from one message of the stream to
// the next, so it takes no more steps than there are of either.
func (rm *Remover) removeNoted(ctx context.Context, stream string, gone map[uint64]int64) (again int, err error) {
	sel, seqs := query.Selection{Stream: stream, Subject: ">"}, slices.Sorted(maps.Keys(gone))
	for len(seqs) > 0 {
		got, err := rm.reader.DirectGet(ctx, sel, seqs[0], 1)
		if err != nil || got.Last == 0 {
			return again, err
		}
		if len(got.Msgs) > 0 && gone[got.Last] == got.Msgs[0].Time.UnixNano() {
			if err := rm.Remove(ctx, stream, got.Last); err != nil {
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
func (rm *Remover) removeReplaced(ctx context.Context, stream string, until map[string]int64) (again int, err error) {
	if len(until) == 0 {
		return 0, nil
	}
	info, err := rm.reader.Stream(stream).Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return 0, failure.Classify(err)
	}
	for subject := range info.State.Subjects {
		at, noted := until[subject]
		if !noted {
			continue
		}
		got, err := rm.reader.DirectGet(ctx, query.Selection{Stream: stream, Subject: subject}, 1, 1)
		if err != nil {
			return again, err
		}
		if len(got.Msgs) == 0 || got.Msgs[0].Time.UnixNano() > at { // it died again since
			continue
		}
		if err := rm.Remove(ctx, stream, got.Last); err != nil {
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
			var gone []Removal
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

// Remove removes one message of a stream, which may come back if the server is killed. One that is not there any more is no
// error.
func (rm *Remover) Remove(ctx context.Context, stream string, seq uint64) error {
	err := rm.streams[stream].DeleteMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		return nil
	}
	return failure.Classify(err)
}
