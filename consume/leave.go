package consume

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"jethook/consume/cursor"
	"jethook/consume/lane"
	"jethook/publish/outage"
)

// leave lets the lane's endpoint leave the shared intake of a stream. It returns at once: whoever takes an event meanwhile
// learns by the record whose it is.
func (e *Engine) leave(l *lane.Lane[*job], key cursor.Key) {
	if !l.BeginLeaving(key.Stream) {
		return
	}
	why := l.Why()
	if r := e.cursors.Of(key); r != nil && r.Phase == cursor.Own {
		l.EndLeaving(key.Stream)
		return
	}
	e.flight.Go(func() {
		defer l.EndLeaving(key.Stream)
		outage.Insist(e.flight.Context(), func() error {
			if e.flight.IsStopping() {
				return nil
			}
			_, err := e.cursors.Leave(e.flight.Context(), key, why)
			return err
		}, func(err error) {
			e.log.Warn("cannot store a cursor record; retrying", "endpoint", key.Endpoint, "error", err)
		})
	})
}

// cursorChanged follows a change of an endpoint's record.
func (e *Engine) cursorChanged(ctx context.Context, g *errgroup.Group, key cursor.Key) {
	if l := e.lanes.Find(key.Endpoint); l != nil {
		e.decideAside(l, key)
	}
	e.followers.Change(ctx, g, key)
}

// decideAside decides about the events of a stream that wait for their endpoint's record to say whose they are.
func (e *Engine) decideAside(l *lane.Lane[*job], key cursor.Key) {
	r := e.cursors.Of(key)
	if !r.Divides() {
		return
	}
	for _, j := range l.TakeAside(key.Stream) {
		switch {
		case r == nil || r.Epoch != j.epoch: // it has come and gone: what is recorded decides
			e.giveBack(j, 0)
		case r.HasCursor(j.h.seq), l.Endpoint().PassesBy() && !r.CameBefore(j.h.seq):
			e.finish(j)
		default:
			l.Take(j)
		}
	}
}

// relieve lets a lane that rests give back what it can't attempt for a while.
func (e *Engine) relieve(l *lane.Lane[*job]) {
	shared := make(map[cursor.Key][]*job)
	ep := l.Endpoint()
	for _, j := range l.Relieve() {
		if lane.GoesToCursor(ep, j.Facts()) {
			shared[j.key()] = append(shared[j.key()], j)
		} else {
			e.setDown(j)
		}
	}
	for key, jobs := range shared {
		e.handOver(l, key, jobs)
	}
}

// setDown ends a job that can't be attempted for a while.
func (e *Engine) setDown(j *job) {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	switch {
	case !ok:
		e.strand(j)
	case j.h.in.cursor || ep.Ordered && !j.isDue():
		e.giveBack(j, 0)
	case !j.isDue():
		l := e.lane(ep)
		l.CountHandover(j.h.in.queue.Stream, 1)
		e.handOver(l, j.key(), []*job{j})
	case ep.Disabled:
		e.park(j)
	default:
		until, _ := e.lane(ep).RestsUntil()
		e.postpone(j, until)
	}
}

// handOver hands events that came by the shared intake over to their endpoint's cursor, and that the lane has counted as such. Those
// that come too late are written into the schedule, and those that pass the endpoint by end here.
func (e *Engine) handOver(l *lane.Lane[*job], key cursor.Key, jobs []*job) {
	why := l.Why()
	e.flight.Go(func() {
		r, err := e.leaveTo(l, key, why, jobs)
		for _, j := range jobs {
			switch {
			case err == nil, isPassedBy(l, j, r):
				e.finish(j)
			case errors.Is(err, errStopped):
				e.giveBack(j, 0)
			case l.Endpoint().Disabled:
				e.park(j)
			default:
				if until, rests := l.RestsUntil(); rests {
					e.postpone(j, until)
				} else {
					l.Take(j)
				}
			}
		}
		l.CountHandover(key.Stream, -len(jobs))
	})
}

// leaveTo leaves events to their endpoint's cursor, but for those that pass it by, and returns its record. It insists, but on
// [cursor.ErrOpened] and errStopped.
func (e *Engine) leaveTo(l *lane.Lane[*job], key cursor.Key, why cursor.Why, jobs []*job) (r *cursor.Record, err error) {
	outage.Insist(e.flight.Context(), func() error {
		if err = errStopped; e.flight.IsStopping() {
			return nil
		}
		var fails error
		if r, fails = e.leaveUnlessPassing(l, key, why); fails != nil {
			return fails
		}
		var places []uint64
		for _, j := range jobs {
			if !isPassedBy(l, j, r) {
				places = append(places, j.h.seq)
			}
		}
		fails = e.cursors.LeaveTo(e.flight.Context(), key, places)
		if fails == nil || errors.Is(fails, cursor.ErrOpened) {
			err = fails
			return nil
		}
		return fails
	}, func(err error) {
		e.log.Warn("cannot hand events over to a lagging endpoint's cursor; retrying", "endpoint", key.Endpoint, "error", err)
	})
	return r, err
}

// leaveUnlessPassing lets an endpoint leave, unless what comes passes it by: then its record says so, and must go on
// saying it.
func (e *Engine) leaveUnlessPassing(l *lane.Lane[*job], key cursor.Key, why cursor.Why) (*cursor.Record, error) {
	if l.Endpoint().PassesBy() {
		if r, err := e.cursors.Settle(e.flight.Context(), key); err != nil || r != nil {
			return r, err
		}
	}
	return e.cursors.Leave(e.flight.Context(), key, why)
}

// errStopped means that the process stops.
var errStopped = errors.New("the process stops")

// isPassedBy reports whether a job of the shared intake passes the lane's endpoint by, as its record says; nil: it is not
// known.
func isPassedBy(l *lane.Lane[*job], j *job, r *cursor.Record) bool {
	return r != nil && l.Endpoint().PassesBy() && !r.CameBefore(j.h.seq)
}
