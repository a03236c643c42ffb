package consume

import (
	"context"
	"errors"
	"fmt"

	"jethook/publish"
)

// Retry attempts a waiting or dead delivery now. A waiting one keeps its place in the schedule if that fails
// too; a dead one begins a new schedule. Asked twice, it attempts once: while the attempt is under way, or begins
// within a second by itself, the answer is ErrUnderWay.
func (l *Ledger) Retry(ctx context.Context, id string) error {
	err := retryNow(ctx, l.bus, id)
	switch {
	case err == nil, errors.Is(err, ErrUnderWay):
		return err
	case !errors.Is(err, publish.ErrNotFound):
		return fmt.Errorf("retrying: %w", err)
	}
	return l.replay(ctx, id)
}

// retryNow makes a waiting delivery due at once. One that came due already, or does so this moment, is ErrUnderWay.
func retryNow(ctx context.Context, bus *publish.Bus, id string) error {
	d, due, err := bus.OnItsWay(ctx, id)
	if err != nil {
		return err
	}
	if due {
		return ErrUnderWay
	}
	err = bus.RetryNow(ctx, &d)
	if errors.Is(err, publish.ErrConflict) {
		return ErrUnderWay
	}
	return err
}

func (l *Ledger) replay(ctx context.Context, id string) error {
	d, err := l.bus.Dead(ctx, id)
	if errors.Is(err, publish.ErrNotFound) {
		return ErrNoDelivery
	}
	if err != nil {
		return fmt.Errorf("replaying: %w", err)
	}
	err = l.bus.Replay(ctx, &d)
	if errors.Is(err, publish.ErrConflict) { // its last attempt is not over yet
		return ErrUnderWay
	}
	return err
}

// redeliverTries bounds how often a delivery is looked at that changes its state while it is being written.
const redeliverTries = 4

// Redeliver sends an event to one endpoint again, or for the first time, whatever the state of that delivery: one that
// waits is due now, a dead one is replayed, and one that is delivered, or never was, begins anew. One that is being
// attempted at this moment is left as it is: ErrUnderWay. The key names the request: asked twice with one key at once, or
// again after a crash, within the deduplication window, it makes one delivery. An event that was read from its stream is
// known to be under way for the first time, too.
func (l *Ledger) Redeliver(ctx context.Context, endpoint string, e *publish.Event, key string) error {
	d := publish.Delivery{Endpoint: endpoint, Event: *e, Attempt: 1}
	for range redeliverTries {
		// Whoever attempts a delivery stores its death before the delivery leaves the bus: looked for in this order,
		// it is found in one place or the other.
		if err := l.Retry(ctx, d.ID()); !errors.Is(err, ErrNoDelivery) {
			return err
		}
		sent, err := l.sendMissed(ctx, &d, key)
		if sent || err != nil {
			return err
		}
	}
	return ErrUnderWay
}

// sendMissed sends a delivery of which nothing is stored but its history. False: it is on its way by now.
func (l *Ledger) sendMissed(ctx context.Context, d *publish.Delivery, key string) (bool, error) {
	switch underWay, err := l.bus.UnderWay(ctx, d.Endpoint, &d.Event); {
	case err != nil:
		return false, fmt.Errorf("redelivering: %w", err)
	case underWay:
		return false, ErrUnderWay
	}
	err := l.bus.Send(ctx, d, key)
	if errors.Is(err, publish.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}
