package publish

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Trace is when each thing that is stored of one delivery was stored; zero: there is none.
type Trace struct {
	Scheduled time.Time // it waits
	Due       time.Time // it came due, or its turn came, and it is being attempted
	Dead      time.Time // its dead letter
}

// Trace looks for what is stored of a delivery, wherever it moves meanwhile.
func (b *Bus) Trace(ctx context.Context, id string) (t Trace, err error) {
	// One question for all: the server answers it as of one moment.
	moving, _, err := b.ask(ctx, Shelf{stream: StreamDeliveries}, map[string]any{
		"multi_last": []string{retryPrefix + id, duePrefix + id, turnPrefix + id},
	})
	if err != nil {
		return t, err
	}
	for _, m := range moving {
		if strings.HasPrefix(m.Subject, retryPrefix) {
			t.Scheduled = m.Time
		} else if m.Time.After(t.Due) {
			t.Due = m.Time
		}
	}
	dead, _, err := b.ask(ctx, Shelf{stream: StreamDead}, map[string]any{"multi_last": []string{deadPrefix + id}})
	if err != nil {
		return t, err
	}
	for _, m := range dead {
		t.Dead = m.Time
	}
	return t, nil
}

// Since returns up to n messages of the shelf that were stored at a time or later, the oldest first, from place from
// in the stream on, unless that is 0; the place to go on from; and whether there are more.
func (b *Bus) Since(ctx context.Context, sh Shelf, at time.Time, from uint64, n int) (found []Stored, next uint64, more bool, err error) {
	question := map[string]any{"start_time": at.UTC(), "batch": n, "next_by_subj": sh.subject, "max_bytes": readBytes}
	if from > 0 {
		delete(question, "start_time")
		question["seq"] = from
	}
	found, done, err := b.ask(ctx, sh, question)
	if err != nil {
		return nil, from, true, err
	}
	next = from
	if len(found) > 0 {
		next = found[len(found)-1].Seq + 1
	}
	return found, next, !done && len(found) > 0, nil
}

// LastTime returns when the newest message of the shelf's stream was stored; zero when it holds none.
func (b *Bus) LastTime(ctx context.Context, sh Shelf) (time.Time, error) {
	info, err := b.shelves[sh.stream].Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("opening %s: %w", sh.stream, classify(err))
	}
	return info.State.LastTime, nil
}
