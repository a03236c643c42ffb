// Package registry is where all processes see the same endpoints: it keeps them in a bucket, follows it, and finds those that
// subscribed to a subject. What an endpoint may be is for package endpoint to say.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config/keyring"
	"jethook/consume/endpoint"
	"jethook/publish/seal"
	"jethook/publish/topology"
)

// Errors of the registry. Test with errors.Is.
var (
	// ErrNotFound means that there is no endpoint with this id.
	ErrNotFound = errors.New("no such endpoint")
	// ErrUnavailable means that the bucket could not be reached.
	ErrUnavailable = errors.New("endpoint registry unavailable")
	// ErrExists means that there is an endpoint with this id, or that there was one.
	ErrExists = errors.New("endpoint exists or was removed")
)

// Change tells that an endpoint was created (Before nil), changed, or removed (After nil).
type Change struct{ Before, After *endpoint.Endpoint }

// Registry is the endpoints as this process sees them: a bucket that every process watches, so that a change
// by one is seen by all at once. What this process changes itself, it sees before the change returns.
// Endpoints it returns are shared and must not be modified.
type Registry struct {
	kv      jetstream.KeyValue
	keys    *keyring.Keyring
	seals   *seal.Seals
	bad     *seal.BadRecords
	watch   jetstream.KeyWatcher
	index   *index
	changes chan Change // made by this process, for Run to tell of
	log     *slog.Logger
}

// maxChanges bounds the changes by this process that wait to be told of.
const maxChanges = 1024

// Open reads the bucket whole and returns. Run keeps it current. Records are sealed by keys; those that an
// older key sealed, or none, are sealed anew, the latter only at the first start with a key. A record that can't be
// read is passed over; see [Registry.Unreadable], and [Registry.Locked] for keys that don't fit the bucket.
func Open(ctx context.Context, kv jetstream.KeyValue, keys *keyring.Keyring, log *slog.Logger) (*Registry, error) {
	seals, err := seal.Open(ctx, kv, keys, log)
	if err != nil {
		return nil, err
	}
	r := &Registry{
		kv: kv, keys: keys, seals: seals, bad: seal.NewBadRecords(topology.BucketEndpoints, log),
		index: newIndex(), changes: make(chan Change, maxChanges), log: log,
	}
	if r.Locked() != nil {
		return r, nil
	}
	// The watcher outlives ctx, which only bounds the first reading.
	if r.watch, err = kv.WatchAll(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("watching the endpoints' bucket: %w", err)
	}
	if err := r.readAll(ctx); err != nil {
		r.watch.Stop()
		return nil, fmt.Errorf("reading the endpoints' bucket: %w", err)
	}
	return r, nil
}

func (r *Registry) put(e *endpoint.Endpoint, lost uint64) (Change, bool) {
	before, news, err := r.index.put(e, lost)
	r.complain(e.ID, err)
	return Change{Before: before, After: e}, news
}

func (r *Registry) complain(id string, err error) {
	if err != nil {
		r.log.Error("cannot use an endpoint", "endpoint", id, "error", err)
	}
}

// changed takes over what this process stored. Without it an event that is published right after the change
// could be matched before the watch brings it.
func (r *Registry) changed(e endpoint.Endpoint) {
	if c, news := r.put(&e, 0); news {
		r.tell(c)
	}
}

func (r *Registry) tell(c Change) {
	select {
	case r.changes <- c:
	default: // nobody runs the registry
	}
}

// Match returns the endpoints that subscribed to subject: those that are enabled, and those that rest.
func (r *Registry) Match(subject string) []*endpoint.Endpoint {
	return slices.DeleteFunc(r.index.match(subject), (*endpoint.Endpoint).PassesBy)
}

// MatchAll returns the endpoints that subscribed to subject, with those that it passes by.
func (r *Registry) MatchAll(subject string) []*endpoint.Endpoint { return r.index.match(subject) }

// Enabled returns how many endpoints are not disabled.
func (r *Registry) Enabled() int { return r.index.enabledCount() }

// Lookup returns an endpoint as this process sees it.
func (r *Registry) Lookup(id string) (*endpoint.Endpoint, bool) { return r.index.get(id) }

