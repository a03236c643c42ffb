package consume

import (
	"context"
	"errors"
	"sync"
	"time"

	"jethook/publish/delivery"
	"jethook/publish/failure"
)

// A message may be in two processes at once: one was stopped for a while, or the server was killed and has forgotten who had
// it. Each of them stores the outcome of its attempt, so that one delivery could be delivered and dead, or dead and waiting. No
// write can be made on the condition that nothing lies in another stream. So who has a message that may be somebody else's
// too looks, after it has stored its outcome and before it ends its part of the message, for what else is stored, and removes
// what counts less: what was delivered stays so, and what is dead does not wait. Of two who store at the same time, the later
// one sees both; who is killed before it has looked leaves that to whoever gets the message after it.

const (
	// unitedAtOnce is how many deliveries are looked at together.
	unitedAtOnce = 64
	// uniteAgain is the pause before a delivery is looked at again that somebody else is attempting, and mostUnites how often
	// it is: for longer than an attempt takes.
	uniteAgain, mostUnites = time.Second, 600
)

// uniter has the jobs that are to be united with what others did.
type uniter struct {
	mu      sync.Mutex // guards what follows
	queue   []*job
	running bool
}

// unite ends a job when its delivery is in one state.
func (e *Engine) unite(j *job) {
	u := &e.uniter
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, j)
	if !u.running {
		u.running = true
		e.unsaved.Go(e.uniteAll)
	}
}

// take returns the next jobs; none when there are none, and then the caller ends.
func (u *uniter) take() []*job {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := min(len(u.queue), unitedAtOnce)
	jobs := u.queue[:n:n]
	u.queue = u.queue[n:]
	u.running = n > 0
	return jobs
}

func (e *Engine) uniteAll() {
	for jobs := e.uniter.take(); len(jobs) > 0; jobs = e.uniter.take() {
		ids := make([]string, len(jobs))
		for i, j := range jobs {
			ids[i] = j.d.ID()
		}
		traces, err := e.bus.Find().Traces(e.flight, ids)
		for i, j := range jobs {
			var open bool
			failed := err
			if failed == nil {
				open, failed = e.uniteOne(e.flight, j, traces[ids[i]])
			}
			e.faults.uniting.Tell(e.log, failed)
			if open || failed != nil {
				e.uniteLater(j)
			} else {
				e.end(j)
			}
		}
	}
}

// uniteLater looks at a job's delivery again after a moment. When the process stops first, the message comes again.
func (e *Engine) uniteLater(j *job) {
	if j.unites++; j.unites > mostUnites {
		e.end(j)
		return
	}
	e.unsaved.Go(func() {
		select {
		case <-time.After(uniteAgain):
			e.unite(j)
		case <-e.stop:
			j.h.comeBack(0)
			e.end(j)
		}
	})
}

// uniteOne removes what is stored of a job's delivery beside what counts most. It reports whether somebody else is attempting
// the delivery, whose outcome has to be looked at too.
func (e *Engine) uniteOne(ctx context.Context, j *job, trace *delivery.Trace) (open bool, err error) {
	id, beside := j.d.ID(), trace.DueAfter(j.place())
	dead, waits := trace.Dead.After(j.h.stored), !trace.Scheduled.IsZero()
	if !dead && !waits && !beside {
		return false, nil
	}
	took, err := e.recall.takenSince(ctx, &j.d, j.h.stored, time.Now())
	if err != nil {
		return false, err
	}
	if took && dead {
		letter, err := e.bus.Find().Dead(ctx, id)
		if err == nil {
			err = e.bus.Deliveries().RemoveDead(ctx, &letter)
		}
		if err != nil && !errors.Is(err, failure.ErrNotFound) {
			return false, err
		}
	}
	if waits && (took || dead) {
		waiting, err := e.bus.Find().Waiting(ctx, id)
		if err == nil {
			err = e.bus.Deliveries().Unschedule(ctx, &waiting)
		}
		if err != nil && !errors.Is(err, failure.ErrNotFound) {
			return false, err
		}
	}
	return beside && (took || dead), nil
}

// place is where the job's delivery lies in DELIVERIES; 0: it does not.
func (j *job) place() uint64 {
	if j.isDue() {
		return j.h.seq
	}
	return 0
}

// isStillOpen reports whether the job's delivery still has to be attempted. Somebody else who has the message may have stored an
// outcome since that was last looked for, which ends the job.
func (e *Engine) isStillOpen(j *job) bool {
	looked := j.h.came
	if j.checked.After(looked) {
		looked = j.checked
	}
	if !j.h.isForgotten() && (!j.h.again || time.Since(looked) < rereadAfter) {
		return true
	}
	over, err := e.isRecorded(e.flight, j.h, &j.d)
	switch {
	case err != nil:
		e.giveBack(j, time.Second)
	case over:
		e.finish(j)
	default:
		j.checked = time.Now()
	}
	return err == nil && !over
}
