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

const (
	// leastPut and mostPut bound the pause after an answer that asks for one and does not say how long: it is doubled each
	// time until something is taken.
	leastPut, mostPut = time.Second, time.Minute
	// leastPatience is for how long, at least, an endpoint may put one delivery off, however short its schedule is.
	leastPatience = time.Hour
)

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
	next.Due, next.Why = e.lane(ep).pause(res, max(leastPatience, ep.LongestPause(e.schedule))), publish.WhyAsked
	e.reschedule(j, &next, func() {
		a := history.Of(&j.d, res, history.Deferred)
		due := next.Due.UTC()
		a.Next = &due
		e.record(j, a)
	})
	return true
}

// pause makes the lane wait for as long as the endpoint asked for, at most a certain time, and returns when that is over.
func (l *lane) pause(res *attempt.Result, most time.Duration) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, until := time.Now(), l.pacer.until
	switch {
	case res.RetryAfter > 0:
		until = now.Add(min(res.RetryAfter, most))
	case !res.Started.Before(until): // else it was under way already when the endpoint first asked
		l.backoff = min(max(2*l.backoff, leastPut), mostPut)
		until = now.Add(min(l.backoff, most))
	}
	l.pacer.refused(res.Started, now, until)
	return until
}
