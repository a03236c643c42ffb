package cursor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/publish/failure"
	"jethook/publish/pull"
)

// Leave lets an endpoint leave the shared intake of a stream, unless it has, and returns its record.
func (t *Table) Leave(ctx context.Context, key Key, why Why) (*Record, error) {
	left := false
	r, err := t.change(ctx, key, func(r *Record) (bool, error) {
		if left = r.Phase == Joined; !left {
			return false, nil
		}
		r.Phase, r.Why, r.Since, r.Passing = Leaving, why, time.Now().UTC(), false
		return true, nil
	})
	if err == nil && r == nil {
		err = t.begin(ctx, &Record{Phase: Leaving, Epoch: nuid.Next(), Why: why, Since: time.Now().UTC(), Key: key})
		left = true
	}
	// A circuit that opens, and an endpoint that is disabled, have had their line.
	if err == nil && left && why != CircuitOpen && why != Disabled {
		t.log.Info("endpoint lagging; its events wait in their stream", "endpoint", key.Endpoint, "stream", key.Stream, "reason", why)
	}
	if err != nil && !errors.Is(err, failure.ErrConflict) {
		return nil, err
	}
	r, err = t.Settle(ctx, key)
	if err != nil || r != nil && r.Phase == Own {
		return r, err
	}
	return t.Leave(ctx, key, why) // it has joined, or is gone, meanwhile
}

// begin stores a record where there is none. ErrConflict: there is one.
func (t *Table) begin(ctx context.Context, r *Record) error {
	have, removed, err := t.read(ctx, r.Key)
	if err == nil && have != nil {
		err = failure.ErrConflict
	}
	if err != nil {
		return err
	}
	return t.store(ctx, r, removed)
}

// Settle brings a record into a phase that divides, and returns it; nil when there is none.
func (t *Table) Settle(ctx context.Context, key Key) (*Record, error) {
	return t.change(ctx, key, func(r *Record) (bool, error) {
		if r.Divides() {
			return false, nil
		}
		border, err := t.border(ctx, r)
		if err != nil {
			return false, err
		}
		switch {
		case r.Phase == Joining:
			r.Phase, r.Until = Joined, border
		case r.From == 0:
			r.Phase, r.From = Own, border
		default:
			r.Phase, r.Gaps, r.Until = Own, append(r.Gaps, Gap{r.Until, border}), 0
		}
		return true, nil
	})
}

// border is the next place behind all that the consumers have handed out.
func (t *Table) border(ctx context.Context, r *Record) (uint64, error) {
	shared, _, err := t.bus.Consumers().HandedOut(ctx, pull.Own{Stream: r.Key.Stream})
	if err != nil && !errors.Is(err, failure.ErrNotFound) { // no process has delivered yet
		return 0, err
	}
	own, _, err := t.bus.Consumers().HandedOut(ctx, r.Consumer())
	if errors.Is(err, failure.ErrNotFound) { // it has yet to be made
		return max(shared+1, r.From), nil
	}
	return max(shared+1, own+1, r.From, r.Until), err
}

// Consumer opens the cursor's consumer for an endpoint's patterns, and returns it with the record that it belongs to, and
// whether it was made; nil: there is no record, or it does not divide. From then on no place can be left to the cursor.
func (t *Table) Consumer(ctx context.Context, key Key, patterns []string) (c *pull.Consumer, r *Record, made bool, err error) {
	r, err = t.change(ctx, key, func(r *Record) (bool, error) {
		changes := !r.Opened && r.Divides()
		r.Opened = r.Opened || changes
		return changes, nil
	})
	if err != nil || r == nil || !r.Divides() {
		return nil, nil, false, err
	}
	c, made, err = t.bus.Consumers().OpenCursor(ctx, r.Consumer(), patterns, r.Start())
	return c, r, made, err
}

