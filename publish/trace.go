package publish

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Trace is when each thing that is stored of one delivery was stored; zero: there is none.
type Trace struct {
	Scheduled time.Time // it waits
	Due       time.Time // it came due, or its turn came, and it is being attempted
	Dead      time.Time // its dead letter
}

// Trace looks for what is stored of a delivery under any of its ids, wherever it moves meanwhile.
func (b *Bus) Trace(ctx context.Context, ids ...string) (t Trace, err error) {
	var moves, letters []string
	for _, id := range ids {
		moves = append(moves, retryPrefix+id, duePrefix+id, turnPrefix+id)
		letters = append(letters, deadPrefix+id)
	}
	// One question for all: the server answers it as of one moment.
	moving, err := b.reads.fetch(ctx, Shelf{stream: StreamDeliveries}, fetchQuery{Newest: moves})
	if err != nil {
		return t, err
	}
	for _, m := range moving.msgs {
		at := &t.Due
		if strings.HasPrefix(m.Subject, retryPrefix) {
			at = &t.Scheduled
		}
		if m.Time.After(*at) {
			*at = m.Time
		}
	}
	dead, err := b.reads.fetch(ctx, Shelf{stream: StreamDead}, fetchQuery{Newest: letters})
	if err != nil {
		return t, err
	}
	for _, m := range dead.msgs {
		if m.Time.After(t.Dead) {
			t.Dead = m.Time
		}
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

// FullID returns the id of a delivery that was asked for without its place: of those that wait, are being attempted, or are
// dead, the one that was stored last. Where there is none, and of an id with a place, it returns id itself.
func (b *Bus) FullID(ctx context.Context, id string) (string, error) {
	if HasPlace(id) || strings.ContainsAny(id, "*> \t\r\n") {
		return id, nil
	}
	newest := Stored{Subject: deadPrefix + id}
	for _, places := range []struct{ stream, prefix string }{{StreamDeliveries, "jethook.*."}, {StreamDead, deadPrefix}} {
		subject := places.prefix + id
		got, err := b.reads.fetch(ctx, Shelf{stream: places.stream}, fetchQuery{Newest: []string{subject, subject + ".*"}})
		if err != nil {
			return "", fmt.Errorf("looking for %s: %w", id, err)
		}
		for _, m := range got.msgs {
			if m.Time.After(newest.Time) {
				newest = m
			}
		}
	}
	return strings.SplitN(newest.Subject, ".", 3)[2], nil // "jethook.<state>.<id>"
}

// OnRecord names the deliveries to an endpoint that wait, are being attempted, or are dead.
func (b *Bus) OnRecord(ctx context.Context, endpoint string) (map[string]struct{}, error) {
	ids := make(map[string]struct{})
	for _, at := range []struct{ stream, filter string }{
		{StreamDeliveries, "jethook.*." + endpoint + ".>"}, {StreamDead, deadPrefix + endpoint + ".>"},
	} {
		info, err := b.shelves[at.stream].Info(ctx, jetstream.WithSubjectFilter(at.filter))
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", at.filter, classify(err))
		}
		for subject := range info.State.Subjects {
			if parts := strings.SplitN(subject, ".", 3); len(parts) == 3 {
				ids[parts[2]] = struct{}{}
			}
		}
	}
	return ids, nil
}
