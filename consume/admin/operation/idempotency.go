package operation

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/seal"
)

// A request with an Idempotency-Key can be made again when its answer was lost. Nothing has to be locked for that,
// since what the request makes follows from the key: the id of an endpoint, which can be created once, or of an
// event, of which the stream takes one. So of two requests at once each gets the answer, and a kill between any
// two writes leaves something that the repeated request finishes.

// IdempotencyParam names a request, so that it can be repeated.
type IdempotencyParam struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" patternDescription:"printable ASCII" doc:"a key of 1 to 255 characters for this request; repeating the same request with the same key within 24 hours returns the same response and does nothing else"`
}

// RequestID identifies a request with an Idempotency-Key; the zero value one without.
type RequestID struct {
	Key     string // of what is remembered of the request
	content string
}

// Request identifies what was asked of an operation.
func (p *IdempotencyParam) Request(operation string, content any) (RequestID, error) {
	if p.IdempotencyKey == "" {
		return RequestID{}, nil
	}
	data, err := json.Marshal(content)
	if err != nil {
		return RequestID{}, fmt.Errorf("encoding a request: %w", err)
	}
	return RequestID{Key: digest([]byte(operation + "\n" + p.IdempotencyKey)), content: digest(data)}, nil
}

// SameContent identifies a request without a key by what was asked of an operation.
func SameContent(operation string, content any) (RequestID, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return RequestID{}, fmt.Errorf("encoding a request: %w", err)
	}
	id := digest(append([]byte(operation+"\n"), data...))
	return RequestID{Key: id, content: id}, nil
}

// digest is a hash in letters that may stand in an id and in a key of a bucket.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:16])[:26])
}

// String is how a request is remembered; empty for one without a key.
func (r RequestID) String() string {
	if r.Key == "" {
		return ""
	}
	return r.Key + "." + r.content
}

// IsRepeat reports whether what was remembered is this request. The same key with other content is an error.
func (r RequestID) IsRepeat(remembered string) (bool, error) {
	key, content, _ := strings.Cut(remembered, ".")
	switch {
	case r.Key == "" || r.Key != key:
		return false, nil
	case r.content != content:
		return false, Invalid(FailureField{Field: "Idempotency-Key", Message: "was used for a different request; choose another key"})
	}
	return true, nil
}

// Remembered is what a request leaves in the bucket. Answer is nil until it is done.
type Remembered[T any] struct {
	Request string    `json:"request"`
	Asked   time.Time `json:"asked,omitzero"` // when it was first made, if that matters
	Mark    uint64    `json:"mark,omitempty"` // where the history ended then
	Answer  *T        `json:"answer,omitempty"`
}

// Remember notes that a request was made, or returns the note that is there and its revision.
func Remember[T any](ctx context.Context, kv jetstream.KeyValue, made RequestID, note Remembered[T]) (there Remembered[T], revision uint64, err error) {
	data, err := json.Marshal(note)
	if err != nil {
		return note, 0, fmt.Errorf("encoding a note of a request: %w", err)
	}
	revision, err = kv.Create(ctx, made.Key, data)
	if err == nil {
		return note, revision, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return note, 0, fmt.Errorf("%w: noting a request: %w", failure.ErrUnavailable, err)
	}
	entry, err := kv.Get(ctx, made.Key)
	if err != nil {
		return note, 0, fmt.Errorf("%w: reading the note of a request: %w", failure.ErrUnavailable, err)
	}
	if json.Unmarshal(entry.Value(), &there) != nil {
		return note, 0, fmt.Errorf("reading the note of a request: %w", seal.ErrUnreadable)
	}
	_, err = made.IsRepeat(there.Request)
	return there, entry.Revision(), err
}

// Amend replaces the note of that revision and returns the new one. The error is failure.ErrConflict when somebody else
// has replaced it.
func Amend[T any](ctx context.Context, kv jetstream.KeyValue, made RequestID, note Remembered[T], revision uint64) (uint64, error) {
	data, err := json.Marshal(note)
	if err != nil {
		return 0, fmt.Errorf("encoding a note of a request: %w", err)
	}
	revision, err = kv.Update(ctx, made.Key, data, revision)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, fmt.Errorf("noting a request: %w", failure.ErrConflict)
	case err != nil:
		return 0, fmt.Errorf("%w: noting a request: %w", failure.ErrUnavailable, err)
	}
	return revision, nil
}
