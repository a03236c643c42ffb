// Package overdue sets right what the server left behind when it was killed several times in a row: it was seen to lose a
// message's schedule and keep the message, and to bring a schedule back that had been carried out.
//
// What is overdue and has no outcome is made due; what has one is removed. The package makes no attempt.
package overdue

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"jethook/consume/dedup"
	"jethook/consume/deliveries"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/outage"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// lateAfter is how long after its time a delivery counts as forgotten by the server, and how long after a start of the
// server that is looked for: by then a healthy one has made due whatever came due while it was down.
const lateAfter = time.Minute

// To look, every delivery that waits is read, a page at a time, with a rest after each: the deliveries of that time must not
// wait for it, though a page costs the server a walk through all of its index, and the server keeps for 10 s what it reads
// of its files, which are of 8 MB.
const (
	latePage  = 1000
	lateShare = 20 // a page may take one part in so many of the time
	latePause = 2 * time.Second
)

// Watch looks for overdue deliveries. It is made with [New], and run once.
type Watch struct {
	bus      *publish.Bus
	outcomes *dedup.Outcomes
	log      *slog.Logger
}

// New returns a watch over the deliveries on bus.
func New(bus *publish.Bus, outcomes *dedup.Outcomes, log *slog.Logger) *Watch {
	return &Watch{bus: bus, outcomes: outcomes, log: log}
}

// Run looks after the start and whenever the server was away, and again while there is a delivery of which it can't be told
// yet, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		back := w.bus.Queues().Restored()
		for open := true; open; {
			select {
			case <-time.After(lateAfter):
			case <-ctx.Done():
				return
			}
			outage.Insist(ctx, func() (err error) {
				if err = w.reclaim(ctx); err != nil {
					return err
				}
				open, err = w.lookUnlessBusy(ctx, time.Now().Add(-lateAfter))
				return err
			}, func(err error) {
				w.log.Warn("cannot look for overdue deliveries; retrying", "error", err)
			})
		}
		select {
		case <-back:
		case <-ctx.Done():
			return
		}
	}
}

