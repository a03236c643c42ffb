package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// EventKeys returns the keys (see [Event.Key]) that an event with an id can have: as an internal event, and as a
// webhook of each source of which one is stored.
func (b *Bus) EventKeys(ctx context.Context, id string) (keys []string, err error) {
	keys = append(keys, (&Event{ID: id}).Key())
	info, err := b.shelves[StreamWebhooks].Info(ctx, jetstream.WithSubjectFilter(WebhooksPrefix+">"))
	if err != nil {
		return nil, fmt.Errorf("looking for sources: %w", classify(err))
	}
	for subject := range info.State.Subjects {
		source, _, _ := strings.Cut(strings.TrimPrefix(subject, WebhooksPrefix), ".")
		if key := (&Event{ID: id, Source: source}).Key(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// errTooMany means that more subjects match than the server answers for at once: 1,024.
var errTooMany = errors.New("too many subjects match")

// OfEvents is Before for the events with these keys only, on a shelf of deliveries: their subjects end in their event's key. It returns all there are, as
// the server knows by the subject where each lies: that costs the same whatever else is on the shelf. Of an event
// with more than a thousand deliveries there it returns the whole shelf page by page, as Before does.
func (b *Bus) OfEvents(ctx context.Context, sh Shelf, keys []string, before uint64) (found []Stored, next uint64, err error) {
	q := fetchQuery{MaxBytes: readBytes}
	for _, key := range keys {
		q.Newest = append(q.Newest, strings.TrimSuffix(sh.subject, ">")+key)
	}
	for {
		got, err := b.fetch(ctx, sh, q)
		switch {
		case errors.Is(err, errTooMany):
			return b.Before(ctx, sh, before, maxFetch)
		case err != nil:
			return nil, 0, err
		}
		for _, m := range got.msgs {
			if (before == 0 || m.Seq < before) && sh.holds(m.Time) {
				found = append(found, m)
			}
		}
		q.Seq = got.last + 1
		if got.done || got.last == 0 {
			slices.Reverse(found)
			return found, 0, nil
		}
	}
}
