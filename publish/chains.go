package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"

	"github.com/nats-io/nats.go/jetstream"
)

// Chains returns the deliveries of an event, to whichever endpoint, that wait or are being attempted, and those
// that are dead; of an event whose place is not known those of all events with its id. Bodies are left out.
func (b *Bus) Chains(ctx context.Context, e *Event) (waiting, dead []Delivery, err error) {
	for _, suffix := range e.deliverySuffixes() {
		// A delivery that moves on is in its new place before it leaves the old one.
		found, err := b.onSubjects(ctx, topology.StreamDeliveries, anywhere("*."+suffix))
		if err != nil {
			return nil, nil, err
		}
		waiting = append(waiting, slices.CompactFunc(found, func(a, b Delivery) bool { return a.ID() == b.ID() })...)
		if found, err = b.onSubjects(ctx, topology.StreamDead, topology.DeadPrefix+"*."+suffix); err != nil {
			return nil, nil, err
		}
		dead = append(dead, found...)
	}
	return waiting, dead, nil
}

// onSubjects returns the newest delivery of each subject that a pattern matches.
func (b *Bus) onSubjects(ctx context.Context, stream, pattern string) (found []Delivery, err error) {
	info, err := b.reader.Stream(stream).Info(ctx, jetstream.WithSubjectFilter(pattern))
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", pattern, failure.Classify(err))
	}
	for subject := range info.State.Subjects {
		d, err := b.lastDelivery(ctx, stream, subject)
		if errors.Is(err, failure.ErrNotFound) || errors.Is(err, errNoDelivery) || errors.Is(err, query.ErrUnreadable) { // it moved on, or is none
			continue
		}
		if err != nil {
			return nil, err
		}
		d.Event.Body = nil
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b Delivery) int { return strings.Compare(a.ID(), b.ID()) })
	return found, nil
}
