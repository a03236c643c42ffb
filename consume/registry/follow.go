package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config/keyring"
	"jethook/consume/endpoint"
	"jethook/publish/report"
	"jethook/publish/seal"
	"jethook/publish/topology"
)

func (r *Registry) readAll(ctx context.Context) error {
	var stale []string
	for {
		select {
		case entry := <-r.watch.Updates():
			if entry == nil { // the end of what was there
				return r.seal(ctx, stale)
			}
			_, _, err := r.apply(entry, 0)
			if err == nil && entry.Operation() == jetstream.KeyValuePut && !endpoint.IsCurrent(r.keys, entry.Value()) {
				stale = append(stale, entry.Key())
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// seal stores endpoints as they are, which seals them by the first key. From then on no unsealed record is taken.
func (r *Registry) seal(ctx context.Context, ids []string) error {
	for _, id := range ids {
		_, err := r.replace(ctx, id, func(*endpoint.Endpoint) error { return nil })
		switch {
		case err == nil:
			r.log.Info("endpoint sealed", "endpoint", id)
		case !errors.Is(err, ErrNotFound) && !errors.Is(err, seal.ErrUnreadable):
			return fmt.Errorf("sealing endpoint %s: %w", id, err)
		}
	}
	r.seals.Close(ctx)
	return nil
}

// Run applies changes as they come and tells changed of each, until ctx ends. When the connection comes back,
// which restored tells, or the watch ends, it reads the bucket anew: changes may have been missed, and the
// client library would take ten seconds to notice. It fails, with [publish.ErrWrongKey], only when another process has
// sealed the bucket by a key that this one does not have: it would pass over the events of endpoints that the other
// one makes.
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
				err = r.take(ctx, entry, 0, changed)
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
		if err == nil || errors.Is(err, seal.ErrWrongKey) {
			return err
		}
		if !complained {
			r.log.Warn("cannot read the endpoints' bucket; retrying", "error", err)
		}
		select {
		case <-time.After(rereadPause):
		case <-ctx.Done():
		}
	}
	return nil
}

func (r *Registry) rereadOnce(ctx context.Context, changed func(Change)) error {
	// Before the bucket is read: what this process changes meanwhile is not missing from it. What it has is the truth, also when it
	// is older than what was known: the server may have lost that, as when its machine loses power.
	known, revisions := r.index.all(), r.index.revisions()
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
				r.bad.Keep(func(id string) bool { return there[id] })
				return nil
			}
			there[entry.Key()] = entry.Operation() == jetstream.KeyValuePut
			if err := r.take(ctx, entry, revisions[entry.Key()], changed); err != nil {
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

// forget removes the endpoints that were known and are not in the bucket any more. A server that lags behind the bucket's
// leader may yet bring one.
func (r *Registry) forget(known []*endpoint.Endpoint, there map[string]bool, changed func(Change)) {
	for _, e := range known {
		if there[e.ID] {
			continue
		}
		before, err := r.index.remove(e.ID, e.Revision-1)
		r.complain(e.ID, err)
		if before != nil {
			changed(Change{Before: before})
		}
	}
}

// take applies one entry of the bucket, also if it is older than the revision lost, and tells changed if it is news.
func (r *Registry) take(ctx context.Context, entry jetstream.KeyValueEntry, lost uint64, changed func(Change)) error {
	c, news, err := r.apply(entry, lost)
	if news {
		changed(c)
	}
	if !errors.Is(err, keyring.ErrNoKey) {
		return nil
	}
	err = r.seals.Look(ctx) // anybody could write such a record; only the mark tells that the key is the wrong one
	if errors.Is(err, seal.ErrWrongKey) {
		return err
	}
	return nil
}

// apply takes over one entry of the bucket and reports whether it is news. One that can't be read is noted and passed
// over: the others must go on, and the endpoint stays as it was last read.
func (r *Registry) apply(entry jetstream.KeyValueEntry, lost uint64) (c Change, news bool, err error) {
	if entry.Operation() != jetstream.KeyValuePut {
		before, err := r.index.remove(entry.Key(), entry.Revision())
		r.complain(entry.Key(), err)
		r.bad.Note(entry.Key(), nil)
		return Change{Before: before}, before != nil, nil
	}
	e, err := endpoint.Decode(entry.Key(), entry.Value(), r.keys, r.seals.Only())
	r.bad.Note(entry.Key(), err)
	if err != nil {
		return Change{}, false, err
	}
	e.Revision = entry.Revision()
	c, news = r.put(&e, lost)
	return c, news, nil
}

// Locked returns an error that wraps [publish.ErrWrongKey] when the bucket is sealed by a key that this process does
// not have. The registry is empty then and takes no change. Who delivers by it must take no events: it would find
// nobody to deliver them to.
func (r *Registry) Locked() error { return r.seals.Wrong() }

// IsUnreadable reports whether there is an endpoint with this id whose record can't be read, now or since this process
// started. What waits for it must not be dropped.
func (r *Registry) IsUnreadable(id string) bool { return r.bad.Has(id) }

// Unreadable names the records that can't be read, or the whole bucket when it is locked, and tells how many there are.
func (r *Registry) Unreadable() ([]report.Unreadable, int) {
	if err := r.Locked(); err != nil {
		return []report.Unreadable{{Bucket: topology.BucketEndpoints, Why: err.Error()}}, 1
	}
	return r.bad.Report(), r.bad.Len()
}
