package consume

import (
	"context"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/lane"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// job is one delivery that this process works on, a part of a held message.
type job struct {
	d      delivery.Delivery
	h      *held
	window *places // in which it has a place; nil: it needs none
	epoch  string  // of the record that had yet to say whether it is the cursor's; empty: it is not

	checked  time.Time // when an outcome of its delivery was last looked for; zero: when its message came
	copies   bool      // it has room for a large copy
	releases []func()  // of the room that it has, when it ends
}

// Facts are what the job's lane knows of it.
func (j *job) Facts() lane.Facts {
	f := lane.Facts{
		Stream: j.h.in.queue.Stream, Size: int64(j.d.BodySize()), Detached: j.d.Detached(), Scheduled: !j.isFirst(),
	}
	switch {
	case j.h.in.cursor:
		f.Origin = lane.Cursor
	case j.isDue():
		f.Origin = lane.Due
	}
	if j.d.Attempt > 1 || j.d.Why == delivery.WhyRetry || j.d.Why == delivery.WhyAsked {
		f.Class = lane.Retry
	}
	return f
}

// isFirst reports whether the job's delivery comes from its event and lies nowhere else on the bus: what has waited
// there was due at a time.
func (j *job) isFirst() bool { return j.d.Due.IsZero() }

// key names the record that says whether the job is its endpoint's cursor's.
func (j *job) key() cursor.Key {
	return cursor.Key{Endpoint: j.d.Endpoint, Stream: j.h.in.queue.Stream}
}

// submitEvent hands an event to the lanes of the endpoints that subscribed to it, and passes over those whose cursor has
// it.
func (e *Engine) submitEvent(ctx context.Context, h *held) {
	if !e.mayRead(ctx, h) {
		return
	}
	event, err := event.Decode(h.msg)
	if err != nil {
		e.log.Error("cannot decode an event", "subject", h.msg.Subject(), "error", err)
		h.Settle()
		return
	}
	var jobs []*job
	for _, ep := range e.endpoints.MatchAll(event.Subject) {
		if ep.Ordered { // it takes its events itself
			continue
		}
		r := e.cursors.Of(cursor.Key{Endpoint: ep.ID, Stream: h.in.queue.Stream})
		if r.Divides() && r.HasCursor(h.seq) || ep.PassesBy() && !r.CameBefore(h.seq) {
			continue
		}
		j := &job{d: delivery.Delivery{Endpoint: ep.ID, Event: event, Attempt: 1}, h: h}
		if !r.Divides() {
			j.epoch = r.Epoch
		}
		settled, err := e.hasOutcome(ctx, h, &j.d)
		if err != nil {
			h.GiveBackLater(time.Second, err)
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
	d, err := delivery.Decode(h.msg)
	if err != nil {
		e.faults.reading.Tell(e.log, err, "subject", h.msg.Subject())
		h.Settle()
		return
	}
	settled, err := e.hasOutcome(ctx, h, &d)
	if err == nil && !settled {
		err = e.bus.Deliveries().Replayed(ctx, &d)
	}
	switch {
	case err != nil:
		h.GiveBackLater(time.Second, err)
	case settled:
		h.acknowledge()
	default:
		e.submit(ctx, h, []*job{{d: d, h: h}})
	}
}

// hasOutcome reports whether somebody else who had the message stored an outcome of one of its deliveries.
func (e *Engine) hasOutcome(ctx context.Context, h *held, d *delivery.Delivery) (bool, error) {
	message := h.message()
	has, err := e.dedup.Has(ctx, d, &message)
	if has {
		h.late.Store(true)
	}
	return has, err
}

// submit hands the jobs of one message to their lanes.
func (e *Engine) submit(ctx context.Context, h *held, jobs []*job) {
	if len(jobs) == 0 {
		h.acknowledge()
		return
	}
	for e.outcomes.Failing() && ctx.Err() == nil { // what is attempted now could not be noted
		time.Sleep(storeLook)
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

// storeLook is the pause between looks at whether outcomes can be stored.
const storeLook = 50 * time.Millisecond

// start hands one job to its lane. What the lane has no room for stays where it is: an event in its stream, and a delivery
// that came due in the schedule. Once ctx has ended the job is given back, since other jobs of its message may have been
// handed on already.
func (e *Engine) start(ctx context.Context, j *job) {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	switch {
	case !ok:
		e.strand(j)
		return
	case ctx.Err() != nil:
		e.giveBack(j, 0)
		return
	case ep.PassesBy() && j.isShared() && !e.cursors.Of(j.key()).CameBefore(j.h.seq): // matched before this process heard of that
		e.finish(j)
		return
	}
	l := e.lane(ep)
	switch {
	case j.h.in.cursor, ep.Ordered && !j.isDue():
		l.Take(j)
	case j.isDue():
		e.startDue(ctx, l, j)
	default:
		e.startShared(ctx, l, j)
	}
}

// isDue reports whether the job came due by the schedule.
func (j *job) isDue() bool { return j.h.in.queue.Stream == topology.StreamDeliveries }

// place is where the job's delivery lies in DELIVERIES; 0: it does not.
func (j *job) place() uint64 {
	if j.isDue() {
		return j.h.seq
	}
	return 0
}

// isShared reports whether the job is an event that the shared intake, or an ordered endpoint's consumer, brought.
func (j *job) isShared() bool { return !j.isDue() && !j.h.in.cursor }

// startDue hands a delivery that came due to its lane.
func (e *Engine) startDue(ctx context.Context, l *lane.Lane[*job], j *job) {
	if l.Works() {
		e.throttle.Wait(ctx)
	}
	if !l.Offer(j, func() bool { return e.dues.take(ctx, j) }) {
		e.setDown(j)
	}
}

// startShared hands an event of the shared intake to a lane. An endpoint whose lane is full leaves the shared intake; what
// comes until it has left is taken nevertheless, or held until it is known whose it is.
func (e *Engine) startShared(ctx context.Context, l *lane.Lane[*job], j *job) {
	e.throttle.SawFirst()
	if j.epoch != "" {
		l.SetAside(j)
		e.decideAside(l, j.key()) // it may be known by now
		return
	}
	if l.Endpoint().PassesBy() {
		e.setDown(j)
		return
	}
	if r := e.cursors.Of(j.key()); r.Divides() && r.HasCursor(j.h.seq) { // it was not known yet when the event was matched
		e.finish(j)
		return
	}
	if !l.OfferPatiently(ctx, j, func() bool { return e.events.take(ctx, j) }) {
		e.leave(l, j.key())
		l.AwaitLeaving(ctx, j.h.in.queue.Stream)
		l.Take(j)
	}
}
