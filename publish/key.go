package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/topology"
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
	info, err := b.reader.Stream(topology.StreamWebhooks).Info(ctx, jetstream.WithSubjectFilter(topology.WebhooksPrefix+">"))
	if err != nil {
		return nil, fmt.Errorf("looking for sources: %w", failure.Classify(err))
	}
	for subject := range info.State.Subjects {
		source, _, _ := strings.Cut(strings.TrimPrefix(subject, topology.WebhooksPrefix), ".")
		if suffixes := (&Event{ID: id, Source: source}).deliverySuffixes(); !slices.Contains(keys, suffixes[0]) {
			keys = append(keys, suffixes...)
		}
	}
	return keys, nil
}
