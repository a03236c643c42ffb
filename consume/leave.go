package consume

import (
	"context"
	"errors"
	"slices"
	"time"

	"jethook/consume/cursor"
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
			e.log.Warn("the place of a lagging endpoint can't be stored; trying again until it can", "endpoint", key.Endpoint, "error", err)
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
		case r.HasCursor(j.h.seq), l.passesBy() && !r.CameBefore(j.h.seq):
			e.finish(j)
		default:
			l.take(j)
		}
	}
}

// relieve lets a lane that rests give back what it can't attempt for a while.
func (e *Engine) relieve(l *lane) {
	shared := make(map[cursor.Key][]*job)
	for _, j := range l.relieve() {
		if j.isDue() || j.h.in.cursor || l.isOrdered() {
			e.setDown(j)
		} else {
			shared[j.key()] = append(shared[j.key()], j)
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
		e.handOver(e.lane(ep), j.key(), []*job{j})
	case ep.Disabled:
		e.park(j)
	default:
		e.postpone(j, e.lane(ep).restsUntil())
	}
}

// handOver hands events that came by the shared intake over to their endpoint's cursor. Those that come too late for that
// are written into the schedule.
func (e *Engine) handOver(l *lane, key cursor.Key, jobs []*job) {
	l.mu.Lock()
	why := l.whyLag(time.Now())
	l.mu.Unlock()
	var places []uint64
	for _, j := range jobs {
		places = append(places, j.h.seq)
	}
	e.unsaved.Go(func() {
		err := errStopped
		var record *cursor.Record
		insist(e.flight, func() error {
			if e.stopping() {
				return nil
			}
			r, fails := e.leaveUnlessPassing(l, key, why)
			record = r
			if fails == nil {
				fails = e.cursors.LeaveTo(e.flight, key, l.without(places, r))
			}
			if errors.Is(fails, cursor.ErrOpened) {
				err = fails
				return nil
			}
			if fails == nil {
				err = nil
			}
			return fails
		}, func(err error) {
			e.log.Warn("events can't be left to a lagging endpoint's cursor; trying again until they can", "endpoint", key.Endpoint, "error", err)
		})
		for _, j := range jobs {
			switch {
			case err == nil, record != nil && l.passesBy() && !record.CameBefore(j.h.seq):
				e.finish(j)
			case errors.Is(err, errStopped):
				e.giveBack(j, 0)
			case l.isDisabled():
				e.park(j)
			case !l.isResting():
				l.take(j)
			default:
				e.postpone(j, l.restsUntil())
			}
		}
	})
}

// leaveUnlessPassing lets an endpoint leave, unless what comes passes it by: then its record says so, and must go on
// saying it.
func (e *Engine) leaveUnlessPassing(l *lane, key cursor.Key, why cursor.Why) (*cursor.Record, error) {
	if l.passesBy() {
		if r, err := e.cursors.Settle(e.flight, key); err != nil || r != nil {
			return r, err
		}
	}
	return e.cursors.Leave(e.flight, key, why)
}

// without leaves out the places that pass the endpoint by.
func (l *lane) without(places []uint64, r *cursor.Record) []uint64 {
	if !l.passesBy() {
		return places
	}
	return slices.DeleteFunc(slices.Clone(places), func(place uint64) bool { return !r.CameBefore(place) })
}

// errStopped means that the process stops.
var errStopped = errors.New("the process stops")

func (l *lane) isOrdered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ep.Ordered
}

func (l *lane) isResting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rests(time.Now())
}

// passesBy reports whether events pass the lane's endpoint by.
func (l *lane) passesBy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ep.PassesBy()
}

func (l *lane) isDisabled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ep.Disabled
}