// reclaim sets right what came due and is given to nobody any more. What has an outcome came back with a killed server, and
// would stand for a delivery that is being attempted; what has none was passed over by it, and is made due once more.
func (w *Watch) reclaim(ctx context.Context) error {
	removed, resumed := 0, 0
	for _, q := range w.bus.Queues().All() {
		if q.Stream != topology.StreamDeliveries {
			continue
		}
		err := w.bus.Deliveries().Overtaken(ctx, q, func(d *delivery.Delivery) error {
			over, err := w.reclaimOne(ctx, d)
			switch {
			case errors.Is(err, failure.ErrConflict): // it moves, and is looked at again the next time
				return nil
			case err == nil && over:
				removed++
			case err == nil:
				resumed++
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if removed+resumed > 0 {
		w.log.Warn("found deliveries that the server had mislaid", "removed", removed, "resumed", resumed)
	}
	return nil
}

// reclaimOne reports whether the delivery had its outcome.
func (w *Watch) reclaimOne(ctx context.Context, d *delivery.Delivery) (over bool, err error) {
	trace, err := w.bus.Find().Trace(ctx, d.ID())
	if err != nil {
		return false, err
	}
	over = trace.Scheduled.After(d.Since) || trace.Dead.After(d.Since) || trace.DueAfter(d.Place())
	if !over {
		var progress dedup.Progress
		progress, err = w.outcomes.BegunSince(ctx, d, d.Since, time.Now().Add(-dedup.RereadAfter))
		over = progress == dedup.Ended // of one that was attempted and waits the trace tells
	}
	if err == nil && !over {
		err = w.bus.Deliveries().Reschedule(ctx, d)
	}
	if err != nil {
		return false, err
	}
	return over, w.bus.Deliveries().Unschedule(ctx, d)
}

// lookUnlessBusy is look, and puts it off while some of what came due is not even taken: where hundreds of thousands come
// due together, the server takes minutes to make them so, and whatever it has still to do looks forgotten.
func (w *Watch) lookUnlessBusy(ctx context.Context, before time.Time) (open bool, err error) {
	switch untaken, err := w.bus.Queues().Untaken(ctx, topology.QueueDue); {
	case err != nil:
		return true, err
	case untaken > 0:
		return true, nil
	}
	return w.look(ctx, before)
}

// look makes due what should have been before a time, and removes it where it has an outcome. It reports whether it
// left some that are being attempted.
func (w *Watch) look(ctx context.Context, before time.Time) (open bool, err error) {
	selection := query.Waiting("")
	for from := uint64(1); ; {
		began := time.Now()
		page, next, err := w.bus.Query().Forward(ctx, selection, from, latePage)
		if err != nil {
			return open, err
		}
		for i := range page {
			d, err := delivery.Of(&page[i])
			if err != nil || !d.Due.Before(before) {
				continue
			}
			switch err := w.settle(ctx, page[i].Seq, d.ID()); {
			case errors.Is(err, deliveries.ErrUnderWay):
				open = true
			case err != nil:
				return open, err
			}
		}
		if next == 0 {
			return open, nil
		}
		from = next
		select {
		case <-time.After(max(latePause, lateShare*time.Since(began))):
		case <-ctx.Done():
			return open, ctx.Err()
		}
	}
}

// settle sets right one delivery that is late. It goes by its place in the stream: what the server knows of its
// subject may be wrong too. One that is being attempted as well is ErrUnderWay, and left: whoever has that attempt may
// drop it because of this schedule (see [dedup.Outcomes.Has]).
func (w *Watch) settle(ctx context.Context, seq uint64, id string) error {
	page, _, err := w.bus.Query().Forward(ctx, query.Waiting("").WithBodies(), seq, 1)
	if err != nil || len(page) == 0 || page[0].Seq != seq { // it moved on
		return err
	}
	d, err := delivery.Of(&page[0])
	if err != nil || d.ID() != id {
		return nil
	}
	over, err := w.overSince(ctx, &d)
	switch {
	case err != nil:
		return err
	case over:
		w.log.Warn("removed the schedule of a finished delivery", "delivery", id, "due", d.Due)
		return w.bus.Deliveries().Unschedule(ctx, &d)
	}
	err = w.bus.Deliveries().Reschedule(ctx, &d)
	if errors.Is(err, failure.ErrConflict) { // it moved on, or the server knows nothing of it any more
		return w.scheduleAnew(ctx, &d)
	}
	if err == nil {
		w.log.Warn("resumed an overdue delivery that the server had not released", "delivery", id, "due", d.Due)
	}
	return err
}

// overSince reports whether the delivery has an outcome that came after this schedule.
func (w *Watch) overSince(ctx context.Context, d *delivery.Delivery) (bool, error) {
	trace, err := w.bus.Find().Trace(ctx, d.ID())
	switch {
	case err != nil:
		return false, err
	case !trace.Due.IsZero():
		return false, deliveries.ErrUnderWay
	case trace.Dead.After(d.Since):
		return true, nil
	}
	progress, err := w.outcomes.ProgressSince(ctx, d, d.Due.Add(-dedup.MaxEarly), time.Now().Add(-dedup.RereadAfter))
	return progress == dedup.Ended || progress == dedup.Attempted && trace.Scheduled.After(d.Since), err
}

// scheduleAnew replaces a message that the server has in its stream and not in its index.
func (w *Watch) scheduleAnew(ctx context.Context, d *delivery.Delivery) error {
	trace, err := w.bus.Find().Trace(ctx, d.ID())
	if err != nil || trace != (delivery.Trace{}) {
		return err
	}
	stored := make(chan error, 1)
	again := *d
	again.Due = time.Now()
	w.bus.Deliveries().Schedule(&again, func(err error) { stored <- err })
	if err := <-stored; err != nil {
		return err
	}
	w.log.Warn("resumed a delivery that was missing from the server's index", "delivery", d.ID(), "due", d.Due)
	return w.bus.Deliveries().Unschedule(ctx, d)
}
