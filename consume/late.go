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

// watchLate sets right, once after the start, what the server left behind when it was killed several times in a row: it
// was seen to lose a message's schedule and keep the message, and to bring a schedule back that had been carried out.
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

// bringLate makes due what should have been before a time, and removes it where it has an outcome.
func (e *Engine) bringLate(ctx context.Context, before time.Time) error {
	shelf := publish.RetryShelf("")
	for from := uint64(1); ; {
		page, next, err := e.bus.After(ctx, shelf, from, MaxLimit)
		if err != nil {
			return err
		}
		for i := range page {
			d, err := page[i].Delivery()
			if err != nil || !d.Due.Before(before) {
				continue
			}
			if err := e.settleLate(ctx, page[i].Seq, d.ID()); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		from = next
	}
}

// settleLate sets right one delivery that is late. It goes by its place in the stream: what the server knows of its
// subject may be wrong too.
func (e *Engine) settleLate(ctx context.Context, seq uint64, id string) error {
	page, _, err := e.bus.After(ctx, publish.RetryShelf("").Whole(), seq, 1)
	if err != nil || len(page) == 0 || page[0].Seq != seq { // it moved on
		return err
	}
	d, err := page[0].Delivery()
	if err != nil || d.ID() != id {
		return nil
	}
	over, err := e.overSince(ctx, &d)
	switch {
	case err != nil:
		return err
	case over:
		e.log.Warn("the schedule of a delivery that has an outcome is removed", "delivery", id, "due", d.Due)
		return e.bus.Unschedule(ctx, &d)
	}
	err = e.bus.Remind(ctx, &d)
	if errors.Is(err, publish.ErrConflict) { // it moved on, or the server knows nothing of it any more
		return e.scheduleAnew(ctx, &d)
	}
	if err == nil {
		e.log.Warn("a delivery that the server had not made due goes on", "delivery", id, "due", d.Due)
	}
	return err
}

// overSince reports whether the delivery is being attempted or has an outcome that came after this schedule.
func (e *Engine) overSince(ctx context.Context, d *publish.Delivery) (bool, error) {
	trace, err := e.bus.Trace(ctx, d.ID())
	if err != nil {
		return false, err
	}
	if !trace.Due.IsZero() || trace.Dead.After(d.Since) {
		return true, nil
	}
	return e.recall.takenSince(ctx, d, d.Since)
}

// scheduleAnew replaces a message that the server has in its stream and not in its index.
func (e *Engine) scheduleAnew(ctx context.Context, d *publish.Delivery) error {
	trace, err := e.bus.Trace(ctx, d.ID())
	if err != nil || trace != (publish.Trace{}) {
		return err
	}
	stored := make(chan error, 1)
	again := *d
	again.Due = time.Now()
	e.bus.Schedule(&again, func(err error) { stored <- err })
	if err := <-stored; err != nil {
		return err
	}
	e.log.Warn("a delivery that the server had lost from its index goes on", "delivery", d.ID(), "due", d.Due)
	return e.bus.Unschedule(ctx, d)
}
