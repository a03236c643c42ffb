// Package bodies fetches the bodies of deliveries that came due without theirs, within a bound of bytes.
//
// A body is held once, for as long as any of its event's deliveries is being attempted. The package keeps none longer than
// that, and stores none.
package bodies

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"jethook/publish"
	"jethook/publish/delivery"
)

// Bodies fetches the bodies of deliveries that came due without theirs. A body is held once, for as long as any of its
// event's deliveries is being attempted, and only those have one: what holds the room never waits for more of it. It
// is safe for concurrent use.
type Bodies struct {
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

// New returns Bodies that hold so many bytes, or one body that is larger.
func New(bus *publish.Bus, most int64) *Bodies {
	most = max(most, int64(bus.Limits().Message))
	return &Bodies{bus: bus, most: most, room: semaphore.NewWeighted(most), open: make(map[string]*body)}
}

// Hold gives d its body and returns what lets go of it; nil when d has it anyway. The error is failure.ErrBodyGone when
// there is none any more.
func (b *Bodies) Hold(ctx context.Context, d *delivery.Delivery) (release func(), err error) {
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

func (b *Bodies) fetch(ctx context.Context, d *delivery.Delivery, one *body, size int64) {
	defer close(one.read)
	if one.err = b.room.Acquire(ctx, size); one.err != nil {
		return
	}
	if one.data, one.err = b.bus.Deliveries().Body(ctx, d); one.err != nil {
		b.room.Release(size)
	}
}

func (b *Bodies) release(key string, one *body, size int64) {
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
