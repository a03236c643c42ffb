// Package dispatch says what a message means: which deliveries it stands for, and which of them this process has yet to make.
// Those go to their endpoints' lanes.
//
// An endpoint whose cursor has an event is passed over, and so is a delivery that somebody else has dealt with. What the lanes
// have no room for stays where it is. A message that may have ended earlier processes is rehearsed first. The package takes no
// messages off streams and makes no attempt.
package dispatch

import (
	"context"
	"log/slog"
	"time"

	"jethook/consume/bodies"
	"jethook/consume/conclusion"
	"jethook/consume/cursor"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/handover"
	"jethook/consume/held"
	"jethook/consume/lane"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/outage"
)

const (
	// duePlaces is how many deliveries that came due one process holds at once.
	duePlaces = 8192
	// storeLook is the pause between looks at whether outcomes can be stored.
	storeLook = 50 * time.Millisecond
)

// Endpoints are the endpoints as this process has heard of them, and as the bucket has them: a [registry.Registry].
type Endpoints interface {
	Lookup(id string) (*endpoint.Endpoint, bool)
	Match(subject string) []*endpoint.Endpoint    // but for those that it passes by
	MatchAll(subject string) []*endpoint.Endpoint // with those
	Get(ctx context.Context, id string) (endpoint.Endpoint, error)
}

// Outcomes are being stored: an [outcome.Writer].
type Outcomes interface {
	// Failing reports whether the last one could not be.
	Failing() bool
}

// Settings are what a Dispatcher needs.
type Settings struct {
	Bus       *publish.Bus
	Endpoints Endpoints
	Cursors   *cursor.Table
	Dedup     *dedup.Outcomes
	Outcomes  Outcomes
	Lane      func(*endpoint.Endpoint) *held.Lane
	Throttle  *lane.Throttle // of retries
	Bodies    *bodies.Bodies
	Ends      *conclusion.Concluder
	Handover  *handover.Handover
	Window    int64 // deliveries that are attempted for the first time and held at once
	Log       *slog.Logger
}

// Dispatcher hands deliveries to lanes. It is safe for concurrent use.
type Dispatcher struct {
	Settings
	events    *held.Places // of events that are attempted for the first time
	dues      *held.Places // of deliveries that came due
	rehearser Rehearser    // nil: what may end the process is not rehearsed

	reading    outage.Outage // what came due
	rehearsing outage.Outage // messages that earlier processes may have died of
}

// New returns a Dispatcher that rehearses nothing.
func New(s Settings) *Dispatcher {
	return &Dispatcher{
		Settings: s, events: held.NewPlaces(s.Window), dues: held.NewPlaces(duePlaces),
		reading: outage.Outage{Fails: "dropping messages that are not deliveries"},
		rehearsing: outage.Outage{
			Fails: "messages that earlier processes may have died of can't be rehearsed, and are worked on without that",
			Works: "messages that earlier processes may have died of are rehearsed again",
		},
	}
}

// SubmitEvent hands an event to the lanes of the endpoints that subscribed to it, and passes over those whose cursor has
// it.
func (x *Dispatcher) SubmitEvent(ctx context.Context, m *held.Message) {
	if !x.mayRead(ctx, m) {
		return
	}
	event, err := event.Decode(m.Msg)
	if err != nil {
		x.Log.Error("cannot decode an event", "subject", m.Msg.Subject(), "error", err)
		m.Settle()
		return
	}
	var jobs []*held.Job
	for _, ep := range x.Endpoints.MatchAll(event.Subject) {
		if ep.Ordered { // it takes its events itself
			continue
		}
		r := x.Cursors.Of(cursor.Key{Endpoint: ep.ID, Stream: m.Origin().Stream})
		if r.Divides() && r.HasCursor(m.Seq) || ep.PassesBy() && !r.CameBefore(m.Seq) {
			continue
		}
		j := &held.Job{Delivery: delivery.Delivery{Endpoint: ep.ID, Event: event, Attempt: 1}, Message: m}
		if !r.Divides() {
			j.Epoch = r.Epoch
		}
		settled, err := x.hasOutcome(ctx, m, &j.Delivery)
		if err != nil {
			m.GiveBackLater(time.Second, err)
			return
		}
		if !settled {
			jobs = append(jobs, j)
		}
	}
	x.submit(ctx, m, jobs)
}

