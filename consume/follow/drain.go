package follow

import (
	"context"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/missed"
)

const (
	// nearly is how many events may wait for an endpoint that keeps up.
	nearly = 64
	// lookEvery is how often a follower looks whether the endpoint keeps up.
	lookEvery = 250 * time.Millisecond
)

// drain delivers what the cursor has until the record or the endpoint changes.
func (f *follower) drain(ctx context.Context, ep *endpoint.Endpoint) error {
	l := f.Lane(ep)
	if !f.awaitAppetite(ctx, l, true) {
		return nil
	}
	current, err := f.Endpoints.Get(ctx, f.key.Endpoint) // old patterns must not replace new ones
	if err != nil {
		return err
	}
	before := f.Cursors.Of(f.key)
	begun := before != nil && before.Opened
	consumer, r, made, err := f.Cursors.Consumer(ctx, f.key, current.Events)
	if err != nil || consumer == nil {
		return err
	}
	defer consumer.Close()
	since, reconnects := f.Unbroken(f.key.Stream)
	f.epoch = r.Epoch
	if made && begun || !r.Asked.IsZero() { // it may bring what was delivered before
		f.doubt = time.Now()
	}
	if f.doubt.After(since) {
		since = f.doubt
	}
	f.in.Opened(since, reconnects)
	if time.Since(f.counted) > missed.Every { // before what is handed out next, while nobody ran
		f.counted = time.Now()
		f.Missed.Look(ctx, f.key)
	}
	behind, looked := time.Now(), time.Now()
	for f.awaitAppetite(ctx, l, false) {
		n, _ := l.Wants()
		got, left, err := f.pull(ctx, consumer, l, n)
		if err != nil {
			return err
		}
		if got > 0 && left > nearly || l.IsFull() {
			behind = time.Now()
		}
		if time.Since(looked) < lookEvery {
			continue
		}
		looked = time.Now()
		if ended, err := f.rejoin(ctx, current.Events, time.Since(behind) > f.Calm); ended || err != nil {
			return err
		}
	}
	return nil
}

// awaitAppetite waits until the lane wants more, and returns false when the record or the endpoint changes first. The
// consumer must not be made before what came by the shared intake is on its way: until then that may be left to it.
func (f *follower) awaitAppetite(ctx context.Context, l Lane, first bool) bool {
	for {
		n, more := l.Wants()
		r := f.Cursors.Of(f.key)
		if n > 0 && (!first || r != nil && r.Opened || l.HoldsShared(f.key.Stream) == 0) {
			select {
			case <-f.changed:
				f.wake()
				return false
			default:
				return ctx.Err() == nil
			}
		}
		var look <-chan time.Time
		if first {
			look = time.After(lookEvery / 5)
		}
		select {
		case <-more:
		case <-look:
		case <-f.changed:
			f.wake()
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// rejoin lets an endpoint that keeps up join the shared intake again, and removes its cursor when that has nothing left. It
// reports whether it has.
func (f *follower) rejoin(ctx context.Context, patterns []string, keepsUp bool) (ended bool, err error) {
	r := f.Cursors.Of(f.key)
	switch {
	case r == nil:
		return true, nil
	case r.Phase == cursor.Own && keepsUp:
		_, err := f.Cursors.Join(ctx, f.key)
		return false, err
	case r.Phase != cursor.Joined:
		return false, nil
	case r.Passing: // its record says what passed by, until it is enabled
		_, err := f.stillPasses(ctx, r)
		return false, err
	}
	if counts, err := f.Missed.Last(ctx, r); counts || err != nil { // it goes with the record
		return false, err
	}
	return f.Cursors.Finish(ctx, r, patterns)
}
