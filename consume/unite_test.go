package consume

import (
	"context"
	"errors"
	"testing"
	"time"

	"jethook/consume/outcome"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
)

// elsewhere returns a job of an event that another process may have too.
func elsewhere(t *testing.T, bus *publish.Bus, e *Engine) *job {
	t.Helper()
	in := sharedIntake(bus)
	in.acks = e.acks
	h := takeOne(t, bus, in, true)
	h.split(1)
	h.link++ // the connection broke
	event, err := event.Decode(h.msg)
	if err != nil {
		t.Fatal(err)
	}
	return &job{d: delivery.Delivery{Endpoint: "ep_a", Event: event, Attempt: 1}, h: h}
}

func stored(t *testing.T, store func(done func(error))) error {
	t.Helper()
	result := make(chan error)
	go store(func(err error) { result <- err })
	return <-result
}

func must(t *testing.T, store func(done func(error))) {
	t.Helper()
	if err := stored(t, store); err != nil {
		t.Fatal(err)
	}
}

// noteDelivered records that a job's delivery is delivered.
func noteDelivered(t *testing.T, bus *publish.Bus, j *job) {
	t.Helper()
	must(t, func(done func(error)) {
		bus.Deliveries().Record(delivery.HistoryKey{Endpoint: "ep_a", Outcome: "delivered", Class: "ok", Status: 200},
			[]byte(`{"delivery":"`+j.d.ID()+`","attempt":1,"outcome":"delivered"}`), done)
	})
}

// waitingOf is a job's delivery with its next attempt in an hour.
func waitingOf(j *job) *delivery.Delivery {
	d := j.d
	d.Attempt, d.Due, d.Why = 2, time.Now().Add(time.Hour), delivery.WhyRetry
	return &d
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
			bus, _, e := idle(t)
			j := elsewhere(t, bus, e)
			if test.delivered {
				noteDelivered(t, bus, j)
			}
			if test.dead {
				must(t, func(done func(error)) { bus.Deliveries().DeadLetter(&j.d, done) })
			}
			if test.waits {
				must(t, func(done func(error)) { bus.Deliveries().Schedule(waitingOf(j), done) })
			}
			e.finish(j)
			e.flight.Wait()
			stopped, stop := context.WithCancel(t.Context())
			stop()
			if err := e.acks.Run(stopped); err != nil { // what is united rests first
				t.Error(err)
			}
			trace, err := bus.Find().Trace(t.Context(), j.d.ID())
			if err != nil || trace.Dead.IsZero() == test.leftDead || trace.Scheduled.IsZero() == test.leftWaiting {
				t.Errorf("left: %+v %v", trace, err)
			}
			if j.h.in.holds(j.h) {
				t.Error("its message has not ended")
			}
		})
	}
}

// What somebody else has done with a message since it came is not attempted again.
func TestOutcomeStoredElsewhere(t *testing.T) {
	t.Parallel()
	bus, _, e := idle(t)
	j := elsewhere(t, bus, e)
	if !e.isStillOpen(j) {
		t.Fatal("nobody has stored anything")
	}
	must(t, func(done func(error)) { bus.Deliveries().DeadLetter(&j.d, done) })
	if e.isStillOpen(j) {
		t.Error("it is dead, and would be attempted")
	}
	e.flight.Wait()
}

// A process that lost a message to another one does not replace what that has stored.
func TestScheduleUnlessMoved(t *testing.T) {
	t.Parallel()
	bus, _, e := idle(t)
	j := elsewhere(t, bus, e)
	first, second := waitingOf(j), waitingOf(j)
	must(t, func(done func(error)) { bus.Deliveries().ScheduleUnlessMoved(first, 0, done) })
	second.Attempt = 3
	err := stored(t, func(done func(error)) { bus.Deliveries().ScheduleUnlessMoved(second, 0, done) })
	if !errors.Is(err, failure.ErrConflict) {
		t.Errorf("it was replaced: %v", err)
	}
	e.write(j, outcome.Decision{Action: outcome.Schedule, Next: second})
	e.flight.Wait()
	if now, _, err := bus.Find().OnItsWay(t.Context(), j.d.ID()); err != nil || now.Attempt != 2 {
		t.Errorf("it was replaced: %+v %v", now, err)
	}
}
