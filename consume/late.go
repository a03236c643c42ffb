package consume

import (
	"context"
	"errors"
	"time"

	"jethook/publish"
)

// lateAfter is how long after its time a delivery counts as forgotten by the server, and how long after the start that
// is looked for: by then a healthy server has made due whatever came due while it was down.
const lateAfter = time.Minute

// watchLate makes due, once after the start, what the server forgot to: nats-server was seen to lose a message's
// schedule, and keep the message, when it was killed several times in a row.
func (e *Engine) watchLate(ctx context.Context) {
	select {
	case <-time.After(lateAfter):
	case <-ctx.Done():
		return
	}
	insist(ctx, func() error { return e.bringLate(ctx, time.Now().Add(-lateAfter)) }, func(err error) {
		e.log.Warn("looking for deliveries that were not made due failed; trying again", "error", err)
	})
}

// bringLate makes due what should have been before a time.
func (e *Engine) bringLate(ctx context.Context, before time.Time) error {
	for from, more := uint64(1), true; more; {
		var page []publish.Stored
		var err error
		if page, from, more, err = e.bus.Since(ctx, publish.RetryShelf(""), time.Time{}, from, MaxLimit); err != nil {
			return err
		}
		for i := range page {
			d, err := page[i].Delivery()
			if err != nil || !d.Due.Before(before) {
				continue
			}
			if err := e.bringForward(ctx, d.ID(), before); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) bringForward(ctx context.Context, id string, before time.Time) error {
	d, err := e.bus.Waiting(ctx, id) // with its body
	if errors.Is(err, publish.ErrNotFound) {
		return nil
	}
	if err != nil || !d.Due.Before(before) {
		return err
	}
	done := make(chan error, 1)
	e.bus.Advance(&d, func(err error) { done <- err })
	if err := <-done; errors.Is(err, publish.ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	e.log.Warn("a delivery that the server had not made due goes on", "delivery", id, "due", d.Due)
	return nil
}
