package consume

import (
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish"
)

// An endpoint that says "too many requests" has taken nothing and is well: what it put off is no failure. It waits for as
// long as the endpoint asks for, and the lane with it, since the next request would be put off too.

// leastPatience is for how long, at least, an endpoint may put one delivery off, however short its schedule is.
const leastPatience = time.Hour

// putOff lets a delivery wait for its endpoint, and uses no attempt up. It reports false once the endpoint has put the
// delivery off for longer than its whole schedule takes: then that is a failure like any other.
func (e *Engine) putOff(j *job, ep *endpoint.Endpoint, res *attempt.Result) bool {
	next := j.d
	if next.PutOff.IsZero() {
		next.PutOff = res.Started
	}
	if time.Since(next.PutOff) > max(leastPatience, ep.ScheduleTime(e.schedule)) {
		return false
	}
	next.Reason, next.Class, next.Status = res.Detail, string(res.Class), res.Status
	next.Due, next.Why = e.lane(ep).Pause(res, max(leastPatience, ep.LongestPause(e.schedule))), publish.WhyAsked
	e.reschedule(j, &next, func() {
		a := history.Of(&j.d, res, history.Deferred)
		due := next.Due.UTC()
		a.Next = &due
		e.record(j, a)
	})
	return true
}
