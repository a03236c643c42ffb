package consume

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/lane"
	"jethook/consume/missed"
	"jethook/publish/outage"
	"jethook/publish/topology"
)

const (
	// drainingAtOnce is how many cursors ask for events at once in one process: a thousand would starve each other.
	drainingAtOnce = 64
	// aheadBytes is how many bytes of events cursors may hold.
	aheadBytes = 64 << 20
	// calm is how long an endpoint has kept up before it joins the shared intake again.
	calm = 2 * time.Second
	// nearly is how many events may wait for an endpoint that keeps up.
	nearly = 64
	// settleAfter is how long a record may be in a phase that divides nothing before somebody else settles it.
	settleAfter = time.Second
)

// follower delivers what a cursor brings, in this process.
type follower struct {
	*Engine
	key     cursor.Key
	in      *intake
	changed chan struct{} // told when the record or the endpoint changes
	avg     int           // size of its events, smoothed
	counted time.Time     // when it last counted by itself what was missed
	doubt   time.Time     // what was stored before may have been delivered
	epoch   string        // of the consumer
}

// cursorChanged follows a change of an endpoint's record.
func (e *Engine) cursorChanged(ctx context.Context, g *errgroup.Group, key cursor.Key) {
	if l := e.lanes.Find(key.Endpoint); l != nil {
		e.decideAside(l, key)
	}
	e.following.Lock()
	defer e.following.Unlock()
	if f, ok := e.followers.Load(key); ok {
		f.(*follower).wake()
		return
	}
	if e.cursors.Of(key) == nil {
		return
	}
	f := &follower{Engine: e, key: key, changed: make(chan struct{}, 1), avg: 16 << 10}
	f.in = &intake{
		bus: e.bus, queue: topology.Queue{Stream: key.Stream}, log: e.log.With("stream", key.Stream, "endpoint", key.Endpoint),
		bytes: e.ahead, pull: pullBytes(e.bus), acks: e.acks, held: make(map[uint64]*held), cursor: true, sync: e.cursors.Sync, stale: &e.faults.places,
	}
	e.followers.Store(key, f)
	g.Go(func() error {
		f.run(ctx)
		return nil
	})
}

// wakeFollowers tells the followers of an endpoint that it has changed.
func (e *Engine) wakeFollowers(ep *endpoint.Endpoint) {
	if ep == nil {
		return
	}
	for _, stream := range topology.EventStreams {
		if f, ok := e.followers.Load(cursor.Key{Endpoint: ep.ID, Stream: stream}); ok {
			f.(*follower).wake()
		}
	}
}

func (f *follower) wake() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// run follows the record until it is removed, and then this process has nothing of the cursor, or until ctx ends.
func (f *follower) run(ctx context.Context) {
	taking := outage.Outage{
		Fails: "cannot read events for a lagging endpoint; retrying",
		Works: "reading events for a lagging endpoint again",
	}
	for ctx.Err() == nil {
		if f.cursors.Of(f.key) == nil && f.end() {
			return
		}
		err := f.step(ctx)
		if ctx.Err() != nil {
			return
		}
		taking.Tell(f.in.log, err)
		var again <-chan time.Time
		if err != nil {
			again = time.After(retryFetch)
		}
		select {
		case <-f.changed:
		case <-again:
		case <-ctx.Done():
		}
	}
}

// end ends the follower, unless there is a record again.
func (f *follower) end() bool {
	f.following.Lock()
	defer f.following.Unlock()
	if f.cursors.Of(f.key) != nil {
		return false
	}
	f.followers.Delete(f.key)
	return true
}

// step does what the record asks for, until it or the endpoint changes.
func (f *follower) step(ctx context.Context) error {
	r := f.cursors.Of(f.key)
	if r == nil {
		return nil
	}
	ep, ok := f.endpoints.Lookup(f.key.Endpoint)
	switch {
	case !ok && f.endpoints.IsUnreadable(f.key.Endpoint):
		return nil
	case !ok || len(topology.Filters(f.key.Stream, ep.Events)) == 0:
		return f.abandon(ctx)
	case !r.Divides():
		return f.settle(ctx, r)
	case ep.PassesBy() && r.Phase == cursor.Own && !r.Asked.Equal(ep.DisabledSince()): // what comes from now on passes by
		return f.passBy(ctx)
	case ep.Disabled:
		return nil
	}
	return f.drain(ctx, ep)
}

