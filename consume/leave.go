package consume

import (
	"context"
	"errors"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
)

const (
	// restPause is how long a retry waits at least that its resting lane can't hold, and fullPause one of a lane that moves.
	restPause, fullPause = 10 * time.Second, 2 * time.Second
	// mostOverflow is how many events a lane may hold beyond its capacity while its endpoint leaves the shared intake.
	mostOverflow = 1024
)

// leave lets the lane's endpoint leave the shared intake of a stream. It returns at once: whoever takes an event meanwhile
// learns by the record whose it is.
func (e *Engine) leave(l *lane, key cursor.Key) {
	l.mu.Lock()
	leaving := l.leaving[key.Stream]
	l.leaving[key.Stream] = true
	why := l.whyLag(time.Now())
	l.mu.Unlock()
	if leaving {
		return
	}
	if r := e.cursors.Of(key); r != nil && r.Phase == cursor.Own {
		l.left(key.Stream)
		return
	}
	e.unsaved.Go(func() {
		defer l.left(key.Stream)
		insist(e.flight, func() error {
			if e.stopping() {
				return nil
			}
			_, err := e.cursors.Leave(e.flight, key, why)
			return err
		}, func(err error) {
			e.log.Warn("cannot store a cursor record; retrying", "endpoint", key.Endpoint, "error", err)
		})
	})
}

// left ends what leave began.
func (l *lane) left(stream string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leaving, stream)
	l.tellRoom()
}

// whyLag is for what the lane can't take more.
func (l *lane) whyLag(now time.Time) cursor.Why {
	switch {
	case l.ep.Disabled:
		return cursor.Disabled
	case l.circuit.open:
		return cursor.CircuitOpen
	case l.pacer.until.Sub(now) > patience:
		return cursor.Paused
	case l.pacer.limits():
		return cursor.RateLimit
	default:
		return cursor.Behind
	}
}

// awaitLeaving waits while an endpoint that leaves has too much beyond its capacity.
func (e *Engine) awaitLeaving(ctx context.Context, l *lane, key cursor.Key) {
	for ctx.Err() == nil {
		_, more := l.wants()
		l.mu.Lock()
		over := l.leaving[key.Stream] && len(l.queues[fresh])+len(l.aside) > mostOverflow
		l.mu.Unlock()
		if !over {
			return
		}
		select {
		case <-more:
		case <-time.After(stuck / 10):
		case <-ctx.Done():
		}
	}
}

// decideAside decides about the events of a stream that wait for their endpoint's record to say whose they are.
func (e *Engine) decideAside(l *lane, key cursor.Key) {
	r := e.cursors.Of(key)
	if !r.Divides() {
		return
	}
	for _, j := range l.takeAside(key.Stream) {
		switch {
		case r == nil || r.Epoch != j.epoch: // it has come and gone: what is recorded decides
			e.giveBack(j, 0)
		case r.HasCursor(j.h.seq), l.endpoint().PassesBy() && !r.CameBefore(j.h.seq):
			e.finish(j)
		default:
			l.take(j)
		}
	}
}

// relieve lets a lane that rests give back what it can't attempt for a while.
func (e *Engine) relieve(l *lane) {
	shared := make(map[cursor.Key][]*job)
	ep := l.endpoint()
	for _, j := range l.relieve() {
		if goesToCursor(ep, j) {
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
		l.hand(j.h.in.queue.Stream, 1)
		e.handOver(l, j.key(), []*job{j})
	case ep.Disabled:
		e.park(j)
	default:
		e.postpone(j, e.lane(ep).restsUntil())
	}
}

// handOver hands events that came by the shared intake over to their endpoint's cursor, and that the lane has counted as such. Those
// that come too late are written into the schedule, and those that pass the endpoint by end here.
func (e *Engine) handOver(l *lane, key cursor.Key, jobs []*job) {
	l.mu.Lock()
	why := l.whyLag(time.Now())
	l.mu.Unlock()
	e.unsaved.Go(func() {
		r, err := e.leaveTo(l, key, why, jobs)
		for _, j := range jobs {
			switch {
			case err == nil, l.isPassedBy(j, r):
				e.finish(j)
			case errors.Is(err, errStopped):
				e.giveBack(j, 0)
			case l.endpoint().Disabled:
				e.park(j)
			case !l.isResting():
				l.take(j)
			default:
				e.postpone(j, l.restsUntil())
			}
		}
		l.hand(key.Stream, -len(jobs))
	})
}

// leaveTo leaves events to their endpoint's cursor, but for those that pass it by, and returns its record. It insists, but on
// [cursor.ErrOpened] and errStopped.
func (e *Engine) leaveTo(l *lane, key cursor.Key, why cursor.Why, jobs []*job) (r *cursor.Record, err error) {
	insist(e.flight, func() error {
		if err = errStopped; e.stopping() {
			return nil
		}
		var fails error
		if r, fails = e.leaveUnlessPassing(l, key, why); fails != nil {
			return fails
		}
		var places []uint64
		for _, j := range jobs {
			if !l.isPassedBy(j, r) {
				places = append(places, j.h.seq)
			}
		}
		fails = e.cursors.LeaveTo(e.flight, key, places)
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
func (e *Engine) leaveUnlessPassing(l *lane, key cursor.Key, why cursor.Why) (*cursor.Record, error) {
	if l.endpoint().PassesBy() {
		if r, err := e.cursors.Settle(e.flight, key); err != nil || r != nil {
			return r, err
		}
	}
	return e.cursors.Leave(e.flight, key, why)
}

// errStopped means that the process stops.
var errStopped = errors.New("the process stops")

// isPassedBy reports whether a job of the shared intake passes the lane's endpoint by, as its record says; nil: it is not
// known.
func (l *lane) isPassedBy(j *job, r *cursor.Record) bool {
	return r != nil && l.endpoint().PassesBy() && !r.CameBefore(j.h.seq)
}

func (l *lane) isResting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rests(time.Now())
}

// endpoint is the endpoint as the lane has last heard of it.
func (l *lane) endpoint() *endpoint.Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ep
}
