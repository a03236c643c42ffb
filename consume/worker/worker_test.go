package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"jethook/consume/ack"
	"jethook/consume/conclusion"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/held"
	"jethook/consume/held/heldtest"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
)

// stored is what somebody else has stored of a delivery.
type stored struct {
	over  bool
	err   error
	asked int
}

func (s *stored) IsRecorded(context.Context, *delivery.Delivery, *dedup.Message) (bool, error) {
	s.asked++
	return s.over, s.err
}

// none are no endpoints.
type none struct{}

func (none) Lookup(string) (*endpoint.Endpoint, bool) { return nil, false }

func (none) IsUnreadable(string) bool { return false }

// handedBack remembers the jobs that were set down.
type handedBack struct{ jobs []*held.Job }

func (h *handedBack) SetDown(j *held.Job) { h.jobs = append(h.jobs, j) }

// one is an endpoint that there is.
type one struct{ *endpoint.Endpoint }

func (o one) Lookup(string) (*endpoint.Endpoint, bool) { return o.Endpoint, true }

// rig is a worker that has no client: it must make no request.
func rig(t *testing.T, eps Endpoints, outcomes Outcomes) (*Worker, *heldtest.Intake, *held.Job) {
	t.Helper()
	bus := bustest.Open(t, bustest.Settings(t))
	in := heldtest.NewIntake(bus, ack.NewQueue(0))
	in.Publish(t, "evt_1")
	j := heldtest.Job(t, in.Take(t, 1)[0])
	j.Message.Again = false // the server has just been started
	f := flight.New()
	f.Stop() // what ends is not looked at again
	return New(Settings{
		Endpoints: eps, Outcomes: outcomes, Handover: &handedBack{}, Flight: flight.New(),
		Ends: conclusion.New(conclusion.Settings{Endpoints: none{}, Ended: func(string) {}, Flight: f}),
	}), in, j
}

// What somebody else has done with a message since it came is not attempted again.
func TestOutcomeStoredElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		found     stored
		breaks    bool
		asked     int
		open      bool
		comeAgain bool
	}{
		"nobody else has it":         {stored{over: true}, false, 0, true, false},
		"nobody has stored anything": {stored{}, true, 1, true, false},
		"it has its outcome":         {stored{over: true}, true, 1, false, false},
		"it can't be told":           {stored{err: errors.New("no answer")}, true, 1, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, in, j := rig(t, none{}, &test.found)
			if test.breaks {
				in.Break()
			}
			if open := w.isStillOpen(j); open != test.open || test.found.asked != test.asked {
				t.Errorf("open: %t, asked %d times", open, test.found.asked)
			}
			if j.Message.IsHeld() != test.open {
				t.Errorf("its message is held: %t", j.Message.IsHeld())
			}
			if test.comeAgain {
				if again := in.Take(t, 1)[0]; again.Seq != j.Message.Seq {
					t.Errorf("message %d came, want %d again", again.Seq, j.Message.Seq)
				}
			}
		})
	}
}

// A delivery of a disabled endpoint is set down, and makes no request.
func TestDisabled(t *testing.T) {
	t.Parallel()
	w, _, j := rig(t, one{&endpoint.Endpoint{ID: heldtest.Endpoint, Disabled: true}}, &stored{})
	w.Attempt(nil, j)
	if back := w.Handover.(*handedBack).jobs; len(back) != 1 || back[0] != j {
		t.Errorf("set down: %v", back)
	}
}

// A delivery that came far too early is not waited for, and one that is a moment early is.
func TestEarly(t *testing.T) {
	t.Parallel()
	w := New(Settings{Flight: flight.New()})
	early := func(by time.Duration) *held.Job {
		return &held.Job{Delivery: delivery.Delivery{Due: time.Now().Add(by)}}
	}
	soon := early(50 * time.Millisecond)
	if !w.awaitDue(soon) || time.Now().Before(soon.Delivery.Due) {
		t.Error("what is a moment early was not waited for")
	}
	if w.awaitDue(early(time.Hour)) {
		t.Error("what is an hour early was waited for")
	}
	w.Flight.Stop()
	if w.awaitDue(early(time.Second)) {
		t.Error("the process stops, and it was waited for")
	}
}
