package consume

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/failure"
)

// deliver makes one attempt and stores what came of it. It returns nil when none was made.
func (e *Engine) deliver(j *job) *attempt.Result {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	switch {
	case !ok:
		e.strand(j)
		return nil
	case e.stopping(), j.h.hasLapsed():
		e.giveBack(j, 0)
		return nil
	case !e.isStillOpen(j):
		return nil
	case ep.Disabled:
		e.setDown(j)
		return nil
	case !e.awaitDue(j):
		e.putBack(j)
		return nil
	}
	if !e.withBody(j) {
		return nil
	}
	res := e.client.Do(e.flight, attempt.Request{
		Endpoint: ep, EventID: j.d.Event.ID, EventType: j.d.Event.Type, Subject: j.d.Event.Subject,
		ContentType: j.d.Event.ContentType, Traceparent: j.d.Event.Traceparent, Source: j.d.Event.Source,
		Received: j.d.Event.Received, Header: j.d.Event.Forward, Body: j.d.Event.Body, Attempt: j.d.Attempt,
	})
	if res.Verdict != attempt.Later || !e.putOff(j, ep, &res) {
		e.conclude(j, ep, &res)
	}
	return &res
}

// maxEarly is how early a delivery may come by a difference of clocks and be waited for in its lane.
const maxEarly = 2 * time.Second

// awaitDue holds a delivery that came a moment early. It returns false when that moment is too long, or when
// the process stops first.
func (e *Engine) awaitDue(j *job) bool {
	early := time.Until(j.d.Due)
	if j.d.Due.IsZero() || early <= 0 {
		return true
	}
	if early > maxEarly {
		return false
	}
	select {
	case <-time.After(early):
		return true
	case <-e.stop:
		return false
	}
}

// localPause is how long a delivery waits when this machine could not make the request.
const localPause = 5 * time.Second

// conclude stores the outcome of an attempt: this is the only place that acts on one.
func (e *Engine) conclude(j *job, ep *endpoint.Endpoint, res *attempt.Result) {
	if res.Verdict == attempt.Aborted { // our own doing: it uses no attempt up
		pause := time.Duration(0)
		if res.Class != attempt.ClassAborted { // this machine is out of something, or its proxy is gone, and not for a moment only
			pause = localPause
		}
		e.giveBack(j, pause)
		return
	}
	if res.Verdict == attempt.Delivered {
		j.h.late.Store(true)
		e.record(j, history.Of(&j.d, res, history.Delivered))
		return
	}
	if res.Verdict == attempt.Gone {
		e.disable(j.d.Endpoint, res.Detail)
	}
	if _, ok := e.endpoints.Lookup(j.d.Endpoint); !ok || e.tookMeanwhile(j) { // removed, with all that waits for it
		e.finish(j)
		return
	}
	next := j.d
	next.Reason, next.Class, next.Status, next.PutOff = res.Detail, string(res.Class), res.Status, time.Time{}
	pause, more := ep.Next(j.d.Attempt, res.RetryAfter, e.schedule)
	if !more {
		next.Due, next.Why = time.Time{}, ""
		e.bury(j, next, res, func() { e.record(j, history.Of(&j.d, res, history.Dead)) })
		return
	}
	next.Attempt++
	next.Due, next.Why = time.Now().Add(pause), publish.WhyRetry
	e.reschedule(j, &next, func() {
		a := history.Of(&j.d, res, history.Failed)
		due := next.Due.UTC()
		a.Next = &due
		e.record(j, a)
	})
}

// tookMeanwhile reports whether the delivery was recorded as delivered while it was attempted here: somebody else has its
// message too.
func (e *Engine) tookMeanwhile(j *job) bool {
	if !j.h.isElsewhere() {
		return false
	}
	took, err := e.recall.takenSince(e.flight, &j.d, j.h.stored, time.Now())
	return took && err == nil
}

// reschedule stores when d is attempted next, which may be later than it says: then it says that. A message that the store
// refuses for ever, because its headers make it larger than the store takes, would hold its place for ever: it becomes a
// dead letter.
func (e *Engine) reschedule(j *job, d *publish.Delivery, then func()) {
	refused := func(err error) {
		dead := j.d
		dead.Due, dead.Why, dead.Reason = time.Time{}, "", "it can't be stored for another attempt: "+err.Error()
		e.bury(j, dead, nil, func() { e.finish(j) })
	}
	schedule := func() {
		e.store(func(done func(error)) { e.schedulePart(j, d, done) }, then, refused)
	}
	if !e.bus.MustCarry(d) {
		schedule()
		return
	}
	e.carry(j, *d, func(whole publish.Delivery) {
		*d = whole
		schedule()
	})
}

// schedulePart stores when d is attempted next, unless somebody else who has the job's message has gone on with the delivery.
func (e *Engine) schedulePart(j *job, d *publish.Delivery, done func(error)) {
	if !j.h.isElsewhere() {
		e.bus.Schedule(d, done)
		return
	}
	e.bus.ScheduleUnlessMoved(d, j.place(), func(err error) {
		if errors.Is(err, failure.ErrConflict) { // or an answer was lost: it is stored already
			err = nil
		}
		done(err)
	})
}

// bury stores a dead letter, and tells of it with its last result, if there is one. One that is too large goes without
// its body, which the event still has.
func (e *Engine) bury(j *job, d publish.Delivery, last *attempt.Result, then func()) {
	if d.BodySize() < publish.LargeBody {
		e.entomb(j, d, last, then)
		return
	}
	e.carry(j, d, func(d publish.Delivery) { e.entomb(j, d, last, then) })
}

