package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jethook/publish/failure"
	"jethook/publish/topology"

	"github.com/nats-io/nats.go/jetstream"
)

// deliverySuffixes are what the subjects of the event's deliveries end in: of all events with its id, unless its place is
// known. The ones without a place are of releases that stored none.
func (e *Event) deliverySuffixes() []string {
	key := e.Key()
	if e.seq == 0 {
		return []string{key, key + ".*"}
	}
	return []string{key, key + "." + placeToken(e.seq)}
}

// HasDelivery reports whether a delivery's id is of a delivery of this event, to whichever endpoint.
func (e *Event) HasDelivery(id string) bool {
	return slices.ContainsFunc(e.deliverySuffixes(), func(suffix string) bool { return strings.HasSuffix(id, "."+suffix) })
}

// EventKeys returns what the ids of deliveries of an event can end in that has this id: as an internal event, and as a
// webhook of each source of which one is stored. They may hold wildcards.
func (b *Bus) EventKeys(ctx context.Context, id string) (keys []string, err error) {
	keys = append(keys, (&Event{ID: id}).deliverySuffixes()...)
	info, err := b.shelves[topology.StreamWebhooks].Info(ctx, jetstream.WithSubjectFilter(WebhooksPrefix+">"))
	if err != nil {
		return nil, fmt.Errorf("looking for sources: %w", failure.Classify(err))
	}
	for subject := range info.State.Subjects {
		source, _, _ := strings.Cut(strings.TrimPrefix(subject, WebhooksPrefix), ".")
		if suffixes := (&Event{ID: id, Source: source}).deliverySuffixes(); !slices.Contains(keys, suffixes[0]) {
			keys = append(keys, suffixes...)
		}
	}
	return keys, nil
}

// errTooMany means that more subjects match than the server answers for at once: 1,024.
var errTooMany = errors.New("too many subjects match")

// OfEvents is Before for the events with these keys only, on a shelf of deliveries: see [Bus.EventKeys]. It returns all there are, as
// the server knows by the subject where each lies: that costs the same whatever else is on the shelf. Of an event
// with more than a thousand deliveries there it returns the whole shelf page by page, as Before does.
func (b *Bus) OfEvents(ctx context.Context, sh Shelf, keys []string, before uint64) (found []Stored, next uint64, err error) {
	q := fetchQuery{MaxBytes: readBytes}
	for _, key := range keys {
		q.Newest = append(q.Newest, strings.TrimSuffix(sh.subject, ">")+key)
	}
	for {
		got, err := fetch(ctx, b.reads, sh, q)
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
