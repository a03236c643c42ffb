package dispatch

import (
	"context"
	"errors"
	"time"

	"jethook/consume/held"
	"jethook/consume/rehearsal"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// A message that ends whatever process works on it would do so for ever, and nothing behind it would move. So a suspect (see
// package held) is rehearsed in a child process before it is worked on here (see package rehearsal). What the child dies of is
// set aside as dead letters, and what it survives is worked on as usual.
//
// So a message ends two processes at most, and two more for each ordered endpoint that it is for, which has a consumer of its
// own. Innocent ones are suspects too, after stops and kills, and cost the rehearsal: a tenth of a millisecond.

// Rehearser has stages of a message rehearsed: a [rehearsal.Rehearser].
type Rehearser interface {
	// Try returns those that children died of, with the cause. An error says that it can't be told.
	Try(ctx context.Context, m *rehearsal.Message, stages ...rehearsal.Stage) (deadly map[rehearsal.Stage]string, err error)
}

// Rehearse lets the dispatcher have suspects rehearsed. It is called before any message comes.
func (x *Dispatcher) Rehearse(by Rehearser) { x.rehearser = by }

// formFor is the stage at which the job's request is made.
func (x *Dispatcher) formFor(j *held.Job) rehearsal.Stage {
	ep, ok := x.Endpoints.Lookup(j.Delivery.Endpoint)
	if !ok {
		return ""
	}
	return rehearsal.Form(ep.Format)
}

// rehearse has stages of a suspect rehearsed. It returns those that a process dies of, and false when the process
// stops first and the message was given back.
func (x *Dispatcher) rehearse(ctx context.Context, m *held.Message, body []byte, stages ...rehearsal.Stage) (deadly map[rehearsal.Stage]string, ok bool) {
	if !m.Suspect || x.rehearser == nil || len(stages) == 0 {
		return nil, true
	}
	deadly, err := x.rehearser.Try(ctx, &rehearsal.Message{
		Stream: m.Origin().Stream, Subject: m.Msg.Subject(), Seq: m.Seq, Time: m.Stored, Header: m.Msg.Headers(), Data: body,
	}, stages...)
	if ctx.Err() != nil {
		m.GiveBack()
		return nil, false
	}
	x.rehearsing.Tell(x.Log, err)
	return deadly, true
}

// rehearseForms is rehearse for the requests that are to be made of a message.
func (x *Dispatcher) rehearseForms(ctx context.Context, m *held.Message, jobs []*held.Job) (deadly map[rehearsal.Stage]string, ok bool) {
	if !m.Suspect {
		return nil, true
	}
	var stages []rehearsal.Stage
	seen := map[rehearsal.Stage]bool{"": true}
	for _, j := range jobs {
		if stage := x.formFor(j); !seen[stage] {
			seen[stage] = true
			stages = append(stages, stage)
		}
	}
	body := m.Msg.Data()
	if d := jobs[0].Delivery; d.Detached() {
		release, err := x.Bodies.Hold(ctx, &d)
		switch {
		case err == nil:
			defer release()
			body = d.Event.Body
		case !errors.Is(err, failure.ErrBodyGone): // else there is no request to be made
			m.GiveBackLater(time.Second, err)
			return nil, false
		}
	}
	return x.rehearse(ctx, m, body, stages...)
}

// mayRead reports whether the message may be decoded. One that may not is set aside, for the ordered endpoint whose
// consumer brought it or for all others that it is for.
func (x *Dispatcher) mayRead(ctx context.Context, m *held.Message, ordered ...string) bool {
	deadly, ok := x.rehearse(ctx, m, m.Msg.Data(), rehearsal.Read)
	if cause, found := deadly[rehearsal.Read]; found {
		x.setAside(ctx, m, ordered, cause)
		return false
	}
	return ok
}

// setAside makes dead letters of a message that can't be decoded, one for each endpoint that it is for: that is told by
// its subject, which the server has matched already.
func (x *Dispatcher) setAside(ctx context.Context, m *held.Message, endpoints []string, cause string) {
	x.Log.Error("cannot decode a message: decoding it crashes the process", "stream", m.Origin().Stream, "sequence", m.Seq,
		"subject", m.Msg.Subject(), "cause", cause)
	var jobs []*held.Job
	for _, d := range x.unread(m, endpoints) {
		j := &held.Job{Delivery: d, Message: m}
		switch settled, err := x.hasOutcome(ctx, m, &j.Delivery); {
		case err != nil:
			m.GiveBackLater(time.Second, err)
			return
		case !settled:
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		m.Acknowledge()
		return
	}
	m.Split(len(jobs))
	for _, j := range jobs {
		x.Ends.Condemn(j, cause)
	}
}

// unread are the deliveries that a message stands for, as far as that is told without decoding it.
func (x *Dispatcher) unread(m *held.Message, endpoints []string) (deliveries []delivery.Delivery) {
	subject, stream := m.Msg.Subject(), m.Origin().Stream
	if stream == topology.StreamDeliveries {
		return []delivery.Delivery{delivery.Unread(subject, m.Seq, m.Stored, m.Msg.Data())}
	}
	if endpoints == nil {
		for _, ep := range x.Endpoints.Match(subject) {
			if !ep.Ordered {
				endpoints = append(endpoints, ep.ID)
			}
		}
	}
	event := event.Unread(stream, subject, m.Seq, m.Stored, m.Msg.Data())
	for _, id := range endpoints {
		deliveries = append(deliveries, delivery.Delivery{Endpoint: id, Event: event, Attempt: 1})
	}
	return deliveries
}
