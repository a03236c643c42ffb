package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Chains returns the deliveries of an event, to whichever endpoint, that wait or are being attempted, and those
// that are dead. Bodies are left out.
func (b *Bus) Chains(ctx context.Context, e *Event) (waiting, dead []Delivery, err error) {
	// A delivery that moves on is in its new place before it leaves the old one.
	if waiting, err = b.onSubjects(ctx, StreamDeliveries, anywhere("*."+e.Key())); err != nil {
		return nil, nil, err
	}
	waiting = slices.CompactFunc(waiting, func(a, b Delivery) bool { return a.Endpoint == b.Endpoint })
	dead, err = b.onSubjects(ctx, StreamDead, deadPrefix+"*."+e.Key())
	return waiting, dead, err
}

// onSubjects returns the newest delivery of each subject that a pattern matches.
func (b *Bus) onSubjects(ctx context.Context, stream, pattern string) (found []Delivery, err error) {
	info, err := b.shelves[stream].Info(ctx, jetstream.WithSubjectFilter(pattern))
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", pattern, classify(err))
	}
	for subject := range info.State.Subjects {
		d, err := b.lastDelivery(ctx, stream, subject)
		if errors.Is(err, ErrNotFound) || errors.Is(err, errNoDelivery) { // it moved on, or is none
			continue
		}
		if err != nil {
			return nil, err
		}
		d.Event.Body = nil
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b Delivery) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return found, nil
}
