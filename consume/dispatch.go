package consume

import (
	"context"
	"fmt"
	"time"

	"jethook/publish"
)

// job is one delivery that this process works on, a part of a held message.
type job struct {
	d     publish.Delivery
	h     *held
	slot  bool // it has a place in the window
	probe bool // an open circuit lets it through

	copies   bool     // it has room for a large copy
	releases []func() // of the room that it has, when it ends
}

// due is since when the delivery could have been made.
func (j *job) due() time.Time {
	if j.d.Due.After(j.h.stored) {
		return j.d.Due
	}
	return j.h.stored
}

func (j *job) size() int64 { return int64(j.d.BodySize()) }

// submitEvent hands an event to the lanes of the endpoints that subscribed to it.
func (e *Engine) submitEvent(ctx context.Context, h *held) {
	if !e.mayRead(ctx, h) {
		return
	}
	event, err := publish.DecodeEvent(h.msg)
	if err != nil {
		e.log.Error("event not readable", "subject", h.msg.Subject(), "error", err)
		h.settle()
		return
	}
	var jobs []*job
	for _, ep := range e.endpoints.Match(event.Subject) {
		if ep.Ordered { // it takes its events itself
			continue
		}
		j := &job{d: publish.Delivery{Endpoint: ep.ID, Event: event, Attempt: 1}, h: h}
		settled, err := e.hasOutcome(ctx, h, &j.d)
		if err != nil {
			h.giveBackLater(err)
			return
		}
		if !settled {
			jobs = append(jobs, j)
		}
	}
	e.submit(ctx, h, jobs)
}

// submitDue hands a delivery that came due to its endpoint's lane.
func (e *Engine) submitDue(ctx context.Context, h *held) {
	if !e.mayRead(ctx, h) {
		return
	}
	d, err := publish.DecodeDelivery(h.msg)
	if err != nil {
		e.faults.reading.tell(e.log, err, "subject", h.msg.Subject())
		h.settle()
		return
	}
	settled, err := e.hasOutcome(ctx, h, &d)
	if err == nil && !settled {
		err = e.bus.Replayed(ctx, &d)
	}
	switch {
	case err != nil:
		h.giveBackLater(err)
	case settled:
		h.settle()
	default:
		e.submit(ctx, h, []*job{{d: d, h: h}})
	}
}

// hasOutcome reports whether an earlier holder of the message stored an outcome for d before it was killed: then
// attempting d again would double its chain of attempts. What became of that outcome meanwhile stands for it: it
// may have come due, and have been delivered. What was stored before the message is none: it belongs to an earlier
// copy of the event, or is the dead letter that is being replayed.
func (e *Engine) hasOutcome(ctx context.Context, h *held, d *publish.Delivery) (bool, error) {
	if !h.again {
		return false, nil
	}
	ids := []string{d.ID()}
	if h.in.queue.Stream != publish.StreamDeliveries { // one that came due was stored under the id that it has
		ids = append(ids, d.FormerID())
	}
	trace, err := e.bus.Trace(ctx, ids...)
	if err != nil {
		return false, fmt.Errorf("looking for an earlier outcome: %w", err)
	}
	switch after := h.stored; {
	case trace.Scheduled.After(after), trace.Due.After(after), trace.Dead.After(after):
		return true, nil
	case !trace.Scheduled.IsZero() && h.in.queue.Stream == publish.StreamDeliveries:
		// The server was killed after it made the delivery due and before it removed the schedule, which will
		// make it due once more.
		return true, nil
	}
	return e.recall.takenSince(ctx, d, h.stored, h.came)
}

// submit hands the jobs of one message to their lanes.
func (e *Engine) submit(ctx context.Context, h *held, jobs []*job) {
	if len(jobs) == 0 {
		h.settle()
		return
	}
	for e.storeErr.Load() && ctx.Err() == nil { // what is attempted now could not be noted
		time.Sleep(retryStore / 5)
	}
	deadly, ok := e.rehearseForms(ctx, h, jobs)
	if !ok {
		return
	}
	h.split(len(jobs))
	for _, j := range jobs {
		if cause, found := deadly[e.formFor(j)]; found {
			e.condemn(j, cause)
		} else {
			e.start(ctx, j)
		}
	}
}

// start hands one job to its lane, or defers it when the lane or the window has no room. Once ctx has ended
// the lane is not asked any more: the job goes back to the bus, since other jobs of its message may have been
// handed on already.
func (e *Engine) start(ctx context.Context, j *job) {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	switch {
	case !ok:
		e.strand(j)
		return
	case ep.Disabled:
		e.park(j)
		return
	case ctx.Err() != nil:
		e.deferUntil(j, time.Now())
		return
	}
	l := e.lane(ep)
	switch {
	case j.class() == fresh:
		e.throttle.sawFresh()
	case j.h.in.queue == publish.QueueDue && l.works():
		e.throttle.wait(ctx)
	}
	switch verdict := l.admit(j); {
	case verdict == failFast:
		e.failFast(l, j)
	case verdict == enter, verdict == ifRoom && e.room(ctx, j):
		l.take(j)
	default:
		e.deferUntil(j, l.turn(j.class()))
	}
}

// room gets the job a place in the window. It waits for one only while places become free: when those who
// hold them do not move, nobody must wait behind them.
func (e *Engine) room(ctx context.Context, j *job) bool {
	if j.slot = e.slots.TryAcquire(1); j.slot {
		e.full.Store(0)
		return true
	}
	now := time.Now().UnixNano()
	e.full.CompareAndSwap(0, now)
	if now-max(e.moved.Load(), e.full.Load()) > int64(stuck) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, stuck)
	defer cancel()
	j.slot = e.slots.Acquire(ctx, 1) == nil
	return j.slot
}
