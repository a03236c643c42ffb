package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/eventlog"
	"jethook/publish/topology"
)

// Trace is what became of one event.
type Trace struct {
	Deliveries []deliveries.Delivery `json:"deliveries" doc:"one for each endpoint that gets or got the event"`
	Attempts   []history.Attempt     `json:"attempts" doc:"newest first"`
	Incomplete bool                  `json:"incomplete,omitempty" doc:"some attempts and deliveries may be missing: the history is too long to be read whole"`
}

// Trace returns the deliveries of an event and its attempts. Each delivery is in one state: what waits or is dead
// lies on the bus, and of others the newest attempt tells. An endpoint that matches and left no trace waits for its
// first attempt while it has not come to the event, or while that is not yet taken; after that it did not match when the
// event came. It reads a bounded part of the history: of a long one, what is of endpoints that match now, or for which a
// delivery waits or is dead.
func (a *Archive) Trace(ctx context.Context, h *eventlog.Head) (Trace, error) {
	matching := a.matching(h)
	first, err := a.awaiting(ctx, h, matching)
	if err != nil {
		return Trace{}, fmt.Errorf("reading deliveries: %w", err)
	}
	waiting, dead, err := a.bus.Find().OfEvent(ctx, &h.Event)
	if err != nil {
		return Trace{}, fmt.Errorf("reading deliveries: %w", err)
	}
	found, err := a.lookup(ctx, h, tried(first, waiting, dead, matching))
	if err != nil {
		return Trace{}, err
	}
	attempts, all := found.attempts()
	t := Trace{Deliveries: []deliveries.Delivery{}, Attempts: attempts, Incomplete: !all}
	for i := range waiting {
		t.add(deliveries.Describe(&waiting[i], deliveries.StatusWaiting))
	}
	for i := range dead {
		t.add(deliveries.Describe(&dead[i], deliveries.StatusDead))
	}
	for i := range attempts {
		t.add(after(&attempts[i]))
	}
	for _, d := range first {
		t.add(d)
	}
	slices.SortStableFunc(t.Deliveries, func(a, b deliveries.Delivery) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return t, nil
}

// add adds a delivery, unless there is one to its endpoint: that is in a later state.
func (t *Trace) add(d deliveries.Delivery) {
	if !slices.ContainsFunc(t.Deliveries, func(have deliveries.Delivery) bool { return have.Endpoint == d.Endpoint }) {
		t.Deliveries = append(t.Deliveries, d)
	}
}

// after describes the delivery that an attempt left behind. One that failed and waits for nothing is being
// attempted again.
func after(a *history.Attempt) deliveries.Delivery {
	d := deliveries.Delivery{
		ID: a.Delivery, Endpoint: a.Endpoint, EventID: a.EventID, Type: a.Type, Subject: a.Subject,
		Attempts: a.Attempt, At: a.Time, Reason: a.Error,
	}
	switch a.Outcome {
	case history.Delivered:
		d.Status, d.HTTP = deliveries.StatusDelivered, a.Status
	case history.Dead:
		d.Status = deliveries.StatusDead
	default:
		d.Status, d.Next, d.Waits = deliveries.StatusWaiting, a.Next, string(delivery.WhyRetry)
	}
	return d
}

// matching are the endpoints whose patterns match an event now.
func (a *Archive) matching(h *eventlog.Head) (all []*endpoint.Endpoint) {
	if a.endpoints == nil {
		return nil
	}
	for _, ep := range a.endpoints.All() {
		if topology.MatchesAny(h.Subject, ep.Events) {
			all = append(all, ep)
		}
	}
	return all
}

// tried are the endpoints that may have been sent an event: those for which it waits again or is dead, and then those that match
// and don't wait for their first attempt.
func tried(first []deliveries.Delivery, waiting, dead []delivery.Delivery, matching []*endpoint.Endpoint) (ids []string) {
	for _, d := range slices.Concat(waiting, dead) {
		ids = append(ids, d.Endpoint)
	}
	for _, ep := range matching {
		if !slices.ContainsFunc(first, func(d deliveries.Delivery) bool { return d.Endpoint == ep.ID }) && !slices.Contains(ids, ep.ID) {
			ids = append(ids, ep.ID)
		}
	}
	return ids
}

// awaiting returns a delivery to each endpoint that will get an event which it has not come to, or which nobody has taken
// yet.
func (a *Archive) awaiting(ctx context.Context, h *eventlog.Head, matching []*endpoint.Endpoint) (out []deliveries.Delivery, err error) {
	if len(matching) == 0 {
		return nil, nil
	}
	behind, err := a.cursors.Backlogs(ctx, matching)
	if err != nil {
		return nil, err
	}
	stands := make(map[string]bool)
	for _, b := range behind {
		// What is taken and has its outcome is found where that is recorded.
		if stand := b.Of(h.Seq); b.Stream == h.Stream && stand != cursor.Elsewhere {
			stands[b.Endpoint.ID] = true
			out = append(out, deliveries.WaitsBehind(b, h, stand))
		}
	}
	floor, err := a.bus.Queues().Settled(ctx, h.Stream)
	if err != nil || h.Seq <= floor {
		return out, err
	}
	for _, ep := range matching {
		if ep.Ordered || ep.Disabled || stands[ep.ID] {
			continue
		}
		d := deliveries.Describe(&delivery.Delivery{Endpoint: ep.ID, Event: h.Event, Attempt: 1, Since: h.Time}, deliveries.StatusWaiting)
		d.Next, d.Waits = nil, deliveries.WaitsFirst
		out = append(out, d)
	}
	return out, nil
}
