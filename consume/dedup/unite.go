package dedup

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/outage"
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
	// uniteAgain is the pause before a delivery is looked at again that somebody else is attempting, and mostLooks how often
	// it is: for longer than an attempt takes.
	uniteAgain, mostLooks = time.Second, 600
)

// Part is the part of a held message whose outcome is stored.
type Part interface {
	Delivery() *delivery.Delivery
	Message() Message
	// ComeBack lets the message come again when the part has ended: the process stops first.
	ComeBack()
	// End is called once, and last.
	End()
}

// Uniter brings deliveries into one state that somebody else may have stored an outcome of. It is safe for concurrent use.
type Uniter struct {
	outcomes *Outcomes
	stop     <-chan struct{}
	pending  *sync.WaitGroup
	log      *slog.Logger
	looking  outage.Outage

	mu      sync.Mutex // guards what follows
	queue   []look
	running bool
}

// look is a part whose delivery is to be looked at.
type look struct {
	part  Part
	times int // that it was
}

// NewUniter returns a Uniter that looks no more once stop is closed. Pending counts what it is doing.
func NewUniter(outcomes *Outcomes, stop <-chan struct{}, pending *sync.WaitGroup, log *slog.Logger) *Uniter {
	return &Uniter{outcomes: outcomes, stop: stop, pending: pending, log: log, looking: outage.Outage{
		Fails: "cannot look for other outcomes of deliveries; retrying",
		Works: "looking for other outcomes of deliveries again",
	}}
}

// Unite ends a part when its delivery is in one state. It does not wait for that.
func (u *Uniter) Unite(ctx context.Context, p Part) { u.add(ctx, look{part: p}) }

func (u *Uniter) add(ctx context.Context, l look) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, l)
	if !u.running {
		u.running = true
		u.pending.Go(func() { u.run(ctx) })
	}
}

// take returns the next ones; none when there are none, and then the caller ends.
func (u *Uniter) take() []look {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := min(len(u.queue), unitedAtOnce)
	next := u.queue[:n:n]
	u.queue = u.queue[n:]
	u.running = n > 0
	return next
}

func (u *Uniter) run(ctx context.Context) {
	for next := u.take(); len(next) > 0; next = u.take() {
		ids := make([]string, len(next))
		for i, l := range next {
			ids[i] = l.part.Delivery().ID()
		}
		traces, err := u.outcomes.find.Traces(ctx, ids)
		for i, l := range next {
			var open bool
			failed := err
			if failed == nil {
				m := l.part.Message()
				open, failed = u.outcomes.unite(ctx, l.part.Delivery(), &m, traces[ids[i]])
			}
			u.looking.Tell(u.log, failed)
			if open || failed != nil {
				u.again(ctx, l)
			} else {
				l.part.End()
			}
		}
	}
}

// again looks at a delivery again after a moment. When the process stops first, the message comes again.
func (u *Uniter) again(ctx context.Context, l look) {
	if l.times++; l.times > mostLooks {
		l.part.End()
		return
	}
	u.pending.Go(func() {
		select {
		case <-time.After(uniteAgain):
			u.add(ctx, l)
		case <-u.stop:
			l.part.ComeBack()
			l.part.End()
		}
	})
}

// unite removes what is stored of a delivery beside what counts most. It reports whether somebody else is attempting the
// delivery, whose outcome has to be looked at too.
func (o *Outcomes) unite(ctx context.Context, d *delivery.Delivery, m *Message, trace *delivery.Trace) (open bool, err error) {
	id, beside := d.ID(), trace.DueAfter(m.Place)
	dead, waits := trace.Dead.After(m.Stored), !trace.Scheduled.IsZero()
	if !dead && !waits && !beside {
		return false, nil
	}
	delivered, err := o.WasDelivered(ctx, d, m, time.Now())
	if err != nil {
		return false, err
	}
	if delivered && dead {
		if err := remove(ctx, id, o.store.Dead, o.store.RemoveDead); err != nil {
			return false, err
		}
	}
	if waits && (delivered || dead) {
		if err := remove(ctx, id, o.store.Waiting, o.store.Unschedule); err != nil {
			return false, err
		}
	}
	return beside && (delivered || dead), nil
}

// remove removes what is found of a delivery, if it is there.
func remove(
	ctx context.Context, id string,
	find func(context.Context, string) (delivery.Delivery, error), remove func(context.Context, *delivery.Delivery) error,
) error {
	found, err := find(ctx, id)
	if err == nil {
		err = remove(ctx, &found)
	}
	if errors.Is(err, failure.ErrNotFound) {
		return nil
	}
	return err
}
