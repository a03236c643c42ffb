// Package conclusion ends jobs: it acts on the result of an attempt, stores what was decided, and then ends the job's part of
// its message.
//
// A part ends only when its outcome is stored, or its message comes again. If somebody else may have had the message too, the
// delivery is brought into one state first. The package makes no attempt, and decides neither about time (see package
// outcome) nor about endpoints.
package conclusion

import (
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"jethook/consume/attempt"
	"jethook/consume/bodies"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/held"
	"jethook/consume/outcome"
	"jethook/consume/parked"
	"jethook/publish/delivery"
	"jethook/publish/failure"
)

const (
	// unreadFor is how long a delivery of an endpoint whose record can't be read rests before it is looked at again.
	unreadFor = 5 * time.Minute
	// copyBytes is how many bytes of large copies a process is storing. A larger one goes alone.
	copyBytes = 16 << 20
	// retryBody is the pause before a body that could not be read is read again.
	retryBody = 250 * time.Millisecond
)

// Endpoints are those that this process has heard of: a [registry.Registry].
type Endpoints interface {
	Lookup(id string) (*endpoint.Endpoint, bool)
	IsUnreadable(id string) bool
}

// Health is told what becomes of an endpoint's deliveries.
type Health interface {
	// Disable switches the endpoint off.
	Disable(id, reason string)
	// Died is told of a dead letter that is stored, and of the result that was its last; nil: none was.
	Died(*delivery.Delivery, *attempt.Result)
}

// Lane is an endpoint's: it pauses when the endpoint asks for that.
type Lane interface {
	// Pause returns until when, at most for a time.
	Pause(res *attempt.Result, most time.Duration) (until time.Time)
}

// Settings are what a Concluder needs.
type Settings struct {
	Endpoints Endpoints
	Schedule  []time.Duration // of attempts, unless an endpoint has its own
	Health    Health
	Dedup     *dedup.Outcomes
	Uniter    *dedup.Uniter
	Outcomes  *outcome.Writer
	Bodies    *bodies.Bodies
	Parked    *parked.Releaser
	Ended     func(endpoint string) // called when a part of a message has ended
	Flight    *flight.Flight
	Log       *slog.Logger
}

// Concluder ends jobs. It is safe for concurrent use.
type Concluder struct {
	Settings
	copies *semaphore.Weighted // bytes of large copies that are being stored
}

// New returns a Concluder.
func New(s Settings) *Concluder { return &Concluder{s, semaphore.NewWeighted(copyBytes)} }

// Conclude stores the outcome of an attempt: this is the only place that acts on one.
func (c *Concluder) Conclude(l Lane, j *held.Job, ep *endpoint.Endpoint, res *attempt.Result) {
	dec := outcome.Decide(&j.Delivery, ep, res, c.Schedule, time.Now())
	if dec.MostPause > 0 {
		dec.Until(l.Pause(res, dec.MostPause))
	}
	if dec.Disable != "" {
		c.Health.Disable(j.Delivery.Endpoint, dec.Disable)
	}
	switch dec.Action {
	case outcome.Return:
		c.GiveBack(j, dec.Pause)
		return
	case outcome.Record:
		j.Message.MustRest()
	default:
		if _, ok := c.Endpoints.Lookup(j.Delivery.Endpoint); !ok || c.wasDeliveredElsewhere(j) { // removed, with all that waits for it
			c.Finish(j)
			return
		}
	}
	c.write(j, dec)
}

// write stores what was decided about a job, and then ends it.
func (c *Concluder) write(j *held.Job, dec outcome.Decision) {
	if dec.Next != nil {
		dec.Next.Follow(j.Place())
	}
	if dec.Line != nil {
		dec.Line.Place = j.Place()
	}
	c.Outcomes.Write(part{c, j}, &j.Delivery, dec)
}

// part is a job, to those who store its outcome.
type part struct {
	c *Concluder
	j *held.Job
}

// Elsewhere is of [outcome.Part].
func (p part) Elsewhere() (place uint64, ok bool) { return p.j.Place(), p.j.Message.IsElsewhere() }

// Carry is of [outcome.Part].
func (p part) Carry(d *delivery.Delivery) bool { return p.c.carry(p.j, d) }

// Stored is of [outcome.Part]. If an endpoint was enabled while a delivery was stored that waits for that, what waited may
// have been released before, so this goes on at once.
func (p part) Stored(dec *outcome.Decision) {
	if dec.Action == outcome.Bury {
		p.c.Health.Died(dec.Next, dec.Result)
		return
	}
	if dec.Next.Why != delivery.WhyDisabled {
		return
	}
	if ep, ok := p.c.Endpoints.Lookup(p.j.Delivery.Endpoint); ok && !ep.Disabled {
		p.c.Parked.Soon(p.j.Delivery.ID())
	}
}

// End is of [outcome.Part].
func (p part) End() { p.c.Finish(p.j) }

