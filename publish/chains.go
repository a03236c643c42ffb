package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// maxDue bounds how many deliveries that came due Chains looks through: there are thousands for moments only.
const maxDue = 512

// Chains returns the deliveries of an event, to whichever endpoint, that wait or are being attempted, and those
// that are dead. One that was due beyond the first hundreds of all may be missing. Bodies are left out.
func (b *Bus) Chains(ctx context.Context, e *Event) (waiting, dead []Delivery, err error) {
	key := e.Key()
	// A delivery that moves on between two looks is in its new place before it leaves the old one.
	if waiting, err = b.onSubjects(ctx, StreamDeliveries, retryPrefix+"*."+key); err != nil {
		return nil, nil, err
	}
	for _, sh := range []Shelf{DueShelf(""), TurnShelf("")} {
		part, _, err := b.directGet(ctx, sh, 1, maxDue)
		if err != nil {
			return nil, nil, err
		}
		for i := range part {
			d, err := part[i].Delivery()
			known := func(w Delivery) bool { return w.Endpoint == d.Endpoint }
			if err == nil && d.Event.Key() == key && !slices.ContainsFunc(waiting, known) {
				waiting = append(waiting, d)
			}
		}
	}
	dead, err = b.onSubjects(ctx, StreamDead, deadPrefix+"*."+key)
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
