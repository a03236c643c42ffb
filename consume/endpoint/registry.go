package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
)

// Errors of the registry. Test with errors.Is.
var (
	// ErrNotFound means that there is no endpoint with this id.
	ErrNotFound = errors.New("no such endpoint")
	// ErrUnavailable means that the bucket could not be reached.
	ErrUnavailable = errors.New("endpoint registry unavailable")
	// ErrExists means that there is an endpoint with this id, or that there was one.
	ErrExists = errors.New("the endpoint exists, or was removed")
)

// Change tells that an endpoint was created (Before nil), changed, or removed (After nil).
type Change struct{ Before, After *Endpoint }

// Registry is the endpoints as this process sees them: a bucket that every process watches, so that a change
// by one is seen by all at once. What this process changes itself, it sees before the change returns.
// Endpoints it returns are shared and must not be modified.
type Registry struct {
	kv      jetstream.KeyValue
	keys    *config.Keyring
	watch   jetstream.KeyWatcher
	index   *index
	changes chan Change // made by this process, for Run to tell of
	log     *slog.Logger
}

// maxChanges bounds the changes by this process that wait to be told of.
const maxChanges = 1024

// OpenRegistry reads the bucket whole and returns. Run keeps it current. Secrets are sealed by keys; those that an
// older key sealed, or none, are sealed anew. The error wraps [ErrSealed] when the keys don't fit.
func OpenRegistry(ctx context.Context, kv jetstream.KeyValue, keys *config.Keyring, log *slog.Logger) (*Registry, error) {
	// The watcher outlives ctx, which only bounds the first reading.
	w, err := kv.WatchAll(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("watching the endpoints' bucket: %w", err)
	}
	r := &Registry{kv: kv, keys: keys, watch: w, index: newIndex(), changes: make(chan Change, maxChanges), log: log}
	if err := r.readAll(ctx); err != nil {
		w.Stop()
		return nil, fmt.Errorf("reading the endpoints' bucket: %w", err)
	}
	return r, nil
}

