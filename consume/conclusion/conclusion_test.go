package conclusion

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"jethook/consume/ack"
	"jethook/consume/attempt"
	"jethook/consume/bodies"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/held"
	"jethook/consume/held/heldtest"
	"jethook/consume/outcome"
	"jethook/consume/parked"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/failure"
)

// endpoints are those of the tests: some are there, and some can't be read.
type endpoints struct {
	all        map[string]*endpoint.Endpoint
	unreadable bool
}

func (e endpoints) Lookup(id string) (*endpoint.Endpoint, bool) {
	ep, ok := e.all[id]
	return ep, ok
}

func (e endpoints) IsUnreadable(string) bool { return e.unreadable }

// health remembers the deaths that it was told of.
type health struct{ died []string }

func (h *health) Disable(string, string) {}

func (h *health) Died(d *delivery.Delivery, _ *attempt.Result) { h.died = append(h.died, d.Reason) }

// rig is a Concluder, and what brings it messages.
type rig struct {
	*Concluder
	bus    *publish.Bus
	in     *heldtest.Intake
	acks   *ack.Queue
	health *health
	ended  []string
}

func newRig(t *testing.T, known endpoints) *rig {
	t.Helper()
	bus, log, began := bustest.Open(t, bustest.Settings(t)), slog.New(slog.DiscardHandler), time.Now()
	r := &rig{bus: bus, acks: ack.NewQueue(time.Hour), health: &health{}}
	r.in = heldtest.NewIntake(bus, r.acks)
	f := flight.New()
	outcomes := dedup.New(bus.Query(), bus.Find(), struct {
		*delivery.Finder
		*delivery.Store
	}{bus.Find(), bus.Deliveries()}, func() time.Time { return began })
	r.Concluder = New(Settings{
		Endpoints: known, Health: r.health, Dedup: outcomes, Uniter: dedup.NewUniter(outcomes, f.Stopped(), f.Pending(), log),
		Outcomes: outcome.NewWriter(bus.Deliveries(), f.Stopped(), f.Pending(), log), Bodies: bodies.New(bus, 1<<20),
		Parked: parked.NewReleaser(bus, f, log), Ended: func(id string) { r.ended = append(r.ended, id) }, Flight: f, Log: log,
	})
	return r
}

// job returns one of an event that was published.
func (r *rig) job(t *testing.T) *held.Job {
	t.Helper()
	r.in.Publish(t, "evt_1")
	return heldtest.Job(t, r.in.Take(t, 1)[0])
}

// elsewhere returns a job of an event that another process may have too.
func (r *rig) elsewhere(t *testing.T) *held.Job {
	t.Helper()
	j := r.job(t)
	r.in.Break()
	return j
}

// waitingOf is a job's delivery with its next attempt in an hour.
func waitingOf(j *held.Job) *delivery.Delivery {
	d := j.Delivery
	d.Attempt, d.Due, d.Why = 2, time.Now().Add(time.Hour), delivery.WhyRetry
	return &d
}

// settle lets what rests be acknowledged.
func (r *rig) settle(t *testing.T) {
	t.Helper()
	r.Flight.Wait()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := r.acks.Run(stopped); err != nil {
		t.Error(err)
	}
}

