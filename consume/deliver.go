package consume

import (
	"cmp"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/lane"
	"jethook/consume/outcome"
	"jethook/consume/parked"
	"jethook/publish/delivery"
	"jethook/publish/trace"
)

// deliver makes one attempt, of which the lane learns, and stores what came of it.
func (e *Engine) deliver(l *lane.Lane[*job], j *job) {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	switch {
	case !ok:
		e.strand(j)
		return
	case e.flight.IsStopping(), j.h.hasLapsed():
		e.giveBack(j, 0)
		return
	case !e.isStillOpen(j):
		return
	case ep.Disabled:
		e.setDown(j)
		return
	case !e.awaitDue(j):
		e.putBack(j)
		return
	}
	if !e.withBody(j) {
		return
	}
	res := e.attempt(j, ep)
	// The lane learns of results in the order in which they came: failures are stored in batches, and would come in a row.
	health := l.Learn(j.Facts().Class, &res)
	e.conclude(j, ep, &res)
	var stored time.Time // of an event that has not waited
	if j.isFirst() && j.d.Attempt == 1 {
		stored = j.h.stored
	}
	e.meters.Note(j.d.Endpoint, &res, stored)
	e.examine(j.d.Endpoint, &res, health)
}

// attempt makes the attempt as a step of the event's trace.
func (e *Engine) attempt(j *job, ep *endpoint.Endpoint) attempt.Result {
	span := e.tracer.Attempt(&j.d)
	j.d.First = cmp.Or(j.d.First, span.Reference())
	res := e.client.Do(e.flight.Context(), attempt.Request{
		Endpoint: ep, EventID: j.d.Event.ID, EventType: j.d.Event.Type, Subject: j.d.Event.Subject,
		ContentType: j.d.Event.ContentType, Traceparent: cmp.Or(span.Traceparent(), j.d.Event.Traceparent), Source: j.d.Event.Source,
		Received: j.d.Event.Received, Header: j.d.Event.Forward, Body: j.d.Event.Body, Attempt: j.d.Attempt,
	})
	outcome := trace.Outcome{Status: res.Status, Class: string(res.Class), Detail: res.Detail}
	if res.Verdict == attempt.Delivered {
		outcome.Class = ""
	}
	if res.Sent != nil {
		outcome.URL = res.Sent.URL
	}
	span.Done(outcome)
	return res
}

// isStillOpen reports whether the job's delivery still has to be attempted. Somebody else who has the message may have stored an
// outcome since that was last looked for, which ends the job.
func (e *Engine) isStillOpen(j *job) bool {
	looked := j.h.came
	if j.checked.After(looked) {
		looked = j.checked
	}
	if !j.h.isForgotten() && (!j.h.again || time.Since(looked) < dedup.RereadAfter) {
		return true
	}
	message := j.h.message()
	over, err := e.dedup.IsRecorded(e.flight.Context(), &j.d, &message)
	switch {
	case err != nil:
		e.giveBack(j, time.Second)
	case over:
		j.h.late.Store(true)
		e.finish(j)
	default:
		j.checked = time.Now()
	}
	return err == nil && !over
}

// awaitDue holds a delivery that came a moment early. It returns false when that moment is too long, or when
// the process stops first.
func (e *Engine) awaitDue(j *job) bool {
	early := time.Until(j.d.Due)
	if j.d.Due.IsZero() || early <= 0 {
		return true
	}
	if early > dedup.MaxEarly {
		return false
	}
	select {
	case <-time.After(early):
		return true
	case <-e.flight.Stopped():
		return false
	}
}

// conclude stores the outcome of an attempt: this is the only place that acts on one.
func (e *Engine) conclude(j *job, ep *endpoint.Endpoint, res *attempt.Result) {
	dec := outcome.Decide(&j.d, ep, res, e.schedule, time.Now())
	if dec.MostPause > 0 {
		dec.Until(e.lane(ep).Pause(res, dec.MostPause))
	}
	if dec.Disable != "" {
		e.disable(j.d.Endpoint, dec.Disable)
	}
	switch dec.Action {
	case outcome.Return:
		e.giveBack(j, dec.Pause)
		return
	case outcome.Record:
		j.h.late.Store(true)
	default:
		if _, ok := e.endpoints.Lookup(j.d.Endpoint); !ok || e.wasDeliveredElsewhere(j) { // removed, with all that waits for it
			e.finish(j)
			return
		}
	}
	e.write(j, dec)
}