// SubmitDue hands a delivery that came due to its endpoint's lane.
func (x *Dispatcher) SubmitDue(ctx context.Context, m *held.Message) {
	if !x.mayRead(ctx, m) {
		return
	}
	d, err := delivery.Decode(m.Msg)
	if err != nil {
		x.reading.Tell(x.Log, err, "subject", m.Msg.Subject())
		m.Settle()
		return
	}
	settled, err := x.hasOutcome(ctx, m, &d)
	if err == nil && !settled {
		err = x.Bus.Deliveries().Replayed(ctx, &d)
	}
	switch {
	case err != nil:
		m.GiveBackLater(time.Second, err)
	case settled:
		m.Acknowledge()
	default:
		x.Submit(ctx, m, d)
	}
}

// hasOutcome reports whether somebody else who had the message stored an outcome of one of its deliveries.
func (x *Dispatcher) hasOutcome(ctx context.Context, m *held.Message, d *delivery.Delivery) (bool, error) {
	message := m.Past()
	has, err := x.Dedup.Has(ctx, d, &message)
	if has {
		m.MustRest()
	}
	return has, err
}

// Submit hands a message that stands for one delivery to its endpoint's lane.
func (x *Dispatcher) Submit(ctx context.Context, m *held.Message, d delivery.Delivery) {
	x.submit(ctx, m, []*held.Job{{Delivery: d, Message: m}})
}

// submit hands the jobs of one message to their lanes.
func (x *Dispatcher) submit(ctx context.Context, m *held.Message, jobs []*held.Job) {
	if len(jobs) == 0 {
		m.Acknowledge()
		return
	}
	for x.Outcomes.Failing() && ctx.Err() == nil { // what is attempted now could not be noted
		time.Sleep(storeLook)
	}
	deadly, ok := x.rehearseForms(ctx, m, jobs)
	if !ok {
		return
	}
	m.Split(len(jobs))
	for _, j := range jobs {
		if cause, found := deadly[x.formFor(j)]; found {
			x.Ends.Condemn(j, cause)
		} else {
			x.start(ctx, j)
		}
	}
}

// start hands one job to its lane. What the lane has no room for stays where it is: an event in its stream, and a delivery
// that came due in the schedule. Once ctx has ended the job is given back, since other jobs of its message may have been
// handed on already.
func (x *Dispatcher) start(ctx context.Context, j *held.Job) {
	ep, ok := x.Endpoints.Lookup(j.Delivery.Endpoint)
	switch {
	case !ok:
		x.Ends.Strand(j)
		return
	case ctx.Err() != nil:
		x.Ends.GiveBack(j, 0)
		return
	case ep.PassesBy() && j.IsShared() && !x.Cursors.Of(j.Key()).CameBefore(j.Message.Seq): // matched before this process heard of that
		x.Ends.Finish(j)
		return
	}
	l := x.Lane(ep)
	switch {
	case j.Message.Origin().Cursor, ep.Ordered && !j.IsDue():
		l.Take(j)
	case j.IsDue():
		x.startDue(ctx, l, j)
	default:
		x.startShared(ctx, l, j)
	}
}

// startDue hands a delivery that came due to its lane.
func (x *Dispatcher) startDue(ctx context.Context, l *held.Lane, j *held.Job) {
	if l.Works() {
		x.Throttle.Wait(ctx)
	}
	if !l.Offer(j, func() bool { return x.dues.Take(ctx, j) }) {
		x.Handover.SetDown(j)
	}
}

// startShared hands an event of the shared intake to a lane. An endpoint whose lane is full leaves the shared intake; what
// comes until it has left is taken nevertheless, or held until it is known whose it is.
func (x *Dispatcher) startShared(ctx context.Context, l *held.Lane, j *held.Job) {
	x.Throttle.SawFirst()
	if j.Epoch != "" {
		l.SetAside(j)
		x.Handover.DecideAside(l, j.Key()) // it may be known by now
		return
	}
	if l.Endpoint().PassesBy() {
		x.Handover.SetDown(j)
		return
	}
	if r := x.Cursors.Of(j.Key()); r.Divides() && r.HasCursor(j.Message.Seq) { // it was not known yet when the event was matched
		x.Ends.Finish(j)
		return
	}
	if !l.OfferPatiently(ctx, j, func() bool { return x.events.Take(ctx, j) }) {
		x.Handover.Leave(l, j.Key())
		l.AwaitLeaving(ctx, j.Message.Origin().Stream)
		l.Take(j)
	}
}
