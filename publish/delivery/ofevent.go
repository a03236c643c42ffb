package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// OfEvent returns the deliveries of an event, to whichever endpoint, that wait or are being attempted, and those
// that are dead; of an event whose place is not known those of all events with its id. Bodies are left out.
func (f *Finder) OfEvent(ctx context.Context, e *event.Event) (waiting, dead []Delivery, err error) {
	for _, suffix := range e.DeliverySuffixes() {
		// A delivery that moves on is in its new place before it leaves the old one.
		found, err := f.onSubjects(ctx, topology.StreamDeliveries, anywhere("*."+suffix))
		if err != nil {
			return nil, nil, err
		}
		waiting = append(waiting, slices.CompactFunc(found, func(a, b Delivery) bool { return a.ID() == b.ID() })...)
		if found, err = f.onSubjects(ctx, topology.StreamDead, topology.DeadPrefix+"*."+suffix); err != nil {
			return nil, nil, err
		}
		dead = append(dead, found...)
	}
	return waiting, dead, nil
}

// onSubjects returns the newest delivery of each subject that a pattern matches.
func (f *Finder) onSubjects(ctx context.Context, stream, pattern string) (found []Delivery, err error) {
	info, err := f.reader.Stream(stream).Info(ctx, jetstream.WithSubjectFilter(pattern))
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", pattern, failure.Classify(err))
	}
	for subject := range info.State.Subjects {
		d, err := f.lastDelivery(ctx, stream, subject)
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

// quickly is how long it may take to look at what waits while the stream changes. A retry that fails and comes
// due again within it could be missed by both looks: it is well below any pause that is worth having.
const quickly = 100 * time.Millisecond

// Idle reports whether nothing waits for an endpoint and nothing is due to it. It asks the stream's leader: what
// was stored before the call is seen.
func (f *Finder) Idle(ctx context.Context, endpoint string) (bool, error) {
	// A delivery moves from retry to due or turn when its time comes, and back when it fails: it is stored in its new
	// place before it leaves the old one. One that moves from there to the first between two looks
	// is in the first again at the last.
	began := time.Now()
	var seqs [4]uint64
	for i, subject := range []string{topology.RetryPrefix + endpoint + ".>", topology.DuePrefix + endpoint + ".>", topology.TurnPrefix + endpoint + ".>", topology.RetryPrefix + endpoint + ".>"} {
		info, err := f.streams[topology.StreamDeliveries].Info(ctx, jetstream.WithSubjectFilter(subject))
		if err != nil {
			return false, fmt.Errorf("looking for what waits: %w", failure.Classify(err))
		}
		if len(info.State.Subjects) > 0 {
			return false, nil
		}
		seqs[i] = info.State.LastSeq
	}
	return seqs[0] == seqs[3] || time.Since(began) < quickly, nil
}