// write stores what was decided about a job, and then ends it.
func (e *Engine) write(j *job, dec outcome.Decision) {
	if dec.Next != nil {
		dec.Next.Follow(j.place())
	}
	if dec.Line != nil {
		dec.Line.Place = j.place()
	}
	e.outcomes.Write(part{e, j}, &j.d, dec)
}

// part is a job, to those who store its outcome.
type part struct {
	e *Engine
	j *job
}

// Elsewhere is of [outcome.Part].
func (p part) Elsewhere() (place uint64, ok bool) { return p.j.place(), p.j.h.isElsewhere() }

// Carry is of [outcome.Part].
func (p part) Carry(d *delivery.Delivery) bool { return p.e.carry(p.j, d) }

// Stored is of [outcome.Part]. If an endpoint was enabled while a delivery was stored that waits for that, what waited may
// have been released before, so this goes on at once.
func (p part) Stored(dec *outcome.Decision) {
	if dec.Action == outcome.Bury {
		p.e.meters.Died(p.j.d.Endpoint)
		p.e.announceDeath(dec.Next, dec.Result)
		return
	}
	if dec.Next.Why != delivery.WhyDisabled {
		return
	}
	if ep, ok := p.e.endpoints.Lookup(p.j.d.Endpoint); ok && !ep.Disabled {
		p.e.parked.Soon(p.j.d.ID())
	}
}

// End is of [outcome.Part].
func (p part) End() { p.e.finish(p.j) }

// wasDeliveredElsewhere reports whether the delivery was recorded as delivered while it was attempted here: somebody else has its
// message too.
func (e *Engine) wasDeliveredElsewhere(j *job) bool {
	if !j.h.isElsewhere() {
		return false
	}
	message := j.h.message()
	delivered, err := e.dedup.WasDelivered(e.flight.Context(), &j.d, &message, time.Now())
	if err != nil || !delivered {
		return false
	}
	j.h.late.Store(true)
	return true
}

// giveBack ends a job without an outcome: its message comes again after a while. It is no attempt.
func (e *Engine) giveBack(j *job, delay time.Duration) {
	j.h.comeBack(delay)
	e.finish(j)
}

// postpone puts a delivery back into the schedule that its lane can't hold. It is no attempt.
func (e *Engine) postpone(j *job, until time.Time) {
	e.write(j, outcome.Wait(&j.d, until, delivery.WhyTurn))
}

// putBack puts a delivery that came too early back on the bus for the time it was due.
func (e *Engine) putBack(j *job) { e.write(j, outcome.Wait(&j.d, j.d.Due, j.d.Why)) }

// park puts a delivery of a disabled endpoint back on the bus.
func (e *Engine) park(j *job) {
	e.write(j, outcome.Wait(&j.d, time.Now().Add(parked.For), delivery.WhyDisabled))
}

// strand ends a delivery without an endpoint: it is dropped when that is removed. When only its record can't be read,
// it waits, and uses no attempt up.
func (e *Engine) strand(j *job) {
	if !e.endpoints.IsUnreadable(j.d.Endpoint) {
		e.log.Debug("delivery dropped: its endpoint is removed", "delivery", j.d.ID(), "trace_id", j.d.Event.TraceID())
		e.finish(j)
		return
	}
	e.write(j, outcome.Wait(&j.d, time.Now().Add(unreadFor), delivery.WhyUnreadable))
}

// finish ends a job whose outcome is stored and makes room for the next.
func (e *Engine) finish(j *job) {
	for _, release := range j.releases {
		release()
	}
	if j.window != nil {
		j.window.release()
	}
	if j.h.isElsewhere() && !e.flight.IsStopping() {
		j.h.late.Store(true) // what is united may be known by the history alone
		e.uniter.Unite(e.flight.Context(), united{e, j})
		return
	}
	e.end(j)
}

// united is a job to those who bring its delivery into one state.
type united struct {
	e *Engine
	j *job
}

// Delivery is of [dedup.Part].
func (u united) Delivery() *delivery.Delivery { return &u.j.d }

// Message is of [dedup.Part].
func (u united) Message() dedup.Message { return u.j.h.message() }

// ComeBack is of [dedup.Part].
func (u united) ComeBack() { u.j.h.comeBack(0) }

// End is of [dedup.Part].
func (u united) End() { u.e.end(u.j) }

// end ends a job's part of its message.
func (e *Engine) end(j *job) {
	j.h.done()
	e.sequences.Ended(j.d.Endpoint)
}
