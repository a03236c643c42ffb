package deliveries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/query"
)

// Retry attempts a waiting or dead delivery now. A waiting one keeps its place in the schedule if that fails
// too; a dead one begins a new schedule, and an event that its endpoint has not come to its first. ErrInOrder: the endpoint
// is ordered and has not come to it. Asked twice, it attempts once: while the attempt is under way, or begins
// within a second by itself, the answer is ErrUnderWay. An id without a place is that of the newest such delivery.
func (l *Store) Retry(ctx context.Context, id string) error {
	id, err := l.bus.Find().FullID(ctx, id)
	if err != nil {
		return fmt.Errorf("retrying: %w", err)
	}
	return l.retry(ctx, id)
}

// retry is Retry for an id as it is.
func (l *Store) retry(ctx context.Context, id string) error {
	err := RetryNow(ctx, l.bus, id)
	switch {
	case err == nil, errors.Is(err, ErrUnderWay):
		return err
	case !errors.Is(err, failure.ErrNotFound):
		return fmt.Errorf("retrying: %w", err)
	}
	if err = l.replay(ctx, id); errors.Is(err, ErrNoDelivery) {
		err = l.goAhead(ctx, id)
	}
	return err
}

// RetryNow makes a waiting delivery due at once. One that came due already, or does so this moment, is ErrUnderWay.
func RetryNow(ctx context.Context, bus *publish.Bus, id string) error {
	d, due, err := bus.Find().OnItsWay(ctx, id)
	if err != nil {
		return err
	}
	if due {
		return ErrUnderWay
	}
	err = bus.Deliveries().RetryNow(ctx, &d)
	if errors.Is(err, failure.ErrConflict) {
		return ErrUnderWay
	}
	return err
}

func (l *Store) replay(ctx context.Context, id string) error {
	d, err := l.bus.Find().Dead(ctx, id)
	if errors.Is(err, failure.ErrNotFound) {
		return ErrNoDelivery
	}
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	err = l.bus.Deliveries().Replay(ctx, &d)
	if errors.Is(err, failure.ErrConflict) { // its last attempt is not over yet
		return ErrUnderWay
	}
	return err
}

// redeliverTries bounds how often a delivery is looked at that changes its state while it is being written.
const redeliverTries = 4

// Asked is a request to redeliver, which may be made several times: at once, or again after a crash. It makes one delivery.
type Asked struct {
	Key  string // names the request
	Mark uint64 // of the time when it was first made: see [Ledger.Mark]
}

// Mark returns the place where the history ends now.
func (l *Store) Mark(ctx context.Context) (uint64, error) {
	_, last, err := l.bus.Query().Ends(ctx, delivery.HistoryKey{}.Selection(), time.Now())
	return last, err
}

// Redeliver sends an event to one endpoint again, or for the first time, whatever the state of that delivery: one that
// waits is due now, a dead one is replayed, and one that is delivered, or never was, begins anew. One that is being
// attempted at this moment is left as it is: ErrUnderWay. What was delivered since the request was first made is not
// sent once more, and within the deduplication window nothing is that the request has begun anew. An event that was
// read from its stream is known to be under way for the first time, too.
func (l *Store) Redeliver(ctx context.Context, endpoint string, e *event.Event, asked Asked) error {
	d := delivery.Delivery{Endpoint: endpoint, Event: *e, Attempt: 1}
	for range redeliverTries {
		for _, id := range []string{d.ID(), d.FormerID()} {
			// Whoever attempts a delivery stores its death before the delivery leaves the bus: looked for in this order,
			// it is found in one place or the other.
			switch err := l.retry(ctx, id); {
			case errors.Is(err, ErrInOrder):
				return ErrUnderWay
			case !errors.Is(err, ErrNoDelivery):
				return err
			}
		}
		// Its success is recorded before the delivery leaves the bus, too.
		done, err := l.deliveredSince(ctx, &d, asked.Mark)
		if done || err != nil {
			return err
		}
		sent, err := l.sendMissed(ctx, &d, asked.Key)
		if sent || err != nil {
			return err
		}
	}
	return ErrUnderWay
}

// deliveredSince reports whether a delivery was recorded as delivered behind a place in the history.
func (l *Store) deliveredSince(ctx context.Context, d *delivery.Delivery, mark uint64) (bool, error) {
	lines := history.From(l.bus.Query(), delivery.HistoryKey{Endpoint: d.Endpoint, Outcome: string(history.Delivered)}.Selection(), mark+1)
	done, id := false, d.ID()
	err := lines.ReadOn(ctx, history.PageSize, func(s *query.Stored) error {
		done = done || gjson.GetBytes(s.Data, "delivery").Str == id
		return nil
	})
	return done, err
}

// sendMissed sends a delivery of which nothing is stored but its history. False: it is on its way by now.
func (l *Store) sendMissed(ctx context.Context, d *delivery.Delivery, key string) (bool, error) {
	switch underWay, err := l.underWay(ctx, d.Endpoint, &d.Event); {
	case err != nil:
		return false, fmt.Errorf("redelivering: %w", err)
	case underWay:
		return false, ErrUnderWay
	}
	err := l.bus.Deliveries().Send(ctx, d, key)
	if errors.Is(err, failure.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// underWay reports whether an event that was read from its stream is still on its way to the endpoint for the first time.
// What waits behind a cursor was found before.
func (l *Store) underWay(ctx context.Context, id string, e *event.Event) (bool, error) {
	stream, place := e.Place()
	if place == 0 {
		return false, nil
	}
	ep := &endpoint.Endpoint{ID: id}
	if l.endpoints != nil {
		if known, ok := l.endpoints.Lookup(id); ok {
			ep = known
		}
	}
	b, stand, err := l.backlogs().of(ctx, ep, e)
	if err != nil || stand != cursor.Elsewhere || ep.Ordered {
		return b != nil, err
	}
	settled, err := l.bus.Queues().Settled(ctx, stream)
	return place > settled, err
}