// All returns every endpoint as this process sees it, the oldest first.
func (r *Registry) All() []*endpoint.Endpoint { return r.index.all() }

// maxIDBytes is more than any endpoint's id has. The server ends the connection of who sends a subject of some
// kilobytes, and nats.go then closes it for good.
const maxIDBytes = 128

// Get reads an endpoint from the bucket, where every change is seen that was acknowledged before. The error wraps
// [publish.ErrUnreadable] when its record can't be read; the endpoint then holds the record's revision alone.
func (r *Registry) Get(ctx context.Context, id string) (endpoint.Endpoint, error) {
	if len(id) > maxIDBytes {
		return endpoint.Endpoint{}, ErrNotFound
	}
	entry, err := r.kv.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return endpoint.Endpoint{}, ErrNotFound
	}
	if err != nil {
		return endpoint.Endpoint{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e, err := endpoint.Decode(id, entry.Value(), r.keys, r.seals.Only())
	e.Revision = entry.Revision()
	return e, err
}

// Create stores a new endpoint. The error wraps [ErrExists] when there is or was one with its id: one that is
// removed does not come back.
func (r *Registry) Create(ctx context.Context, e endpoint.Endpoint) (endpoint.Endpoint, error) {
	return r.store(ctx, e, 0, ErrExists)
}

// Update applies change to the endpoint's current state and stores the result. When another process changed
// it meanwhile, it starts anew, so change may be called several times; its error ends the update.
func (r *Registry) Update(ctx context.Context, id string, change func(*endpoint.Endpoint) error) (endpoint.Endpoint, error) {
	return r.replace(ctx, id, func(e *endpoint.Endpoint) error {
		if err := change(e); err != nil {
			return err
		}
		e.UpdatedAt = time.Now().UTC()
		return nil
	})
}

// errChanged means that the bucket holds another revision than the one that was to be replaced.
var errChanged = errors.New("the endpoint was changed meanwhile")

func (r *Registry) replace(ctx context.Context, id string, change func(*endpoint.Endpoint) error) (endpoint.Endpoint, error) {
	for {
		e, err := r.Get(ctx, id)
		if err != nil {
			return e, err
		}
		if err := change(&e); err != nil {
			return e, err
		}
		if e, err = r.store(ctx, e, e.Revision, errChanged); !errors.Is(err, errChanged) {
			return e, err
		}
	}
}

// store puts e into the place of a revision, 0 for none at all. When there is another, the error wraps taken.
func (r *Registry) store(ctx context.Context, e endpoint.Endpoint, revision uint64, taken error) (endpoint.Endpoint, error) {
	if err := r.Locked(); err != nil {
		return e, err
	}
	data, err := endpoint.Encode(e, r.keys)
	if err != nil {
		return e, err
	}
	stored, err := r.kv.Update(ctx, e.ID, data, revision)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return e, fmt.Errorf("storing endpoint %s: %w", e.ID, taken)
	case err != nil:
		return e, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e.Revision = stored
	r.bad.Note(e.ID, nil)
	r.changed(e)
	return e, nil
}

// Delete removes an endpoint.
func (r *Registry) Delete(ctx context.Context, id string) error {
	return r.DeleteIf(ctx, id, func(*endpoint.Endpoint) error { return nil })
}

// DeleteIf removes an endpoint unless check has an objection to its current state, which is then the error. One whose
// record can't be read is removed too: of that, check sees the revision alone.
func (r *Registry) DeleteIf(ctx context.Context, id string, check func(*endpoint.Endpoint) error) error {
	if err := r.Locked(); err != nil {
		return err
	}
	for {
		e, err := r.Get(ctx, id)
		if err != nil && !errors.Is(err, seal.ErrUnreadable) {
			return err
		}
		if err := check(&e); err != nil {
			return err
		}
		err = r.kv.Purge(ctx, id, jetstream.LastRevision(e.Revision))
		if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		before, err := r.index.remove(id, e.Revision+1) // at least
		r.complain(id, err)
		r.bad.Note(id, nil)
		if before != nil {
			r.tell(Change{Before: before})
		}
		return nil
	}
}