// wasDeliveredElsewhere reports whether the delivery was recorded as delivered while it was attempted here: somebody else has its
// message too.
func (c *Concluder) wasDeliveredElsewhere(j *held.Job) bool {
	if !j.Message.IsElsewhere() {
		return false
	}
	message := j.Message.Past()
	delivered, err := c.Dedup.WasDelivered(c.Flight.Context(), &j.Delivery, &message, time.Now())
	if err != nil || !delivered {
		return false
	}
	j.Message.MustRest()
	return true
}

// GiveBack ends a job without an outcome: its message comes again after a while. It is no attempt.
func (c *Concluder) GiveBack(j *held.Job, delay time.Duration) {
	j.Message.ComeBack(delay)
	c.Finish(j)
}

// Postpone puts a delivery back into the schedule that its lane can't hold. It is no attempt.
func (c *Concluder) Postpone(j *held.Job, until time.Time) {
	c.write(j, outcome.Wait(&j.Delivery, until, delivery.WhyTurn))
}

// PutBack puts a delivery that came too early back on the bus for the time it was due.
func (c *Concluder) PutBack(j *held.Job) {
	c.write(j, outcome.Wait(&j.Delivery, j.Delivery.Due, j.Delivery.Why))
}

// Condemn makes a dead letter of a delivery that no process survives.
func (c *Concluder) Condemn(j *held.Job, cause string) {
	if _, ok := c.Endpoints.Lookup(j.Delivery.Endpoint); !ok { // removed, with all that waits for it
		c.Finish(j)
		return
	}
	c.write(j, outcome.Poison(&j.Delivery, cause, time.Now()))
}

// LackBody ends a job whose body could not be had: one that is gone ends the delivery, any other fault lets it come again.
func (c *Concluder) LackBody(j *held.Job, err error) {
	if errors.Is(err, failure.ErrBodyGone) {
		c.write(j, outcome.Bodiless(&j.Delivery, err))
		return
	}
	c.GiveBack(j, outcome.LocalPause)
}

// Park puts a delivery of a disabled endpoint back on the bus.
func (c *Concluder) Park(j *held.Job) {
	c.write(j, outcome.Wait(&j.Delivery, time.Now().Add(parked.For), delivery.WhyDisabled))
}

// Strand ends a delivery without an endpoint: it is dropped when that is removed. When only its record can't be read,
// it waits, and uses no attempt up.
func (c *Concluder) Strand(j *held.Job) {
	if !c.Endpoints.IsUnreadable(j.Delivery.Endpoint) {
		c.Log.Debug("delivery dropped: its endpoint is removed", "delivery", j.Delivery.ID(), "trace_id", j.Delivery.Event.TraceID())
		c.Finish(j)
		return
	}
	c.write(j, outcome.Wait(&j.Delivery, time.Now().Add(unreadFor), delivery.WhyUnreadable))
}

// Finish ends a job whose outcome is stored and makes room for the next.
func (c *Concluder) Finish(j *held.Job) {
	j.Release()
	if j.Message.IsElsewhere() && !c.Flight.IsStopping() {
		j.Message.MustRest() // what is united may be known by the history alone
		c.Uniter.Unite(c.Flight.Context(), united{c, j})
		return
	}
	c.end(j)
}

// united is a job to those who bring its delivery into one state.
type united struct {
	c *Concluder
	j *held.Job
}

// Delivery is of [dedup.Part].
func (u united) Delivery() *delivery.Delivery { return &u.j.Delivery }

// Message is of [dedup.Part].
func (u united) Message() dedup.Message { return u.j.Message.Past() }

// ComeBack is of [dedup.Part].
func (u united) ComeBack() { u.j.Message.ComeBack(0) }

// End is of [dedup.Part].
func (u united) End() { u.c.end(u.j) }

// end ends a job's part of its message.
func (c *Concluder) end(j *held.Job) {
	j.Message.Done()
	c.Ended(j.Delivery.Endpoint)
}

// carry gives d what a large copy of it needs, and waits until there is room to store one. A body that is gone stays so. It
// returns false when the process stops first: then the message comes again.
func (c *Concluder) carry(j *held.Job, d *delivery.Delivery) bool {
	release, err := c.Bodies.Hold(c.Flight.Context(), d)
	for err != nil && !errors.Is(err, failure.ErrBodyGone) {
		if c.Flight.IsStopping() {
			return false
		}
		time.Sleep(retryBody)
		release, err = c.Bodies.Hold(c.Flight.Context(), d)
	}
	j.OnRelease(release)
	if size := min(int64(d.BodySize()), copyBytes); !j.Copies { // a job that has room never waits for more of it
		if c.copies.Acquire(c.Flight.Context(), size) != nil {
			return false
		}
		j.Copies = true
		j.OnRelease(func() { c.copies.Release(size) })
	}
	return true
}
