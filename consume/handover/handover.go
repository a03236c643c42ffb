// Package handover takes back what a lane can't attempt for a while: an event goes to its endpoint's cursor, and a delivery that
// came due into the schedule.
//
// Nobody sees an event nowhere while the shared intake gives it to the cursor: the endpoint's record is stored first, and until
// it is known what the record says, the event waits aside. The package makes no attempt, and decides nothing about a lane.
package handover

import (
	"errors"
	"log/slog"

	"jethook/consume/conclusion"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/held"
	"jethook/consume/lane"
	"jethook/publish/outage"
)

// Endpoints are those that this process has heard of: a [registry.Registry].
type Endpoints interface {
	Lookup(id string) (*endpoint.Endpoint, bool)
}

// Settings are what a Handover needs.
type Settings struct {
	Endpoints Endpoints
	Cursors   *cursor.Table
	Lane      func(*endpoint.Endpoint) *held.Lane
	Ends      *conclusion.Concluder
	Flight    *flight.Flight
	Log       *slog.Logger
}

// Handover takes back what lanes can't attempt. It is safe for concurrent use.
type Handover struct{ Settings }

// New returns a Handover.
func New(s Settings) *Handover { return &Handover{s} }

// Leave lets the lane's endpoint leave the shared intake of a stream. It returns at once: whoever takes an event meanwhile
// learns by the record whose it is.
func (h *Handover) Leave(l *held.Lane, key cursor.Key) {
	if !l.BeginLeaving(key.Stream) {
		return
	}
	why := l.Why()
	if r := h.Cursors.Of(key); r != nil && r.Phase == cursor.Own {
		l.EndLeaving(key.Stream)
		return
	}
	h.Flight.Go(func() {
		defer l.EndLeaving(key.Stream)
		outage.Insist(h.Flight.Context(), func() error {
			if h.Flight.IsStopping() {
				return nil
			}
			_, err := h.Cursors.Leave(h.Flight.Context(), key, why)
			return err
		}, func(err error) {
			h.Log.Warn("cannot store a cursor record; retrying", "endpoint", key.Endpoint, "error", err)
		})
	})
}

// DecideAside decides about the events of a stream that wait for their endpoint's record to say whose they are.
func (h *Handover) DecideAside(l *held.Lane, key cursor.Key) {
	r := h.Cursors.Of(key)
	if !r.Divides() {
		return
	}
	for _, j := range l.TakeAside(key.Stream) {
		switch {
		case r == nil || r.Epoch != j.Epoch: // it has come and gone: what is recorded decides
			h.Ends.GiveBack(j, 0)
		case r.HasCursor(j.Message.Seq), l.Endpoint().PassesBy() && !r.CameBefore(j.Message.Seq):
			h.Ends.Finish(j)
		default:
			l.Take(j)
		}
	}
}

// Relieve lets a lane that rests give back what it can't attempt for a while.
func (h *Handover) Relieve(l *held.Lane) {
	shared := make(map[cursor.Key][]*held.Job)
	ep := l.Endpoint()
	for _, j := range l.Relieve() {
		if lane.GoesToCursor(ep, j.Facts()) {
			shared[j.Key()] = append(shared[j.Key()], j)
		} else {
			h.SetDown(j)
		}
	}
	for key, jobs := range shared {
		h.handOver(l, key, jobs)
	}
}

// SetDown ends a job that can't be attempted for a while.
func (h *Handover) SetDown(j *held.Job) {
	ep, ok := h.Endpoints.Lookup(j.Delivery.Endpoint)
	switch {
	case !ok:
		h.Ends.Strand(j)
	case j.Message.Origin().Cursor || ep.Ordered && !j.IsDue():
		h.Ends.GiveBack(j, 0)
	case !j.IsDue():
		l := h.Lane(ep)
		l.CountHandover(j.Message.Origin().Stream, 1)
		h.handOver(l, j.Key(), []*held.Job{j})
	case ep.Disabled:
		h.Ends.Park(j)
	default:
		until, _ := h.Lane(ep).RestsUntil()
		h.Ends.Postpone(j, until)
	}
}

// handOver hands events that came by the shared intake over to their endpoint's cursor, and that the lane has counted as such. Those
// that come too late are written into the schedule, and those that pass the endpoint by end here.
func (h *Handover) handOver(l *held.Lane, key cursor.Key, jobs []*held.Job) {
	why := l.Why()
	h.Flight.Go(func() {
		r, err := h.leaveTo(l, key, why, jobs)
		for _, j := range jobs {
			switch {
			case err == nil, isPassedBy(l, j, r):
				h.Ends.Finish(j)
			case errors.Is(err, errStopped):
				h.Ends.GiveBack(j, 0)
			case l.Endpoint().Disabled:
				h.Ends.Park(j)
			default:
				if until, rests := l.RestsUntil(); rests {
					h.Ends.Postpone(j, until)
				} else {
					l.Take(j)
				}
			}
		}
		l.CountHandover(key.Stream, -len(jobs))
	})
}

// leaveTo leaves events to their endpoint's cursor, but for those that pass it by, and returns its record. It insists, but on
// [cursor.ErrOpened] and errStopped.
func (h *Handover) leaveTo(l *held.Lane, key cursor.Key, why cursor.Why, jobs []*held.Job) (r *cursor.Record, err error) {
	outage.Insist(h.Flight.Context(), func() error {
		if err = errStopped; h.Flight.IsStopping() {
			return nil
		}
		var fails error
		if r, fails = h.leaveUnlessPassing(l, key, why); fails != nil {
			return fails
		}
		var places []uint64
		for _, j := range jobs {
			if !isPassedBy(l, j, r) {
				places = append(places, j.Message.Seq)
			}
		}
		fails = h.Cursors.LeaveTo(h.Flight.Context(), key, places)
		if fails == nil || errors.Is(fails, cursor.ErrOpened) {
			err = fails
			return nil
		}
		return fails
	}, func(err error) {
		h.Log.Warn("cannot hand events over to a lagging endpoint's cursor; retrying", "endpoint", key.Endpoint, "error", err)
	})
	return r, err
}

// leaveUnlessPassing lets an endpoint leave, unless what comes passes it by: then its record says so, and must go on
// saying it.
func (h *Handover) leaveUnlessPassing(l *held.Lane, key cursor.Key, why cursor.Why) (*cursor.Record, error) {
	if l.Endpoint().PassesBy() {
		if r, err := h.Cursors.Settle(h.Flight.Context(), key); err != nil || r != nil {
			return r, err
		}
	}
	return h.Cursors.Leave(h.Flight.Context(), key, why)
}

// errStopped means that the process stops.
var errStopped = errors.New("the process stops")

// isPassedBy reports whether a job of the shared intake passes the lane's endpoint by, as its record says; nil: it is not
// known.
func isPassedBy(l *held.Lane, j *held.Job, r *cursor.Record) bool {
	return r != nil && l.Endpoint().PassesBy() && !r.CameBefore(j.Message.Seq)
}
