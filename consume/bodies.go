package consume

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"jethook/consume/outcome"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/failure"
)

const (
	// fetchedBytes is how many bytes of bodies a process holds that were fetched for attempts, fetchedShare what part of it
	// an endpoint may have beyond its first, and copyBytes how many it is storing copies of. A larger one goes alone.
	fetchedBytes = windowBytes / 2
	fetchedShare = 4
	copyBytes    = 16 << 20
)

// bodies fetches the bodies of deliveries that came due without theirs. A body is held once, for as long as any of its
// event's deliveries is being attempted, and only those have one: what holds the room never waits for more of it.
type bodies struct {
	bus  *publish.Bus
	most int64
	room *semaphore.Weighted

	mu   sync.Mutex // guards open and the users of each
	open map[string]*body
}

// body is one event's body.
type body struct {
	users int
	read  chan struct{} // closed when the rest is known
	data  []byte
	err   error
}

func newBodies(bus *publish.Bus) *bodies {
	most := max(fetchedBytes, int64(bus.Limits().Message))
	return &bodies{bus: bus, most: most, room: semaphore.NewWeighted(most), open: make(map[string]*body)}
}

// hold gives d its body and returns what lets go of it; nil when d has it anyway. The error is failure.ErrBodyGone when
// there is none any more.
func (b *bodies) hold(ctx context.Context, d *delivery.Delivery) (release func(), err error) {
	if !d.Detached() {
		return nil, nil
	}
	key := d.BodyKey()
	b.mu.Lock()
	one, shared := b.open[key]
	if !shared {
		one = &body{read: make(chan struct{})}
		b.open[key] = one
	}
	one.users++
	b.mu.Unlock()
	size := min(int64(d.BodySize()), b.most)
	if !shared {
		b.fetch(ctx, d, one, size)
	}
	release = func() { b.release(key, one, size) }
	select {
	case <-one.read:
		err = one.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		release()
		return nil, err
	}
	d.Event.Body = one.data
	return release, nil
}

func (b *bodies) fetch(ctx context.Context, d *delivery.Delivery, one *body, size int64) {
	defer close(one.read)
	if one.err = b.room.Acquire(ctx, size); one.err != nil {
		return
	}
	if one.data, one.err = b.bus.Deliveries().Body(ctx, d); one.err != nil {
		b.room.Release(size)
	}
}

func (b *bodies) release(key string, one *body, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one.users--; one.users > 0 {
		return
	}
	delete(b.open, key)
	if one.err == nil {
		b.room.Release(size)
	}
}

// withBody gives the job its body before an attempt. It returns false when there is none to be had, and the job goes on
// without an attempt.
func (e *Engine) withBody(j *job) bool {
	release, err := e.bodies.hold(e.flight, &j.d)
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
	release, err := e.bodies.hold(e.flight, d)
	for err != nil && !errors.Is(err, failure.ErrBodyGone) {
		if e.stopping() {
			return false
		}
		time.Sleep(retryBody)
		release, err = e.bodies.hold(e.flight, d)
	}
	j.onEnd(release)
	if size := min(int64(d.BodySize()), copyBytes); !j.copies { // a job that has room never waits for more of it
		if e.copies.Acquire(e.flight, size) != nil {
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