// Finish removes a record that has joined, as it was read, if nothing below its border is left for the cursor of an endpoint
// with these patterns, nor for the shared intake: until then somebody there has yet to learn that it was the cursor's. It
// reports whether it has.
func (t *Table) Finish(ctx context.Context, r *Record, patterns []string) (ended bool, err error) {
	for own, patterns := range map[pull.Own][]string{r.Consumer(): patterns, {Stream: r.Key.Stream}: nil} {
		if settled, err := t.isSettled(ctx, r, own, patterns); !settled || err != nil {
			return false, err
		}
	}
	if err = t.Remove(ctx, r); errors.Is(err, failure.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// isSettled reports whether all that a consumer has below the border of a record has its outcome.
func (t *Table) isSettled(ctx context.Context, r *Record, own pull.Own, patterns []string) (bool, error) {
	lag, err := t.bus.Consumers().Lag(ctx, own)
	switch {
	case err != nil || lag.NotThere: // it has to be made
		return false, err
	case lag.Settled+1 >= r.Until:
		return true, nil
	case lag.Behind > 0 || lag.Unacked > 0:
		return false, nil
	}
	// A consumer counts an event a moment after it is stored, or long after on a server that lags.
	left, err := t.bus.Consumers().HoldsBetween(ctx, r.Key.Stream, patterns, lag.Settled+1, r.Until)
	return !left, err
}

// ErrOpened means that no place can be left to a cursor any more.
var ErrOpened = errors.New("the cursor has begun")

// LeaveTo hands places below the border over to the cursor. Once it returns nil, they are the cursor's. ErrOpened: they
// can't be.
func (t *Table) LeaveTo(ctx context.Context, key Key, places []uint64) error {
	r, err := t.change(ctx, key, func(r *Record) (bool, error) {
		switch left := r.Left.with(places); {
		case len(left) == len(r.Left): // by an earlier try whose answer was lost
			return false, nil
		case r.Opened:
			return false, ErrOpened
		case !r.Divides():
			return false, fmt.Errorf("leaving places to the cursor %s: %w", key, failure.ErrConflict)
		default:
			r.Left = left
			return true, nil
		}
	})
	if err == nil && r == nil {
		return ErrOpened
	}
	return err
}

// Join lets an endpoint that keeps up join the shared intake again.
func (t *Table) Join(ctx context.Context, key Key) (*Record, error) {
	return t.join(ctx, key, func(*Record) bool { return true }, false)
}

// PassBy is Join for an endpoint that its operator has disabled, if its record is still as it was read: what comes from then
// on passes it by. That the endpoint is disabled must have been read after the record: whoever enables it changes the record
// first.
func (t *Table) PassBy(ctx context.Context, r *Record) (*Record, error) {
	return t.join(ctx, r.Key, func(now *Record) bool { return now.Revision == r.Revision }, true)
}

func (t *Table) join(ctx context.Context, key Key, may func(*Record) bool, passing bool) (*Record, error) {
	joined := false
	_, err := t.change(ctx, key, func(r *Record) (bool, error) {
		if joined = r.Phase == Own && may(r); !joined {
			return false, nil
		}
		r.Phase, r.Passing = Joining, passing
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if joined && !passing {
		t.log.Info("endpoint caught up", "endpoint", key.Endpoint, "stream", key.Stream)
	}
	return t.Settle(ctx, key)
}

// Resume lets the cursor of an endpoint have what lies from a place on, also where it passed by while the endpoint was
// disabled, but not what lies before that. It is called before the endpoint is enabled, with when that was disabled.
func (t *Table) Resume(ctx context.Context, key Key, from uint64, disabled time.Time) error {
	for {
		r, err := t.Settle(ctx, key)
		if err != nil {
			return err
		}
		next := Record{Phase: Own, From: from, Epoch: nuid.Next(), Why: Disabled, Since: time.Now().UTC(), Key: key}
		switch {
		case r == nil:
		case r.Phase == Joined:
			next = *r
			if from > r.Until {
				next.Gaps = append(slices.Clone(r.Gaps), Gap{r.Until, from})
			}
			next.Phase, next.Until, next.Passing = Own, 0, false
		default:
			next = *r
		}
		next.Asked, next.Missed.Mark = disabled, nil
		if r == nil {
			err = t.begin(ctx, &next)
		} else {
			err = t.store(ctx, &next, next.Revision)
		}
		if !errors.Is(err, failure.ErrConflict) {
			return err
		}
	}
}

// Note stores what of a record does not concern whose an event is.
func (t *Table) Note(ctx context.Context, key Key, note func(*Record) bool) error {
	_, err := t.change(ctx, key, func(r *Record) (bool, error) { return note(r), nil })
	return err
}

// Remove removes a record as it was read, and then its consumer.
func (t *Table) Remove(ctx context.Context, r *Record) error {
	err := t.kv.Delete(ctx, r.Key.String(), jetstream.LastRevision(r.Revision))
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return fmt.Errorf("removing the cursor %s: %w", r.Key, failure.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("removing the cursor %s: %w", r.Key, pull.Unavailable(err))
	}
	return t.bus.Consumers().Drop(ctx, r.Consumer())
}

// Get reads a record from the bucket, where every change is seen that was stored before; nil when there is none.
func (t *Table) Get(ctx context.Context, key Key) (*Record, error) {
	r, _, err := t.read(ctx, key)
	return r, err
}

// read is Get. It also returns the revision in whose place the next one is stored, which a record that was removed has too.
func (t *Table) read(ctx context.Context, key Key) (*Record, uint64, error) {
	data, revision, err := t.bus.Consumers().Record(ctx, key.String())
	if errors.Is(err, failure.ErrNotFound) {
		return nil, revision, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the cursor %s: %w", key, err)
	}
	r := &Record{}
	return r, revision, r.decode(key, data, revision)
}

// change applies a change to a record, until nobody else changes it meanwhile, and returns the record as it is then; nil
// when there is none.
func (t *Table) change(ctx context.Context, key Key, apply func(*Record) (changes bool, err error)) (*Record, error) {
	for {
		r, err := t.Get(ctx, key)
		if err != nil || r == nil {
			return nil, err
		}
		changes, err := apply(r)
		if err != nil || !changes {
			return r, err
		}
		if err = t.store(ctx, r, r.Revision); !errors.Is(err, failure.ErrConflict) {
			return r, err
		}
	}
}

// store puts a record into the place of a revision, 0 for none at all. ErrConflict: there is another.
func (t *Table) store(ctx context.Context, r *Record, revision uint64) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	stored, err := t.kv.Update(ctx, r.Key.String(), data, revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return fmt.Errorf("storing the cursor %s: %w", r.Key, failure.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("storing the cursor %s: %w", r.Key, pull.Unavailable(err))
	}
	r.Revision = stored
	return nil
}
