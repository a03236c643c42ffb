package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Errors of the registry. Test with errors.Is.
var (
	// ErrNotFound means that there is no endpoint with this id.
	ErrNotFound = errors.New("no such endpoint")
	// ErrUnavailable means that the bucket could not be reached.
	ErrUnavailable = errors.New("endpoint registry unavailable")
)

// Change tells that an endpoint was created (Before nil), changed, or removed (After nil).
type Change struct{ Before, After *Endpoint }

// Registry is the endpoints as this process sees them: a bucket that every process watches, so that a change
// by one is seen by all at once. What this process changes itself, it sees before the change returns.
// Endpoints it returns are shared and must not be modified.
type Registry struct {
	kv      jetstream.KeyValue
	watch   jetstream.KeyWatcher
	index   *index
	changes chan Change // made by this process, for Run to tell of
	log     *slog.Logger
}

// maxChanges bounds the changes by this process that wait to be told of.
const maxChanges = 1024

// OpenRegistry reads the bucket whole and returns. Run keeps it current.
func OpenRegistry(ctx context.Context, kv jetstream.KeyValue, log *slog.Logger) (*Registry, error) {
	// The watcher outlives ctx, which only bounds the first reading.
	w, err := kv.WatchAll(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("watching the endpoints' bucket: %w", err)
	}
	r := &Registry{kv: kv, watch: w, index: newIndex(), changes: make(chan Change, maxChanges), log: log}
	for {
		select {
		case entry := <-w.Updates():
			if entry == nil { // the end of what was there
				return r, nil
			}
			r.apply(entry)
		case <-ctx.Done():
			w.Stop()
			return nil, fmt.Errorf("reading the endpoints' bucket: %w", ctx.Err())
		}
	}
}

// Run applies changes as they come and tells changed of each, until ctx ends. When the connection comes back,
// which restored tells, or the watch ends, it reads the bucket anew: changes may have been missed, and the
// client library would take ten seconds to notice.
func (r *Registry) Run(ctx context.Context, restored func() <-chan struct{}, changed func(Change)) error {
	defer func() { r.watch.Stop() }()
	back := restored()
	for {
		select {
		case entry, ok := <-r.watch.Updates():
			if !ok {
				r.reread(ctx, changed)
			} else if entry != nil {
				if c, news := r.apply(entry); news {
					changed(c)
				}
			}
		case <-back:
			back = restored()
			r.reread(ctx, changed)
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
func (r *Registry) reread(ctx context.Context, changed func(Change)) {
	r.watch.Stop()
	for complained := false; ctx.Err() == nil; complained = true {
		err := r.rereadOnce(ctx, changed)
		if err == nil {
			return
		}
		if !complained {
			r.log.Warn("reading the endpoints' bucket failed; trying again until it can be", "error", err)
		}
		select {
		case <-time.After(rereadPause):
		case <-ctx.Done():
		}
	}
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
			if c, news := r.apply(entry); news {
				changed(c)
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

// apply takes over one entry of the bucket and reports whether it is news. An entry that can't be read is
// logged and skipped: the others must go on.
func (r *Registry) apply(entry jetstream.KeyValueEntry) (c Change, news bool) {
	if entry.Operation() != jetstream.KeyValuePut {
		before, err := r.index.remove(entry.Key(), entry.Revision())
		r.complain(entry.Key(), err)
		return Change{Before: before}, before != nil
	}
	e, err := Decode(entry.Value())
	if err != nil {
		r.complain(entry.Key(), err)
		return Change{}, false
	}
	e.Revision = entry.Revision()
	return r.put(&e)
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

// Get reads an endpoint from the bucket, where every change is seen that was acknowledged before.
func (r *Registry) Get(ctx context.Context, id string) (Endpoint, error) {
	entry, err := r.kv.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
		return Endpoint{}, ErrNotFound
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	e, err := Decode(entry.Value())
	e.Revision = entry.Revision()
	return e, err
}

// Create stores a new endpoint.
func (r *Registry) Create(ctx context.Context, e Endpoint) (Endpoint, error) {
	data, err := Encode(e)
	if err != nil {
		return e, err
	}
	if e.Revision, err = r.kv.Create(ctx, e.ID, data); err != nil {
		return e, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.changed(e)
	return e, nil
}

// Update applies change to the endpoint's current state and stores the result. When another process changed
// it meanwhile, it starts anew, so change may be called several times; its error ends the update.
func (r *Registry) Update(ctx context.Context, id string, change func(*Endpoint) error) (Endpoint, error) {
	for {
		e, err := r.Get(ctx, id)
		if err != nil {
			return e, err
		}
		if err := change(&e); err != nil {
			return e, err
		}
		e.UpdatedAt = time.Now().UTC()
		data, err := Encode(e)
		if err != nil {
			return e, err
		}
		revision, err := r.kv.Update(ctx, id, data, e.Revision)
		switch {
		case err == nil:
			e.Revision = revision
			r.changed(e)
			return e, nil
		case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
			continue
		default:
			return e, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// Delete removes an endpoint.
func (r *Registry) Delete(ctx context.Context, id string) error {
	e, err := r.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := r.kv.Purge(ctx, id); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	before, err := r.index.remove(id, e.Revision)
	r.complain(id, err)
	if before != nil {
		r.tell(Change{Before: before})
	}
	return nil
}
