package endpoint

import (
	"slices"
	"time"
)

// RetryPause returns the pause after the given failed attempt, counted from 1, and false when it was the
// last: a schedule of n pauses makes n+1 attempts. The schedule is the endpoint's own, or else defaults.
func (e *Endpoint) RetryPause(attempt int, defaults []time.Duration) (time.Duration, bool) {
	schedule := e.schedule(defaults)
	if attempt < 1 || attempt > len(schedule) {
		return 0, false
	}
	return schedule[attempt-1], true
}

// Next is RetryPause for an endpoint that asked for a pause itself, with Retry-After: the later of both, but
// at most the schedule's longest pause. A retryAfter of 0 asks for nothing.
func (e *Endpoint) Next(attempt int, retryAfter time.Duration, defaults []time.Duration) (time.Duration, bool) {
	pause, more := e.RetryPause(attempt, defaults)
	if !more {
		return 0, false
	}
	return max(pause, min(retryAfter, slices.Max(e.schedule(defaults)))), true
}

// LongestPause is the longest of the schedule's pauses; 0 of a single attempt.
func (e *Endpoint) LongestPause(defaults []time.Duration) (longest time.Duration) {
	for _, pause := range e.schedule(defaults) {
		longest = max(longest, pause)
	}
	return longest
}

// ScheduleTime is how long the whole schedule takes.
func (e *Endpoint) ScheduleTime(defaults []time.Duration) (total time.Duration) {
	for _, pause := range e.schedule(defaults) {
		total += pause
	}
	return total
}

func (e *Endpoint) schedule(defaults []time.Duration) []time.Duration {
	if e.RetrySchedule == nil {
		return defaults
	}
	own := make([]time.Duration, len(e.RetrySchedule))
	for i, pause := range e.RetrySchedule {
		own[i] = time.Duration(pause)
	}
	return own
}
