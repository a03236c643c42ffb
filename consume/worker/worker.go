// Package worker makes the attempts that lanes decide on, one request each.
//
// It makes none whose delivery has ended elsewhere meanwhile, or whose endpoint is disabled or removed; what the request says
// goes to package conclusion, which stores it, and to whoever learns from it. It decides neither when an attempt is made nor what
// follows from it.
package worker

import (
	"cmp"
	"context"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/bodies"
	"jethook/consume/conclusion"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/held"
	"jethook/consume/lane"
	"jethook/publish/delivery"
	"jethook/publish/trace"
)

// Endpoints are those that this process has heard of: a [registry.Registry].
type Endpoints interface {
	Lookup(id string) (*endpoint.Endpoint, bool)
}

// Outcomes are what somebody else may have stored: [dedup.Outcomes].
type Outcomes interface {
	IsRecorded(context.Context, *delivery.Delivery, *dedup.Message) (bool, error)
}

// Handover takes what can't be attempted for a while.
type Handover interface{ SetDown(*held.Job) }

// Health draws from a result, and from what the lane saw of it, what follows for the endpoint.
type Health interface {
	Examine(id string, res *attempt.Result, seen lane.Health)
}

// Meters count attempts. Stored is when the event was, if it had not waited; else zero.
type Meters interface {
	Note(id string, res *attempt.Result, stored time.Time)
}

// Settings are what a Worker needs.
type Settings struct {
	Endpoints Endpoints
	Client    *attempt.Client
	Outcomes  Outcomes
	Bodies    *bodies.Bodies
	Ends      *conclusion.Concluder
	Handover  Handover
	Health    Health
	Meters    Meters
	Flight    *flight.Flight
}

// Worker makes attempts. It is safe for concurrent use.
type Worker struct {
	Settings
	tracer *trace.Tracer // nil: attempts are not traced
}

// New returns a Worker.
func New(s Settings) *Worker { return &Worker{Settings: s} }

// Trace lets the worker trace its attempts. It is called before the first one.
func (w *Worker) Trace(t *trace.Tracer) { w.tracer = t }

// Attempt makes one attempt, of which the lane learns, and has its outcome stored. It is of [lane.Worker].
func (w *Worker) Attempt(l *held.Lane, j *held.Job) {
	ep, ok := w.Endpoints.Lookup(j.Delivery.Endpoint)
	switch {
	case !ok:
		w.Ends.Strand(j)
		return
	case w.Flight.IsStopping(), j.Message.HasLapsed():
		w.Ends.GiveBack(j, 0)
		return
	case !w.isStillOpen(j):
		return
	case ep.Disabled:
		w.Handover.SetDown(j)
		return
	case !w.awaitDue(j):
		w.Ends.PutBack(j)
		return
	}
	if !w.fetchBody(j) {
		return
	}
	res := w.request(j, ep)
	// The lane learns of results in the order in which they came: failures are stored in batches, and would come in a row.
	seen := l.Learn(j.Facts().Class, &res)
	w.Ends.Conclude(l, j, ep, &res)
	var stored time.Time // of an event that has not waited
	if j.IsFirst() && j.Delivery.Attempt == 1 {
		stored = j.Message.Stored
	}
	w.Meters.Note(ep.ID, &res, stored)
	w.Health.Examine(ep.ID, &res, seen)
}

// request makes the request of an attempt as a step of the event's trace.
func (w *Worker) request(j *held.Job, ep *endpoint.Endpoint) attempt.Result {
	span := w.tracer.Attempt(&j.Delivery)
	j.Delivery.First = cmp.Or(j.Delivery.First, span.Reference())
	res := w.Client.Do(w.Flight.Context(), attempt.Request{
		Endpoint: ep, EventID: j.Delivery.Event.ID, EventType: j.Delivery.Event.Type, Subject: j.Delivery.Event.Subject,
		ContentType: j.Delivery.Event.ContentType, Traceparent: cmp.Or(span.Traceparent(), j.Delivery.Event.Traceparent), Source: j.Delivery.Event.Source,
		Received: j.Delivery.Event.Received, Header: j.Delivery.Event.Forward, Body: j.Delivery.Event.Body, Attempt: j.Delivery.Attempt,
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
func (w *Worker) isStillOpen(j *held.Job) bool {
	looked := j.Message.Came
	if j.Checked.After(looked) {
		looked = j.Checked
	}
	if !j.Message.IsForgotten() && (!j.Message.Again || time.Since(looked) < dedup.RereadAfter) {
		return true
	}
	message := j.Message.Past()
	over, err := w.Outcomes.IsRecorded(w.Flight.Context(), &j.Delivery, &message)
	switch {
	case err != nil:
		w.Ends.GiveBack(j, time.Second)
	case over:
		j.Message.MustRest()
		w.Ends.Finish(j)
	default:
		j.Checked = time.Now()
	}
	return err == nil && !over
}

// awaitDue holds a delivery that came a moment early. It returns false when that moment is too long, or when
// the process stops first.
func (w *Worker) awaitDue(j *held.Job) bool {
	early := time.Until(j.Delivery.Due)
	if j.Delivery.Due.IsZero() || early <= 0 {
		return true
	}
	if early > dedup.MaxEarly {
		return false
	}
	select {
	case <-time.After(early):
		return true
	case <-w.Flight.Stopped():
		return false
	}
}

// fetchBody gives the job its body before an attempt. It returns false when there is none to be had, and the job goes on
// without an attempt.
func (w *Worker) fetchBody(j *held.Job) bool {
	release, err := w.Bodies.Hold(w.Flight.Context(), &j.Delivery)
	if err != nil {
		w.Ends.LackBody(j, err)
		return false
	}
	j.OnRelease(release)
	return true
}
