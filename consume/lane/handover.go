package lane

import (
	"context"
	"time"

	"jethook/consume/endpoint"
)

// mostOverflow is how many events a lane may hold beyond its capacity while its endpoint leaves the shared intake.
const mostOverflow = 1024

// handover is what lies between the shared intake and an endpoint's cursors: nobody may see an event nowhere while one
// gives it to the other. The lane's lock guards it.
type handover[J Job] struct {
	aside   []J             // not known yet whether they are the endpoint's cursor's
	leaving map[string]bool // streams that the endpoint is about to leave
	handing map[string]int  // by stream: how many events are being handed over to its cursor
}

func newHandover[J Job]() handover[J] {
	return handover[J]{leaving: make(map[string]bool), handing: make(map[string]int)}
}

// SetAside holds a job until it is known whether it is the cursor's.
func (l *Lane[J]) SetAside(j J) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold(j)
	l.handover.aside = append(l.handover.aside, j)
}

// TakeAside takes the jobs of a stream that were set aside out of the lane; of all streams if it is empty.
func (l *Lane[J]) TakeAside(stream string) (jobs []J) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.handover.aside[:0]
	for _, j := range l.handover.aside {
		if stream != "" && j.Facts().Stream != stream {
			rest = append(rest, j)
			continue
		}
		l.let(j)
		jobs = append(jobs, j)
	}
	clear(l.handover.aside[len(rest):])
	l.handover.aside = rest
	return jobs
}

// HoldsShared counts the events of a stream that came by the shared intake and may be left to the cursor: those that are
// queued or aside, or are being handed over.
func (l *Lane[J]) HoldsShared(stream string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.handover.handing[stream]
	for _, jobs := range [][]J{l.queues[First], l.handover.aside} {
		for _, j := range jobs {
			if f := j.Facts(); f.Stream == stream && f.Origin != Cursor {
				n++
			}
		}
	}
	return n
}

// CountHandover counts events of a stream that are about to be handed over to the cursor; negative: that have been.
func (l *Lane[J]) CountHandover(stream string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handover.handing[stream] += n
}

// BeginLeaving notes that the endpoint is about to leave the shared intake of a stream. It returns false if it was already.
func (l *Lane[J]) BeginLeaving(stream string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.handover.leaving[stream]
	l.handover.leaving[stream] = true
	return !was
}

// EndLeaving ends what BeginLeaving began.
func (l *Lane[J]) EndLeaving(stream string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.handover.leaving, stream)
	l.tellRoom()
}

// AwaitLeaving waits while an endpoint that leaves a stream has too much beyond its capacity.
func (l *Lane[J]) AwaitLeaving(ctx context.Context, stream string) {
	for ctx.Err() == nil {
		_, more := l.Wants()
		if !l.overflows(stream) {
			return
		}
		select {
		case <-more:
		case <-time.After(stuck / 10):
		case <-ctx.Done():
		}
	}
}

func (l *Lane[J]) overflows(stream string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handover.leaving[stream] && len(l.queues[First])+len(l.handover.aside) > mostOverflow
}

// GoesToCursor reports whether an event that a lane gives back is handed over to the endpoint's cursor.
func GoesToCursor(ep *endpoint.Endpoint, f Facts) bool { return f.Origin == Shared && !ep.Ordered }

// Relieve takes from the queues what the lane may not hold any more, because it rests or has become slow. What goes to the
// endpoint's cursor is counted as being handed over.
func (l *Lane[J]) Relieve() (jobs []J) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for c := range l.queues {
		q := l.queues[c]
		keep := max(0, l.capacity(Class(c), now)-l.running)
		switch {
		case l.ep.Disabled:
			keep = 0
		case Class(c) == First && l.circuit.open && len(l.queues[Retry]) > 0: // they take turns as probes
			keep = min(keep, 1)
		case !l.rests(now):
			keep *= 2 // it may be a moment's
		}
		if len(q) <= keep {
			continue
		}
		kept := q[:keep]
		for _, j := range q[keep:] {
			f := j.Facts()
			if f.Origin == Cursor && !l.rests(now) { // a cursor brings no more than the lane asks for, in its order
				kept = append(kept, j)
				continue
			}
			l.let(j)
			if GoesToCursor(l.ep, f) { // nobody may see it nowhere in between
				l.handover.handing[f.Stream]++
			}
			jobs = append(jobs, j)
		}
		clear(q[len(kept):])
		l.queues[c] = kept
	}
	return jobs
}