func (e *Engine) entomb(j *job, d publish.Delivery, last *attempt.Result, then func()) {
	buried := func() { e.countDead(d.Endpoint); e.announceDeath(&d, last); then() }
	e.store(func(done func(error)) { e.bus.Bury(&d, done) }, buried, func(err error) {
		bare := d
		bare.Detach()
		bare.Reason += " (without its body: " + err.Error() + ")"
		e.store(func(done func(error)) { e.bus.Bury(&bare, done) }, buried, func(err error) {
			e.log.Error("cannot store a dead letter", "delivery", d.ID(), "error", err)
			e.finish(j)
		})
	})
}

// giveBack ends a job without an outcome: its message comes again after a while. It is no attempt.
func (e *Engine) giveBack(j *job, delay time.Duration) {
	j.h.comeBack(delay)
	e.finish(j)
}

// postpone puts a delivery back into the schedule that its lane can't hold. It is no attempt.
func (e *Engine) postpone(j *job, until time.Time) {
	next := j.d
	next.Due, next.Why = until, publish.WhyTurn
	e.reschedule(j, &next, func() { e.finish(j) })
}

// putBack puts a delivery that came too early back on the bus for the time it was due.
func (e *Engine) putBack(j *job) {
	next := j.d // the lane goes on reading the job's own
	e.reschedule(j, &next, func() { e.finish(j) })
}

// park puts a delivery of a disabled endpoint back on the bus. If the endpoint was enabled meanwhile, what it
// waited for may have been released before this was stored, so it goes on at once.
func (e *Engine) park(j *job) {
	parked := j.d
	parked.Due, parked.Why = time.Now().Add(parkedFor), publish.WhyDisabled
	e.reschedule(j, &parked, func() {
		if ep, ok := e.endpoints.Lookup(j.d.Endpoint); ok && !ep.Disabled {
			e.releaseSoon(j.d.ID())
		}
		e.finish(j)
	})
}

// strand ends a delivery without an endpoint: it is dropped when that is removed. When only its record can't be read,
// it waits, and uses no attempt up.
func (e *Engine) strand(j *job) {
	if !e.endpoints.IsUnreadable(j.d.Endpoint) {
		e.log.Debug("delivery dropped: its endpoint is removed", "delivery", j.d.ID())
		e.finish(j)
		return
	}
	waiting := j.d
	waiting.Due, waiting.Why = time.Now().Add(unreadFor), publish.WhyUnreadable
	e.reschedule(j, &waiting, func() { e.finish(j) })
}

// record writes the attempt into the history and ends the job.
func (e *Engine) record(j *job, a history.Line) {
	if e.log.Enabled(e.flight, slog.LevelDebug) { // the arguments cost more than the question
		e.log.Debug("attempt", "delivery", a.Delivery, "event_id", a.EventID, "type", a.Type, "attempt", a.Attempt.Attempt,
			"outcome", a.Outcome, "status", a.Status, "class", a.Class, "error", a.Error, "duration_ms", a.DurationMS)
	}
	text, err := json.Marshal(a)
	if err != nil {
		e.faults.recording.Tell(e.log, err, "delivery", a.Delivery)
		e.finish(j)
		return
	}
	ended := func(err error) { // the delivery's outcome stands without it
		e.faults.recording.Tell(e.log, err)
		e.finish(j)
	}
	e.store(func(done func(error)) { e.bus.Record(a.Trait(), text, done) }, func() { ended(nil) }, ended)
}

// finish ends a job whose outcome is stored and makes room for the next.
func (e *Engine) finish(j *job) {
	for _, release := range j.releases {
		release()
	}
	if j.window != nil {
		j.window.release()
	}
	if j.h.isElsewhere() && !e.stopping() {
		e.unite(j)
		return
	}
	e.end(j)
}

// end ends a job's part of its message.
func (e *Engine) end(j *job) {
	j.h.done()
	e.orderedEnded(j.d.Endpoint)
}

// retryStore is the pause before an outcome that could not be stored is stored again.
const retryStore = 250 * time.Millisecond

// store writes an outcome and then calls then. While the store takes nothing it tries again for as long as
// the process lives, since without the outcome the delivery would be made again. When the process stops
// first, the message stays unacknowledged and comes again. What the store will never take goes to refused.
func (e *Engine) store(write func(done func(error)), then func(), refused func(error)) {
	e.unsaved.Add(1)
	var try func()
	try = func() {
		write(func(err error) {
			switch {
			case err == nil:
				if e.storeErr.CompareAndSwap(true, false) {
					e.log.Info("storing outcomes again")
				}
				then()
				e.unsaved.Done()
			case errors.Is(err, failure.ErrTooLarge), errors.Is(err, failure.ErrRefused):
				e.storeErr.Store(false) // the store answers
				refused(err)
				e.unsaved.Done()
			case e.stopping() && !errors.Is(err, failure.ErrBusy):
				e.faults.leaving.Tell(e.log, err)
				e.unsaved.Done()
			default:
				if e.storeErr.CompareAndSwap(false, true) {
					e.log.Error("cannot store outcomes; retrying", "error", err)
				}
				time.AfterFunc(retryStore, try)
			}
		})
	}
	try()
}
