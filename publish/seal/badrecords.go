package seal

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"jethook/publish/report"
)

const (
	// maxReported bounds how many records of a bucket are named to the other processes.
	maxReported = 20
	// maxWhy bounds, in bytes, why a record can't be read: the text may repeat a part of it.
	maxWhy = 300
)

// BadRecords are the records of a bucket that can't be read. Each is logged once, however often it is rewritten, until it
// can be read. It is safe for concurrent use.
type BadRecords struct {
	bucket string
	log    *slog.Logger

	mu  sync.Mutex // guards why
	why map[string]string
}

// NewBadRecords returns an empty set for a bucket.
func NewBadRecords(bucket string, log *slog.Logger) *BadRecords {
	return &BadRecords{bucket: bucket, log: log, why: make(map[string]string)}
}

// Note notes why a record can't be read, or, with a nil err, that it can be, or is gone.
func (b *BadRecords) Note(key string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.why, key)
		return
	}
	why := err.Error()
	if _, cause, ok := strings.Cut(why, ErrUnreadable.Error()+": "); ok { // that it can't be read goes without saying
		why = cause
	}
	if len(why) > maxWhy {
		why = strings.ToValidUTF8(why[:maxWhy], "") + "..."
	}
	_, known := b.why[key]
	if b.why[key] = why; known {
		return
	}
	b.log.Error("cannot read a stored record; ignoring it", "bucket", b.bucket, "key", key, "error", why)
}

// Has reports whether the record of this key can't be read.
func (b *BadRecords) Has(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, bad := b.why[key]
	return bad
}

// Len is how many there are.
func (b *BadRecords) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.why)
}

// Keep forgets the records whose key is not there any more.
func (b *BadRecords) Keep(there func(key string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.why {
		if !there(key) {
			delete(b.why, key)
		}
	}
}

// Report names the first of them by key.
func (b *BadRecords) Report() []report.Unreadable {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]report.Unreadable, 0, len(b.why))
	for key, why := range b.why {
		out = append(out, report.Unreadable{Bucket: b.bucket, Key: key, Why: why})
	}
	slices.SortFunc(out, func(x, y report.Unreadable) int { return cmp.Compare(x.Key, y.Key) })
	return out[:min(len(out), maxReported)]
}