// passBy lets events pass by an endpoint whose operator disabled it, if that is so by the buckets too.
func (f *follower) passBy(ctx context.Context) error {
	r, err := f.cursors.Get(ctx, f.key)
	if err != nil || r == nil {
		return err
	}
	ep, err := f.endpoints.Get(ctx, f.key.Endpoint)
	if err != nil || !ep.PassesBy() || r.Asked.Equal(ep.DisabledSince()) {
		return err
	}
	_, err = f.cursors.PassBy(ctx, r)
	return err
}

// settle brings a record into a phase that divides, unless whoever changed it does so in time.
func (f *follower) settle(ctx context.Context, r *cursor.Record) error {
	select {
	case <-time.After(settleAfter):
	case <-f.changed:
		f.wake()
		return nil
	case <-ctx.Done():
		return nil
	}
	if now := f.cursors.Of(f.key); now == nil || now.Revision != r.Revision {
		f.wake()
		return nil
	}
	_, err := f.cursors.Settle(ctx, f.key)
	return err
}

// errLags means that the bucket holds another state of the endpoint than this process has heard of.
var errLags = errors.New("the endpoint's change is on its way")

// abandon removes the record of an endpoint that is removed, or that does not listen to the stream any more, if the bucket
// says so too.
func (f *follower) abandon(ctx context.Context) error {
	left, err := f.endpoints.HasLeft(ctx, f.key.Endpoint, f.key.Stream)
	if err == nil && !left {
		err = errLags
	}
	if err != nil {
		return err
	}
	r, err := f.cursors.Get(ctx, f.key)
	if err != nil || r == nil {
		return err
	}
	return f.cursors.Remove(ctx, r)
}

// drain delivers what the cursor has until the record or the endpoint changes.
func (f *follower) drain(ctx context.Context, ep *endpoint.Endpoint) error {
	l := f.lane(ep)
	if !f.awaitAppetite(ctx, l, true) {
		return nil
	}
	current, err := f.endpoints.Get(ctx, f.key.Endpoint) // old patterns must not replace new ones
	if err != nil {
		return err
	}
	before := f.cursors.Of(f.key)
	begun := before != nil && before.Opened
	consumer, r, made, err := f.cursors.Consumer(ctx, f.key, current.Events)
	if err != nil || consumer == nil {
		return err
	}
	defer consumer.Close()
	spell := f.unbroken.now(f.key.Stream)
	f.epoch, f.in.opened, f.in.reconnects = r.Epoch, spell.since, spell.reconnects
	if made && begun || !r.Asked.IsZero() { // it may bring what was delivered before
		f.doubt = time.Now()
	}
	if f.doubt.After(f.in.opened) {
		f.in.opened = f.doubt
	}
	if time.Since(f.counted) > missed.Every { // before what is handed out next, while nobody ran
		f.counted = time.Now()
		f.missed.Look(ctx, f.key)
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
		if time.Since(looked) < tendEvery {
			continue
		}
		looked = time.Now()
		if ended, err := f.rejoin(ctx, current.Events, time.Since(behind) > f.calm); ended || err != nil {
			return err
		}
	}
	return nil
}

// awaitAppetite waits until the lane wants more, and returns false when the record or the endpoint changes first. The
// consumer must not be made before what came by the shared intake is on its way: until then that may be left to it.
func (f *follower) awaitAppetite(ctx context.Context, l *lane.Lane[*job], first bool) bool {
	for {
		n, more := l.Wants()
		r := f.cursors.Of(f.key)
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
			look = time.After(tendEvery / 5)
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
	r := f.cursors.Of(f.key)
	switch {
	case r == nil:
		return true, nil
	case r.Phase == cursor.Own && keepsUp:
		_, err := f.cursors.Join(ctx, f.key)
		return false, err
	case r.Phase != cursor.Joined:
		return false, nil
	case r.Passing: // its record says what passed by, until it is enabled
		_, err := f.stillPasses(ctx, r)
		return false, err
	}
	if counts, err := f.missed.Last(ctx, r); counts || err != nil { // it goes with the record
		return false, err
	}
	return f.cursors.Finish(ctx, r, patterns)
}
