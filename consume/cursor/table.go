package cursor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish"
	"jethook/publish/failure"
)

// Table is the records as this process sees them. Its methods may be called concurrently.
type Table struct {
	bus *publish.Bus
	kv  jetstream.KeyValue
	log *slog.Logger

	records atomic.Pointer[map[Key]*Record] // which is replaced, and never changed

	mu   sync.Mutex    // guards what follows, and who replaces records
	seen uint64        // the revision of the bucket up to which records is current, by the watch that runs
	news chan struct{} // closed when seen grows
}

// NewTable returns a table that knows nothing yet: Run reads the bucket.
func NewTable(bus *publish.Bus, log *slog.Logger) *Table {
	t := &Table{bus: bus, kv: bus.Consumers().Records(), log: log, news: make(chan struct{})}
	t.records.Store(&map[Key]*Record{})
	return t
}

// NewIdleTable returns a table that nobody runs: it is asked for what the bucket has now.
func NewIdleTable(bus *publish.Bus) *Table { return NewTable(bus, slog.New(slog.DiscardHandler)) }

// Run keeps the table current until ctx ends, and tells changed of each record that is new, changed, or removed.
func (t *Table) Run(ctx context.Context, changed func(Key)) error {
	for complained := false; ctx.Err() == nil; {
		back := t.bus.Queues().Restored() // what the connection loses, the watch would notice after ten seconds
		err := t.follow(ctx, back, changed)
		if err != nil && ctx.Err() == nil {
			if !complained {
				t.log.Warn("cannot read cursor records; retrying", "error", err)
			}
			complained = true
			select {
			case <-time.After(rereadPause):
			case <-ctx.Done():
			}
			continue
		}
		complained = false
	}
	return nil
}

// rereadPause is the pause before a bucket that could not be read is read again.
const rereadPause = 250 * time.Millisecond

// follow reads the bucket and what changes in it until the connection is back that was lost.
func (t *Table) follow(ctx context.Context, back <-chan struct{}, changed func(Key)) error {
	t.forgetSeen()
	w, err := t.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watching the cursors' bucket: %w", err)
	}
	defer w.Stop() //nolint:errcheck // it ends with its connection
	there, last := make(map[Key]bool), uint64(0)
	for {
		select {
		case entry, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("the watch of the cursors' bucket ended")
			case entry == nil: // the end of what was there
				t.keep(there, changed)
				there = nil
			default:
				t.apply(entry, there, changed)
				last = max(last, entry.Revision())
			}
			if there == nil { // what was removed while nobody watched is known at the end
				t.see(last)
			}
		case <-back:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *Table) apply(entry jetstream.KeyValueEntry, there map[Key]bool, changed func(Key)) {
	key, ok := parseKey(entry.Key())
	if ok {
		var next *Record
		if entry.Operation() == jetstream.KeyValuePut {
			next = &Record{}
			if err := next.decode(key, entry.Value(), entry.Revision()); err != nil {
				t.log.Error("cannot read a cursor record", "key", entry.Key(), "error", err)
				next = nil
			}
		}
		if there != nil && next != nil {
			there[key] = true
		}
		t.put(key, next)
		changed(key)
	}
}

// forgetSeen forgets how current the table is: what an earlier watch told says nothing about this one. The server may have
// lost what it told, as when its machine loses power, and this watch may be answered by a server that lags behind the
// bucket's leader.
func (t *Table) forgetSeen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = 0
}

// put takes over a record; nil: it is removed.
func (t *Table) put(key Key, next *Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	records := maps.Clone(*t.records.Load())
	if next == nil {
		delete(records, key)
	} else {
		records[key] = next
	}
	t.records.Store(&records)
}

// keep removes the records that are not there any more.
func (t *Table) keep(there map[Key]bool, changed func(Key)) {
	t.mu.Lock()
	records := maps.Clone(*t.records.Load())
	var gone []Key
	for key := range records {
		if !there[key] {
			delete(records, key)
			gone = append(gone, key)
		}
	}
	t.records.Store(&records)
	t.mu.Unlock()
	for _, key := range gone {
		changed(key)
	}
}

func (t *Table) see(revision uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if revision > t.seen {
		t.seen = revision
		close(t.news)
		t.news = make(chan struct{})
	}
}

// syncTimeout is how long a change may take to come by the watch.
const syncTimeout = 5 * time.Second

// Sync returns when the table is as current as the bucket was when it was called.
func (t *Table) Sync(ctx context.Context) error {
	last, err := t.bus.Consumers().RecordsRevision(ctx)
	if err != nil {
		return err
	}
	return t.await(ctx, last)
}

// await returns when the table has a revision of the bucket.
func (t *Table) await(ctx context.Context, revision uint64) error {
	var timeout <-chan time.Time
	for {
		t.mu.Lock()
		seen, news := t.seen, t.news
		t.mu.Unlock()
		if seen >= revision {
			return nil
		}
		if timeout == nil {
			timeout = time.After(syncTimeout)
		}
		select {
		case <-news:
		case <-timeout:
			return fmt.Errorf("%w: cursor records not received in time", failure.ErrUnavailable)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Of returns a record; nil when there is none.
func (t *Table) Of(key Key) *Record { return (*t.records.Load())[key] }

// All returns all records.
func (t *Table) All() []*Record { return slices.Collect(maps.Values(*t.records.Load())) }
