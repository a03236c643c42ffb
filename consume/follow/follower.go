package follow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"jethook/consume/cursor"
	"jethook/publish/outage"
	"jethook/publish/topology"
)

const (
	// settleAfter is how long a record may be in a phase that divides nothing before somebody else settles it.
	settleAfter = time.Second
	// retry is the pause after a failed request.
	retry = 250 * time.Millisecond
)

// follower delivers what one cursor brings.
type follower struct {
	*Followers
	key     cursor.Key
	in      Intake
	log     *slog.Logger
	changed chan struct{} // told when the record or the endpoint changes
	avg     int           // size of its events, smoothed
	counted time.Time     // when it last counted by itself what was missed
	doubt   time.Time     // what was stored before may have been delivered
	epoch   string        // of the consumer
}

func newFollower(all *Followers, key cursor.Key) *follower {
	return &follower{
		Followers: all, key: key, in: all.Intake(key), log: all.Log.With("stream", key.Stream, "endpoint", key.Endpoint),
		changed: make(chan struct{}, 1), avg: 16 << 10,
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
		if f.Cursors.Of(f.key) == nil && f.end(f) {
			return
		}
		err := f.step(ctx)
		if ctx.Err() != nil {
			return
		}
		taking.Tell(f.log, err)
		var again <-chan time.Time
		if err != nil {
			again = time.After(retry)
		}
		select {
		case <-f.changed:
		case <-again:
		case <-ctx.Done():
		}
	}
}

// step does what the record asks for, until it or the endpoint changes.
func (f *follower) step(ctx context.Context) error {
	r := f.Cursors.Of(f.key)
	if r == nil {
		return nil
	}
	ep, ok := f.Endpoints.Lookup(f.key.Endpoint)
	switch {
	case !ok && f.Endpoints.IsUnreadable(f.key.Endpoint):
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
	r, err := f.Cursors.Get(ctx, f.key)
	if err != nil || r == nil {
		return err
	}
	ep, err := f.Endpoints.Get(ctx, f.key.Endpoint)
	if err != nil || !ep.PassesBy() || r.Asked.Equal(ep.DisabledSince()) {
		return err
	}
	_, err = f.Cursors.PassBy(ctx, r)
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
	if now := f.Cursors.Of(f.key); now == nil || now.Revision != r.Revision {
		f.wake()
		return nil
	}
	_, err := f.Cursors.Settle(ctx, f.key)
	return err
}

// errLags means that the bucket holds another state of the endpoint than this process has heard of.
var errLags = errors.New("the endpoint's change is on its way")

// abandon removes the record of an endpoint that is removed, or that does not listen to the stream any more, if the bucket
// says so too.
func (f *follower) abandon(ctx context.Context) error {
	left, err := f.Endpoints.HasLeft(ctx, f.key.Endpoint, f.key.Stream)
	if err == nil && !left {
		err = errLags
	}
	if err != nil {
		return err
	}
	r, err := f.Cursors.Get(ctx, f.key)
	if err != nil || r == nil {
		return err
	}
	return f.Cursors.Remove(ctx, r)
}
