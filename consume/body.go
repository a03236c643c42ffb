package consume

import (
	"errors"
	"time"

	"jethook/consume/outcome"
	"jethook/publish/delivery"
	"jethook/publish/failure"
)

// copyBytes is how many bytes of large copies a process is storing. A larger one goes alone.
const copyBytes = 16 << 20

// withBody gives the job its body before an attempt. It returns false when there is none to be had, and the job goes on
// without an attempt.
func (e *Engine) withBody(j *job) bool {
	release, err := e.bodies.Hold(e.flight.Context(), &j.d)
	switch {
	case err == nil:
		j.onEnd(release)
		return true
	case errors.Is(err, failure.ErrBodyGone):
		e.write(j, outcome.Bodiless(&j.d, err))
	default:
		e.giveBack(j, outcome.LocalPause)
	}
	return false
}

// carry gives d what a large copy of it needs, and waits until there is room to store one. A body that is gone stays so. It
// returns false when the process stops first: then the message comes again.
func (e *Engine) carry(j *job, d *delivery.Delivery) bool {
	release, err := e.bodies.Hold(e.flight.Context(), d)
	for err != nil && !errors.Is(err, failure.ErrBodyGone) {
		if e.flight.IsStopping() {
			return false
		}
		time.Sleep(retryBody)
		release, err = e.bodies.Hold(e.flight.Context(), d)
	}
	j.onEnd(release)
	if size := min(int64(d.BodySize()), copyBytes); !j.copies { // a job that has room never waits for more of it
		if e.copies.Acquire(e.flight.Context(), size) != nil {
			return false
		}
		j.copies = true
		j.onEnd(func() { e.copies.Release(size) })
	}
	return true
}

// retryBody is the pause before a body that could not be read is read again.
const retryBody = 250 * time.Millisecond

// onEnd lets release be called when the job ends; nil: nothing.
func (j *job) onEnd(release func()) {
	if release != nil {
		j.releases = append(j.releases, release)
	}
}