func (r *Registry) readAll(ctx context.Context) error {
	var stale []string
	for {
		select {
		case entry := <-r.watch.Updates():
			if entry == nil { // the end of what was there
				return r.seal(ctx, stale)
			}
			if _, _, err := r.apply(entry); err != nil {
				return err
			}
			if entry.Operation() == jetstream.KeyValuePut && !isSealedBy(r.keys, entry.Value()) {
				stale = append(stale, entry.Key())
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// seal stores endpoints as they are, which seals them by the first key.
func (r *Registry) seal(ctx context.Context, ids []string) error {
	for _, id := range ids {
		e, known := r.index.get(id)
		if !known { // it can't be read, which was logged
			continue
		}
		_, err := r.replace(ctx, id, func(*Endpoint) error { return nil })
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("sealing the secrets of endpoint %s: %w", e.ID, err)
		}
		r.log.Info("endpoint's secrets sealed", "endpoint", e.ID)
	}
	return nil
}

// Run applies changes as they come and tells changed of each, until ctx ends. When the connection comes back,
// which restored tells, or the watch ends, it reads the bucket anew: changes may have been missed, and the
// client library would take ten seconds to notice. It fails, with [ErrSealed], only when another process sealed an
// endpoint by a key that this one does not have.
func (r *Registry) Run(ctx context.Context, restored func() <-chan struct{}, changed func(Change)) error {
	defer func() { r.watch.Stop() }()
	back := restored()
	for {
		select {
		case entry, ok := <-r.watch.Updates():
			var err error
			if !ok {
				err = r.reread(ctx, changed)
			} else if entry != nil {
				err = r.take(entry, changed)
			}
			if err != nil {
				return err
			}
		case <-back:
			back = restored()
			if err := r.reread(ctx, changed); err != nil {
				return err
			}
		case c := <-r.changes:
			changed(c)
		case <-ctx.Done():
			return nil
		}
	}
}

// rereadPause is the pause before a bucket that could not be read is read again.
const rereadPause = 250 * time.Millisecond

// reread watches the bucket anew and takes over what is different, however often that takes.
func (r *Registry) reread(ctx context.Context, changed func(Change)) error {
	r.watch.Stop()
	for complained := false; ctx.Err() == nil; complained = true {
		err := r.rereadOnce(ctx, changed)
		if err == nil || errors.Is(err, ErrSealed) {
			return err
		}
		if !complained {
			r.log.Warn("reading the endpoints' bucket failed; trying again until it can be", "error", err)
		}
		select {
		case <-time.After(rereadPause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (r *Registry) rereadOnce(ctx context.Context, changed func(Change)) error {
	known := r.index.all() // before the bucket is read: what comes meanwhile is not missing from it
	w, err := r.kv.WatchAll(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	timeout := time.NewTimer(rereadTimeout)
	defer timeout.Stop()
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return errors.New("the watch ended")
			}
			if entry == nil {
				r.watch = w
				r.forget(known, there, changed)
				return nil
			}
			there[entry.Key()] = entry.Operation() == jetstream.KeyValuePut
			if err := r.take(entry, changed); err != nil {
				w.Stop()
				return err
			}
		case <-timeout.C:
			w.Stop()
			return errors.New("the bucket did not come")
		case <-ctx.Done():
			w.Stop()
			return ctx.Err()
		}
	}
}

// rereadTimeout is how long the bucket's content may take to come.
const rereadTimeout = 10 * time.Second

// forget removes the endpoints that were known and are not in the bucket any more.
func (r *Registry) forget(known []*Endpoint, there map[string]bool, changed func(Change)) {
	for _, e := range known {
		if there[e.ID] {
			continue
		}
		before, err := r.index.remove(e.ID, e.Revision)
		r.complain(e.ID, err)
		if before != nil {
			changed(Change{Before: before})
		}
	}
}

// take applies one entry of the bucket and tells changed if it is news.
func (r *Registry) take(entry jetstream.KeyValueEntry, changed func(Change)) error {
	c, news, err := r.apply(entry)
	if news {
		changed(c)
	}
	return err
}

// apply takes over one entry of the bucket and reports whether it is news. An entry that can't be read is
// logged and skipped, as the others must go on; but not one that only another key opens, which is an error.
func (r *Registry) apply(entry jetstream.KeyValueEntry) (c Change, news bool, err error) {
	if entry.Operation() != jetstream.KeyValuePut {
		before, err := r.index.remove(entry.Key(), entry.Revision())
		r.complain(entry.Key(), err)
		return Change{Before: before}, before != nil, nil
	}
	e, err := Decode(entry.Value(), r.keys)
	if errors.Is(err, ErrSealed) {
		return Change{}, false, err
	}
	if err != nil {
		r.complain(entry.Key(), err)
		return Change{}, false, nil
	}
	e.Revision = entry.Revision()
	c, news = r.put(&e)
	return c, news, nil
}

func (r *Registry) put(e *Endpoint) (Change, bool) {
	before, news, err := r.index.put(e)
	r.complain(e.ID, err)
	return Change{Before: before, After: e}, news
}

func (r *Registry) complain(id string, err error) {
	if err != nil {
		r.log.Error("endpoint not usable", "endpoint", id, "error", err)
	}
}

// changed takes over what this process stored. Without it an event that is published right after the change
// could be matched before the watch brings it.
func (r *Registry) changed(e Endpoint) {
	if c, news := r.put(&e); news {
		r.tell(c)
	}
}

func (r *Registry) tell(c Change) {
	select {
	case r.changes <- c:
	default: // nobody runs the registry
	}
}

// Match returns the enabled endpoints that subscribed to subject.
func (r *Registry) Match(subject string) []*Endpoint { return r.index.match(subject) }

// Enabled returns how many endpoints are not disabled.
func (r *Registry) Enabled() int { return r.index.enabledCount() }

// Lookup returns an endpoint as this process sees it.
func (r *Registry) Lookup(id string) (*Endpoint, bool) { return r.index.get(id) }

// All returns every endpoint as this process sees it, the oldest first.
func (r *Registry) All() []*Endpoint { return r.index.all() }

// maxIDBytes is more than any endpoint's id has. The server ends the connection of who sends a subject of some
// kilobytes, and nats.go then closes it for good.
const maxIDBytes = 128

// Get reads an endpoint from the bucket, where every change is seen that was acknowledged before.
func (r *Registry) Get(ctx context.Context, id string) (Endpoint, error) {
	if len(id) > maxIDBytes {
		return Endpoint{}, ErrNotFound
	}
	entry, err := r.kv.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return Endpoint{}, ErrNotFound
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e, err := Decode(entry.Value(), r.keys)
	e.Revision = entry.Revision()
	return e, err
}

// Create stores a new endpoint. The error wraps [ErrExists] when there is or was one with its id: one that is
// removed does not come back.
func (r *Registry) Create(ctx context.Context, e Endpoint) (Endpoint, error) {
	return r.store(ctx, e, 0, ErrExists)
}

// Update applies change to the endpoint's current state and stores the result. When another process changed
// it meanwhile, it starts anew, so change may be called several times; its error ends the update.
func (r *Registry) Update(ctx context.Context, id string, change func(*Endpoint) error) (Endpoint, error) {
	return r.replace(ctx, id, func(e *Endpoint) error {
		if err := change(e); err != nil {
			return err
		}
		e.UpdatedAt = time.Now().UTC()
		return nil
	})
}

// errChanged means that the bucket holds another revision than the one that was to be replaced.
var errChanged = errors.New("the endpoint was changed meanwhile")

func (r *Registry) replace(ctx context.Context, id string, change func(*Endpoint) error) (Endpoint, error) {
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
func (r *Registry) store(ctx context.Context, e Endpoint, revision uint64, taken error) (Endpoint, error) {
	data, err := Encode(e, r.keys)
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
	r.changed(e)
	return e, nil
}

// Delete removes an endpoint.
func (r *Registry) Delete(ctx context.Context, id string) error {
	return r.DeleteIf(ctx, id, func(*Endpoint) error { return nil })
}

// DeleteIf removes an endpoint unless check has an objection to its current state, which is then the error.
func (r *Registry) DeleteIf(ctx context.Context, id string, check func(*Endpoint) error) error {
	for {
		e, err := r.Get(ctx, id)
		if err != nil {
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
		before, err := r.index.remove(id, e.Revision)
		r.complain(id, err)
		if before != nil {
			r.tell(Change{Before: before})
		}
		return nil
	}
}
