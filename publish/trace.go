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
	moving, err := b.fetch(ctx, Shelf{stream: StreamDeliveries}, fetchQuery{Newest: []string{retryPrefix + id, duePrefix + id, turnPrefix + id}})
	if err != nil {
		return t, err
	}
	for _, m := range moving.msgs {
		if strings.HasPrefix(m.Subject, retryPrefix) {
			t.Scheduled = m.Time
		} else if m.Time.After(t.Due) {
			t.Due = m.Time
		}
	}
	dead, err := b.fetch(ctx, Shelf{stream: StreamDead}, fetchQuery{Newest: []string{deadPrefix + id}})
	if err != nil {
		return t, err
	}
	for _, m := range dead.msgs {
		t.Dead = m.Time
	}
	return t, nil
}

// LastTime returns when the newest message of the shelf's stream was stored; zero when it holds none.
func (b *Bus) LastTime(ctx context.Context, sh Shelf) (time.Time, error) {
	info, err := b.shelves[sh.stream].Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("opening %s: %w", sh.stream, classify(err))
	}
	return info.State.LastTime, nil
}
