package seal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config/keyring"
	"jethook/publish/failure"
)

// Once there is a key, the records of a bucket are sealed whole, each for its own place, and unsealed ones are
// refused. The first start with a key takes over what an earlier release stored, seals it, and marks the bucket in
// the configuration of its stream. The mark is not a record: who can only write records can neither remove it, which
// would let unsealed ones in again, nor make one that tells the processes that their key is wrong.

// Errors of sealed buckets. Test with errors.Is.
var (
	// ErrUnreadable means that a record of a bucket can't be read: it is damaged, forged, or sealed by another key.
	ErrUnreadable = errors.New("the stored record can't be read")
	// ErrWrongKey means that a bucket is sealed by a key that this process does not have.
	ErrWrongKey = errors.New("the bucket is sealed by another key than those of JETHOOK_ENCRYPTION_KEY")
	// ErrUnsealed means that a record is not sealed whole, in a bucket whose records all are.
	ErrUnsealed = errors.New("it is not sealed, and JETHOOK_ENCRYPTION_KEY is set")
)

// Mark is where the mark stands in the metadata of a bucket's stream, if its records are sealed.
const Mark = "jethook-sealed"

// markable is a bucket that can be marked.
type markable struct {
	jetstream.KeyValue
	js jetstream.JetStream
}

func (m markable) stream() string { return "KV_" + m.Bucket() }

func (m markable) mark(ctx context.Context) (string, error) {
	s, err := m.js.Stream(ctx, m.stream())
	if err != nil {
		return "", fmt.Errorf("asking whether bucket %s is sealed: %w", m.Bucket(), failure.Classify(err))
	}
	return s.CachedInfo().Config.Metadata[Mark], nil
}

func (m markable) setMark(ctx context.Context, mark string) error {
	s, err := m.js.Stream(ctx, m.stream())
	if err == nil {
		cfg := s.CachedInfo().Config
		cfg.Metadata = maps.Clone(cfg.Metadata)
		if cfg.Metadata == nil {
			cfg.Metadata = make(map[string]string)
		}
		cfg.Metadata[Mark] = mark
		_, err = m.js.UpdateStream(ctx, cfg)
	}
	if err != nil {
		return fmt.Errorf("marking bucket %s as sealed: %w", m.Bucket(), failure.Classify(err))
	}
	return nil
}

// Sealable is a bucket that [OpenSeals] can look into.
func Sealable(kv jetstream.KeyValue, js jetstream.JetStream) jetstream.KeyValue {
	return markable{kv, js}
}

// Seals is how the records of one bucket are sealed.
type Seals struct {
	keys   *keyring.Keyring
	bucket markable
	log    *slog.Logger
	only   atomic.Bool // unsealed records are refused
	wrong  error
}

// New returns seals with these keys of a bucket that nobody has looked into.
func New(keys *keyring.Keyring) *Seals { return &Seals{keys: keys} }

// Require refuses unsealed records from here on, in this process.
func (s *Seals) Require() { s.only.Store(true) }

// Open looks whether a bucket of the bus is marked. A bucket whose mark the keys don't open is no error here:
// see [Seals.Wrong].
func Open(ctx context.Context, kv jetstream.KeyValue, keys *keyring.Keyring, log *slog.Logger) (*Seals, error) {
	bucket, ok := kv.(markable)
	if !ok {
		return nil, fmt.Errorf("bucket %s can't be marked", kv.Bucket())
	}
	s := New(keys)
	s.bucket, s.log = bucket, log
	mark, err := bucket.mark(ctx)
	if err != nil {
		return nil, err
	}
	s.only.Store(mark != "")
	s.wrong = s.open(mark)
	return s, nil
}

func (s *Seals) place() string { return Place(s.bucket.Bucket()) }

func (s *Seals) open(mark string) error {
	if mark == "" {
		return nil
	}
	if _, err := s.keys.Open(mark, s.place()); err != nil {
		return fmt.Errorf("%w: bucket %s: %w", ErrWrongKey, s.bucket.Bucket(), err)
	}
	return nil
}

// Wrong returns an error that wraps [ErrWrongKey] when the bucket was opened with keys that are not its own. Nothing
// may be written to it then, and what it holds can't be read.
func (s *Seals) Wrong() error { return s.wrong }

// Look returns an error that wraps [ErrWrongKey] when another process has sealed the bucket meanwhile by a key that
// this one does not have.
func (s *Seals) Look(ctx context.Context) error {
	mark, err := s.bucket.mark(ctx)
	if err != nil {
		return err
	}
	return s.open(mark)
}

// Only reports whether unsealed records are refused.
func (s *Seals) Only() bool { return s.only.Load() }

// Close ends the taking over of unsealed records: from here on they are refused, here and, by the mark, in every
// process that starts. Without a key it does nothing.
func (s *Seals) Close(ctx context.Context) {
	if s.keys.IsEmpty() || s.wrong != nil {
		return
	}
	s.Require()
	mark, err := s.bucket.mark(ctx)
	if err == nil && !(s.keys.IsCurrent(mark) && s.open(mark) == nil) {
		err = s.bucket.setMark(ctx, s.keys.Seal(nil, s.place()))
	}
	if err != nil { // an account that may not change its streams, say
		s.log.Warn("cannot mark the bucket as sealed; the next start accepts unsealed records again", "bucket", s.bucket.Bucket(), "error", err)
	}
}

// Place is what a bucket's mark is sealed for.
func Place(bucket string) string { return "bucket " + bucket }
