package outcome

import (
	"errors"
	"testing"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/event"
)

var (
	now      = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	schedule = []time.Duration{time.Minute, time.Hour}
)

// What each result leaves behind, on the default schedule of three attempts.
func TestDecide(t *testing.T) {
	t.Parallel()
	result := func(v attempt.Verdict, c attempt.Class, status int) attempt.Result {
		return attempt.Result{Verdict: v, Class: c, Status: status, Detail: "it said so", Started: now.Add(-time.Second)}
	}
	asking := func(res attempt.Result, pause time.Duration) attempt.Result {
		res.RetryAfter = pause
		return res
	}
	failed, later := result(attempt.Failed, attempt.ClassStatus, 500), result(attempt.Later, attempt.ClassStatus, 429)
	for name, test := range map[string]struct {
		attempt int
		putOff  time.Duration // since when it has been put off
		own     []endpoint.Duration
		res     attempt.Result

		action  Action
		next    int           // attempt
		due     time.Duration // from now
		why     delivery.Why
		line    history.Outcome
		pause   time.Duration // of Return
		most    time.Duration // pause
		disable bool
	}{
		"delivered":              {attempt: 1, res: result(attempt.Delivered, attempt.ClassOK, 200), action: Record, line: history.Delivered},
		"first fails":            {attempt: 1, res: failed, action: Schedule, next: 2, due: time.Minute, why: delivery.WhyRetry, line: history.Failed},
		"second fails":           {attempt: 2, res: failed, action: Schedule, next: 3, due: time.Hour, why: delivery.WhyRetry, line: history.Failed},
		"last fails":             {attempt: 3, res: failed, action: Bury, next: 3, line: history.Dead},
		"beyond the last":        {attempt: 9, res: failed, action: Bury, next: 9, line: history.Dead},
		"no schedule of its own": {attempt: 1, own: []endpoint.Duration{}, res: failed, action: Bury, next: 1, line: history.Dead},
		"a schedule of its own": {
			attempt: 1, own: []endpoint.Duration{endpoint.Duration(5 * time.Second)}, res: failed,
			action: Schedule, next: 2, due: 5 * time.Second, why: delivery.WhyRetry, line: history.Failed,
		},
		"fails and asks for longer": {
			attempt: 1, res: asking(failed, 10*time.Minute), action: Schedule, next: 2, due: 10 * time.Minute, why: delivery.WhyRetry, line: history.Failed,
		},
		"asks for longer than any pause": {
			attempt: 1, res: asking(failed, 24*time.Hour), action: Schedule, next: 2, due: time.Hour, why: delivery.WhyRetry, line: history.Failed,
		},
		"timeout": {
			attempt: 1, res: result(attempt.Failed, attempt.ClassTimeout, 0),
			action: Schedule, next: 2, due: time.Minute, why: delivery.WhyRetry, line: history.Failed,
		},
		"gone": {
			attempt: 1, res: result(attempt.Gone, attempt.ClassStatus, 410),
			action: Schedule, next: 2, due: time.Minute, why: delivery.WhyRetry, line: history.Failed, disable: true,
		},
		"the process stops":        {attempt: 1, res: result(attempt.Aborted, attempt.ClassAborted, 0), action: Return},
		"this machine lacks files": {attempt: 3, res: result(attempt.Aborted, attempt.ClassLocal, 0), action: Return, pause: LocalPause},
		"put off": {
			attempt: 2, res: later, action: Schedule, next: 2, why: delivery.WhyAsked, line: history.Deferred, most: time.Hour,
		},
		"put off for a while": {
			attempt: 3, putOff: time.Hour, res: later, action: Schedule, next: 3, why: delivery.WhyAsked, line: history.Deferred, most: time.Hour,
		},
		"put off for longer than the schedule": {
			attempt: 2, putOff: 2 * time.Hour, res: later, action: Schedule, next: 3, due: time.Hour, why: delivery.WhyRetry, line: history.Failed,
		},
		"put off for too long, at the last attempt": {attempt: 3, putOff: 2 * time.Hour, res: later, action: Bury, next: 3, line: history.Dead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := delivery.Delivery{Endpoint: "ep_a", Event: event.Event{ID: "evt_1"}, Attempt: test.attempt, Reason: "of before"}
			if test.putOff > 0 {
				d.PutOff = now.Add(-test.putOff)
			}
			before := d.Attempt
			dec := Decide(&d, &endpoint.Endpoint{ID: "ep_a", RetrySchedule: test.own}, &test.res, schedule, now)
			if dec.Action != test.action || dec.Pause != test.pause || dec.MostPause != test.most || (dec.Disable != "") != test.disable {
				t.Errorf("got %+v", dec)
			}
			if d.Attempt != before || d.Reason != "of before" {
				t.Errorf("the delivery was changed: %+v", d)
			}
			switch {
			case (dec.Line == nil) != (test.line == ""):
				t.Errorf("line: %+v", dec.Line)
			case dec.Line != nil && (dec.Line.Outcome != test.line || dec.Line.Attempt.Attempt != test.attempt || dec.Line.Status != test.res.Status):
				t.Errorf("line: %+v", dec.Line)
			}
			if test.next == 0 {
				if dec.Next != nil {
					t.Errorf("it is stored: %+v", dec.Next)
				}
				return
			}
			next := dec.Next
			if next.Attempt != test.next || next.Why != test.why || next.Reason != "it said so" || next.Status != test.res.Status || next.Class != string(test.res.Class) {
				t.Errorf("stored: %+v", next)
			}
			if test.action == Schedule && !next.Due.Equal(now.Add(test.due)) || test.action == Bury && !next.Due.IsZero() {
				t.Errorf("due in %s", next.Due.Sub(now))
			}
			wantPutOff := time.Time{}
			if test.most > 0 {
				wantPutOff = now.Add(-time.Second)
				if test.putOff > 0 {
					wantPutOff = now.Add(-test.putOff)
				}
			}
			if !next.PutOff.Equal(wantPutOff) {
				t.Errorf("put off since %s, want %s", next.PutOff, wantPutOff)
			}
		})
	}
}

// What becomes of a delivery that was not attempted.
func TestDecideWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	d := delivery.Delivery{
		Endpoint: "ep_a", Event: event.Event{ID: "evt_1"}, Attempt: 3, Due: now, Why: delivery.WhyRetry, Reason: "no answer", Status: 503,
	}
	wait := Wait(&d, now.Add(time.Hour), delivery.WhyTurn)
	if n := wait.Next; wait.Action != Schedule || n.Attempt != 3 || n.Why != delivery.WhyTurn || !n.Due.Equal(now.Add(time.Hour)) || n.Reason != "no answer" || wait.Line != nil {
		t.Errorf("waits: %+v", wait)
	}
	poison := Poison(&d, "nil map", now)
	if n := poison.Next; poison.Action != Bury || !n.Due.IsZero() || n.Class != string(attempt.ClassPoison) || n.Status != 0 || n.Attempt != 3 || poison.Line.Outcome != history.Dead {
		t.Errorf("poison: %+v", poison)
	}
	bodiless := Bodiless(&d, errors.New("its body is gone"))
	if n := bodiless.Next; bodiless.Action != Bury || n.Attempt != 2 || n.Reason != "its body is gone; the last attempt: no answer" || bodiless.Result != nil || bodiless.Line != nil {
		t.Errorf("bodiless: %+v", bodiless)
	}
	if !d.Due.Equal(now) || d.Attempt != 3 || d.Reason != "no answer" {
		t.Errorf("the delivery was changed: %+v", d)
	}
}