// Two processes that had one message have both stored what became of it: one state is left.
func TestTwoOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ delivered, dead, waits, leftDead, leftWaiting bool }{
		"delivered and dead":            {delivered: true, dead: true},
		"delivered and waiting":         {delivered: true, waits: true},
		"dead and waiting":              {dead: true, waits: true, leftDead: true},
		"all":                           {delivered: true, dead: true, waits: true},
		"dead alone":                    {dead: true, leftDead: true},
		"waiting alone":                 {waits: true, leftWaiting: true},
		"delivered, and nothing beside": {delivered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, endpoints{})
			j := r.elsewhere(t)
			if test.delivered {
				heldtest.Delivered(t, r.bus, j)
			}
			if test.dead {
				heldtest.Dead(t, r.bus, j)
			}
			if test.waits {
				if err := heldtest.Stored(func(done func(error)) { r.bus.Deliveries().Schedule(waitingOf(j), done) }); err != nil {
					t.Fatal(err)
				}
			}
			r.Finish(j)
			r.settle(t) // what is united rests first
			trace, err := r.bus.Find().Trace(t.Context(), j.Delivery.ID())
			if err != nil || trace.Dead.IsZero() == test.leftDead || trace.Scheduled.IsZero() == test.leftWaiting {
				t.Errorf("left: %+v %v", trace, err)
			}
			if j.Message.IsHeld() || len(r.ended) != 1 {
				t.Error("its message has not ended")
			}
		})
	}
}

// A process that lost a message to another one does not replace what that has stored.
func TestScheduleUnlessMoved(t *testing.T) {
	t.Parallel()
	r := newRig(t, endpoints{})
	j := r.elsewhere(t)
	first, second := waitingOf(j), waitingOf(j)
	second.Attempt = 3
	store := func(d *delivery.Delivery) error {
		return heldtest.Stored(func(done func(error)) { r.bus.Deliveries().ScheduleUnlessMoved(d, 0, done) })
	}
	if err := store(first); err != nil {
		t.Fatal(err)
	}
	if err := store(second); !errors.Is(err, failure.ErrConflict) {
		t.Errorf("it was replaced: %v", err)
	}
	r.write(j, outcome.Decision{Action: outcome.Schedule, Next: second})
	r.Flight.Wait()
	if now, _, err := r.bus.Find().OnItsWay(t.Context(), j.Delivery.ID()); err != nil || now.Attempt != 2 {
		t.Errorf("it was replaced: %+v %v", now, err)
	}
}

// A job ends with its delivery waiting, dead or dropped, and uses no attempt up.
func TestEndsWithoutAttempt(t *testing.T) {
	t.Parallel()
	there := endpoints{all: map[string]*endpoint.Endpoint{heldtest.Endpoint: {ID: heldtest.Endpoint, Disabled: true}}}
	for name, test := range map[string]struct {
		known endpoints
		end   func(*Concluder, *held.Job)
		waits delivery.Why
		died  bool
	}{
		"of a disabled endpoint":           {there, (*Concluder).Park, delivery.WhyDisabled, false},
		"that the lane can't hold":         {there, func(c *Concluder, j *held.Job) { c.Postpone(j, time.Now().Add(time.Hour)) }, delivery.WhyTurn, false},
		"of an unreadable record":          {endpoints{unreadable: true}, (*Concluder).Strand, delivery.WhyUnreadable, false},
		"of a removed endpoint":            {endpoints{}, (*Concluder).Strand, "", false},
		"that no process survives":         {there, func(c *Concluder, j *held.Job) { c.Condemn(j, "panic") }, "", true},
		"condemned, of a removed endpoint": {endpoints{}, func(c *Concluder, j *held.Job) { c.Condemn(j, "panic") }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.known)
			j := r.job(t)
			j.Message.Again = false // the server has just been started
			test.end(r.Concluder, j)
			r.settle(t)
			trace, err := r.bus.Find().Trace(t.Context(), j.Delivery.ID())
			if err != nil || trace.Dead.IsZero() == test.died || trace.Scheduled.IsZero() == (test.waits != "") {
				t.Errorf("left: %+v %v", trace, err)
			}
			if test.waits != "" {
				if d, _, err := r.bus.Find().OnItsWay(t.Context(), j.Delivery.ID()); err != nil || d.Why != test.waits || d.Attempt != 1 {
					t.Errorf("waits as %q, attempt %d (%v)", d.Why, d.Attempt, err)
				}
			}
			if len(r.health.died) > 0 != test.died {
				t.Errorf("told of deaths: %q", r.health.died)
			}
			if j.Message.IsHeld() {
				t.Error("its message has not ended")
			}
		})
	}
}
