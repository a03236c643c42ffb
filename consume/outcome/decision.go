// Package outcome decides what an attempt leaves behind, and stores that until it is stored.
//
// [Decide] is a pure function of the delivery, its endpoint, the attempt's result and the time. The [Writer] stores what was
// decided: while the store takes nothing it tries again for as long as the process lives, since without an outcome the
// delivery would be made again. The package makes no attempt and acknowledges no message.
package outcome

import (
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
)

// Action says what becomes of a delivery.
type Action int

// The actions.
const (
	Return   Action = iota // nothing is stored: its message comes again after a pause. It was no attempt
	Record                 // it was delivered: a line of the history is all
	Schedule               // it waits, and is attempted when it is due
	Bury                   // it becomes a dead letter
)

// Decision is what becomes of a delivery, and why.
type Decision struct {
	Action  Action
	Pause   time.Duration      // of Return
	Next    *delivery.Delivery // of Schedule and Bury: as it is stored
	Line    *history.Line      // of the history; nil: none is written
	Result  *attempt.Result    // of the last attempt; nil: there was none
	Disable string             // why the endpoint wants no event any more; empty: it does

	// MostPause is set when the endpoint asked for a pause: it may be so long at most, and [Decision.Until] says when it ends.
	MostPause time.Duration
}

// LocalPause is how long a delivery waits when this machine could not make the request.
const LocalPause = 5 * time.Second

// leastPatience is for how long, at least, an endpoint may put one delivery off, however short its schedule is.
const leastPatience = time.Hour

// Decide decides what becomes of d after an attempt that ended in res. Schedule holds the pauses of endpoints that set none.
func Decide(d *delivery.Delivery, ep *endpoint.Endpoint, res *attempt.Result, schedule []time.Duration, now time.Time) Decision {
	switch res.Verdict {
	case attempt.Aborted: // our own doing: it uses no attempt up
		if res.Class == attempt.ClassAborted {
			return Decision{Action: Return}
		}
		return Decision{Action: Return, Pause: LocalPause} // this machine is out of something, or its proxy is gone, and not for a moment only
	case attempt.Delivered:
		return Decision{Action: Record, Line: line(d, res, history.Delivered), Result: res}
	case attempt.Later:
		if dec, patient := putOff(d, ep, res, schedule, now); patient {
			return dec
		}
	}
	dec := Decision{Next: after(d, res), Result: res}
	dec.Next.PutOff = time.Time{}
	if res.Verdict == attempt.Gone {
		dec.Disable = res.Detail
	}
	pause, more := ep.Next(d.Attempt, res.RetryAfter, schedule)
	if !more {
		dec.Action, dec.Line = Bury, line(d, res, history.Dead)
		dec.Next.Due, dec.Next.Why = time.Time{}, ""
		return dec
	}
	dec.Action, dec.Line = Schedule, line(d, res, history.Failed)
	dec.Next.Attempt++
	dec.Next.Due, dec.Next.Why = now.Add(pause), delivery.WhyRetry
	return dec
}

// putOff lets a delivery wait for its endpoint, and uses no attempt up: an endpoint that says "too many requests" has taken
// nothing and is well. It returns false once the endpoint has put the delivery off for longer than its whole schedule takes:
// then that is a failure like any other.
func putOff(d *delivery.Delivery, ep *endpoint.Endpoint, res *attempt.Result, schedule []time.Duration, now time.Time) (dec Decision, patient bool) {
	next := after(d, res)
	if next.PutOff.IsZero() {
		next.PutOff = res.Started
	}
	if now.Sub(next.PutOff) > max(leastPatience, ep.ScheduleTime(schedule)) {
		return dec, false
	}
	next.Due, next.Why = now, delivery.WhyAsked
	return Decision{
		Action: Schedule, Next: next, Line: line(d, res, history.Deferred), Result: res, MostPause: max(leastPatience, ep.LongestPause(schedule)),
	}, true
}

// Until says when the pause ends that the endpoint asked for: the lane knows, whose other requests wait for it too.
func (dec *Decision) Until(end time.Time) { dec.Next.Due = end }

// Wait lets a delivery wait that was not attempted.
func Wait(d *delivery.Delivery, until time.Time, why delivery.Why) Decision {
	next := *d // the lane goes on reading the job's own
	next.Due, next.Why = until, why
	return Decision{Action: Schedule, Next: &next}
}

// Poison makes a dead letter of a delivery that no process survives.
func Poison(d *delivery.Delivery, cause string, now time.Time) Decision {
	res := &attempt.Result{
		Verdict: attempt.Failed, Class: attempt.ClassPoison, Detail: "poison: making the request ends the process: " + cause, Started: now,
	}
	next := after(d, res)
	next.Due, next.Why = time.Time{}, ""
	return Decision{Action: Bury, Next: next, Line: line(d, res, history.Dead), Result: res}
}

// Bodiless makes a dead letter of a delivery whose body is gone.
func Bodiless(d *delivery.Delivery, cause error) Decision {
	reason := cause.Error()
	if d.Reason != "" {
		reason += "; the last attempt: " + d.Reason
	}
	dec := buried(d, reason)
	dec.Next.Attempt = max(1, d.Attempt-1)
	return dec
}

// unstorable makes a dead letter of a delivery that the store refuses to hold for another attempt: it would hold its place
// for ever.
func unstorable(d *delivery.Delivery, cause error) Decision {
	return buried(d, "it can't be stored for another attempt: "+cause.Error())
}

func buried(d *delivery.Delivery, reason string) Decision {
	next := *d
	next.Due, next.Why, next.Reason = time.Time{}, "", reason
	return Decision{Action: Bury, Next: &next}
}

// after is d with what its last attempt ended in.
func after(d *delivery.Delivery, res *attempt.Result) *delivery.Delivery {
	next := *d
	next.Reason, next.Class, next.Status = res.Detail, string(res.Class), res.Status
	return &next
}

func line(d *delivery.Delivery, res *attempt.Result, outcome history.Outcome) *history.Line {
	l := history.Of(d, res, outcome)
	return &l
}
