package consume

import (
	"context"
	"errors"
	"time"

	"jethook/consume/outcome"
	"jethook/consume/rehearsal"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// A message that ends whatever process works on it would do so for ever, and nothing behind it would move. So a message
// that may have done so is rehearsed in a child process before it is worked on here (see package rehearsal). What the
// child dies of is set aside as dead letters, and what it survives is worked on as usual.
//
// Two things make a message a suspect: it was handed out twice without an outcome; or two processes died in a row, the
// second one soon after it had opened the embedded server, which forgets what it handed out when it dies, and the message is
// older than this one. So a message ends two processes at most, and two more for each ordered endpoint that it is for,
// which has a consumer of its own. Innocent ones are suspects too, after stops and kills, and cost
// the rehearsal: a tenth of a millisecond.
const blameless = 2 // hand-outs, or deaths in a row

// formFor is the stage at which the job's request is made.
func (e *Engine) formFor(j *job) rehearsal.Stage {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	if !ok {
		return ""
	}
	return rehearsal.Form(ep.Format)
}

// rehearse has stages of a suspect rehearsed. It returns those that a process dies of, and false when the process
// stops first and the message was given back.
func (e *Engine) rehearse(ctx context.Context, h *held, body []byte, stages ...rehearsal.Stage) (deadly map[rehearsal.Stage]string, ok bool) {
	if !h.suspect || e.rehearser == nil || len(stages) == 0 {
		return nil, true
	}
	deadly, err := e.rehearser.Try(ctx, &rehearsal.Message{
		Stream: h.in.queue.Stream, Subject: h.msg.Subject(), Seq: h.seq, Time: h.stored, Header: h.msg.Headers(), Data: body,
	}, stages...)
	if ctx.Err() != nil {
		h.GiveBack()
		return nil, false
	}
	e.faults.rehearsing.Tell(e.log, err)
	return deadly, true
}

// rehearseForms is rehearse for the requests that are to be made of a message.
func (e *Engine) rehearseForms(ctx context.Context, h *held, jobs []*job) (deadly map[rehearsal.Stage]string, ok bool) {
	if !h.suspect {
		return nil, true
	}
	var stages []rehearsal.Stage
	seen := map[rehearsal.Stage]bool{"": true}
	for _, j := range jobs {
		if stage := e.formFor(j); !seen[stage] {
			seen[stage] = true
			stages = append(stages, stage)
		}
	}
	body := h.msg.Data()
	if d := jobs[0].d; d.Detached() {
		release, err := e.bodies.Hold(ctx, &d)
		switch {
		case err == nil:
			defer release()
			body = d.Event.Body
		case !errors.Is(err, failure.ErrBodyGone): // else there is no request to be made
			h.GiveBackLater(time.Second, err)
			return nil, false
		}
	}
	return e.rehearse(ctx, h, body, stages...)
}

// mayRead reports whether the message may be decoded. One that may not is set aside, for the ordered endpoint whose
// consumer brought it or for all others that it is for.
func (e *Engine) mayRead(ctx context.Context, h *held, ordered ...string) bool {
	deadly, ok := e.rehearse(ctx, h, h.msg.Data(), rehearsal.Read)
	if cause, found := deadly[rehearsal.Read]; found {
		e.setAside(ctx, h, ordered, cause)
		return false
	}
	return ok
}

// setAside makes dead letters of a message that can't be decoded, one for each endpoint that it is for: that is told by
// its subject, which the server has matched already.
func (e *Engine) setAside(ctx context.Context, h *held, endpoints []string, cause string) {
	e.log.Error("cannot decode a message: decoding it crashes the process", "stream", h.in.queue.Stream, "sequence", h.seq,
		"subject", h.msg.Subject(), "cause", cause)
	var jobs []*job
	for _, d := range e.unread(h, endpoints) {
		j := &job{d: d, h: h}
		switch settled, err := e.hasOutcome(ctx, h, &j.d); {
		case err != nil:
			h.GiveBackLater(time.Second, err)
			return
		case !settled:
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		h.acknowledge()
		return
	}
	h.split(len(jobs))
	for _, j := range jobs {
		e.condemn(j, cause)
	}
}

// unread are the deliveries that a message stands for, as far as that is told without decoding it.
func (e *Engine) unread(h *held, endpoints []string) (deliveries []delivery.Delivery) {
	subject, stream := h.msg.Subject(), h.in.queue.Stream
	if stream == topology.StreamDeliveries {
		return []delivery.Delivery{delivery.Unread(subject, h.seq, h.stored, h.msg.Data())}
	}
	if endpoints == nil {
		for _, ep := range e.endpoints.Match(subject) {
			if !ep.Ordered {
				endpoints = append(endpoints, ep.ID)
			}
		}
	}
	event := event.Unread(stream, subject, h.seq, h.stored, h.msg.Data())
	for _, id := range endpoints {
		deliveries = append(deliveries, delivery.Delivery{Endpoint: id, Event: event, Attempt: 1})
	}
	return deliveries
}

// condemn makes a dead letter of a delivery that no process survives.
func (e *Engine) condemn(j *job, cause string) {
	if _, ok := e.endpoints.Lookup(j.d.Endpoint); !ok { // removed, with all that waits for it
		e.finish(j)
		return
	}
	e.write(j, outcome.Poison(&j.d, cause, time.Now()))
}
