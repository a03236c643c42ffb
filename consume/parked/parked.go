// Package parked releases the deliveries that wait for their endpoint to be enabled.
//
// Enabling an endpoint makes all of them due, however often that takes; a release that a killed process left undone is done
// again by the next one. What slips through is looked at again after [For]. The package parks nothing itself, and attempts
// nothing.
package parked

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/flight"
	"jethook/consume/lane"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/outage"
	"jethook/publish/query"
)

// For is how long a delivery of a disabled endpoint rests before it is looked at again. Enabling the endpoint releases it at
// once; this is for what slips through.
const For = time.Hour

// Releaser makes parked deliveries due. It is safe for concurrent use.
type Releaser struct {
	bus       *publish.Bus
	flight    *flight.Flight
	log       *slog.Logger
	releasing outage.Outage
}

// NewReleaser returns a releaser of what is parked on bus.
func NewReleaser(bus *publish.Bus, f *flight.Flight, log *slog.Logger) *Releaser {
	return &Releaser{bus: bus, flight: f, log: log, releasing: outage.Outage{
		Fails: "cannot release a delivery of an enabled endpoint; it waits for up to an hour",
		Works: "releasing deliveries of enabled endpoints again",
	}}
}

// Release releases what waits for an endpoint to be enabled, however often that takes, until ctx ends.
func (r *Releaser) Release(ctx context.Context, id string) {
	outage.Insist(ctx, func() error { return r.release(ctx, id) }, func(err error) {
		r.log.Warn("cannot release deliveries of an enabled endpoint; retrying", "endpoint", id, "error", err)
	})
}

// Soon releases a single delivery for who can't wait. If that fails, the delivery is looked at again after [For].
func (r *Releaser) Soon(id string) {
	r.flight.Go(func() {
		ctx, cancel := r.flight.Briefly()
		defer cancel()
		r.releasing.Tell(r.log, r.one(ctx, id), "delivery", id)
	})
}

// release makes due what waits for its endpoint to be enabled, and what an earlier release let wait for its turn, however
// far ahead that lay.
func (r *Releaser) release(ctx context.Context, id string) error {
	for before := uint64(0); ; {
		page, next, err := r.bus.Query().Reverse(ctx, query.Waiting(id), before, paging.Max)
		if err != nil {
			return fmt.Errorf("listing what waits: %w", err)
		}
		for i := range page {
			d, err := delivery.Of(&page[i])
			if err != nil || d.Why != delivery.WhyDisabled && (d.Why != delivery.WhyTurn || time.Until(d.Due) < lane.RestPause) {
				continue
			}
			if err := r.one(ctx, d.ID()); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		before = next
	}
}

// one makes a single parked delivery due, unless another process has done so.
func (r *Releaser) one(ctx context.Context, id string) error {
	err := deliveries.RetryNow(ctx, r.bus, id)
	if errors.Is(err, deliveries.ErrUnderWay) || errors.Is(err, failure.ErrNotFound) {
		return nil
	}
	return err
}
