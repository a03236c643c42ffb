package admin

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

	"jethook/publish/event"
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

// requestID identifies a request with an Idempotency-Key; the zero value one without.
type requestID struct{ key, content string }

// request identifies what was asked of an operation.
func (p *IdempotencyParam) request(operation string, content any) (requestID, error) {
	if p.IdempotencyKey == "" {
		return requestID{}, nil
	}
	data, err := json.Marshal(content)
	if err != nil {
		return requestID{}, fmt.Errorf("encoding a request: %w", err)
	}
	return requestID{key: digest([]byte(operation + "\n" + p.IdempotencyKey)), content: digest(data)}, nil
}

// digest is a hash in letters that may stand in an id and in a key of a bucket.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:16])[:26])
}

// String is how a request is remembered; empty for one without a key.
func (r requestID) String() string {
	if r.key == "" {
		return ""
	}
	return r.key + "." + r.content
}

// isRepeat reports whether what was remembered is this request. The same key with other content is an error.
func (r requestID) isRepeat(remembered string) (bool, error) {
	key, content, _ := strings.Cut(remembered, ".")
	switch {
	case r.key == "" || r.key != key:
		return false, nil
	case r.content != content:
		return false, invalid(FailureField{Field: "Idempotency-Key", Message: "was used for a different request; choose another key"})
	}
	return true, nil
}

// remembered is what a request leaves in the bucket. Answer is nil until it is done.
type remembered[T any] struct {
	Request string    `json:"request"`
	Asked   time.Time `json:"asked,omitzero"` // when it was first made, if that matters
	Mark    uint64    `json:"mark,omitempty"` // where the history ended then
	Answer  *T        `json:"answer,omitempty"`
}

// publishOnce publishes the event of a request with an Idempotency-Key, whose id follows from the key unless it
// was given. The note before makes sure that the key stands for this request alone; until the note after, a
// repeated request publishes again, and the stream drops the copy.
func (s *Server) publishOnce(ctx context.Context, made requestID, e *event.Event) (*SentEvent, error) {
	kv, err := s.bus.Buckets().Requests(ctx)
	if err != nil {
		return nil, err
	}
	before, revision, err := remember(ctx, kv, made, remembered[SentEvent]{Request: made.String()})
	if err != nil || before.Answer != nil {
		return before.Answer, err
	}
	byKey := e.ID == ""
	if byKey {
		e.ID = eventIDPrefix + made.key
	}
	receipt, err := s.send(ctx, e)
	if err != nil {
		return nil, err
	}
	// By an id of its own the event is only there because this request, an earlier time, has put it there.
	answer := &SentEvent{ID: e.ID, Duplicate: receipt.Duplicate && !byKey}
	before.Answer = answer
	// Without this note a repeated request is still right for as long as the stream remembers the id.
	if _, err := amend(ctx, kv, made, before, revision); err != nil {
		s.log.Debug("note of a request not stored", "error", err)
	}
	return answer, nil
}

// remember notes that a request was made, or returns the note that is there and its revision.
func remember[T any](ctx context.Context, kv jetstream.KeyValue, made requestID, note remembered[T]) (there remembered[T], revision uint64, err error) {
	data, err := json.Marshal(note)
	if err != nil {
		return note, 0, fmt.Errorf("encoding a note of a request: %w", err)
	}
	revision, err = kv.Create(ctx, made.key, data)
	if err == nil {
		return note, revision, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return note, 0, fmt.Errorf("%w: noting a request: %w", failure.ErrUnavailable, err)
	}
	entry, err := kv.Get(ctx, made.key)
	if err != nil {
		return note, 0, fmt.Errorf("%w: reading the note of a request: %w", failure.ErrUnavailable, err)
	}
	if json.Unmarshal(entry.Value(), &there) != nil {
		return note, 0, fmt.Errorf("reading the note of a request: %w", seal.ErrUnreadable)
	}
	_, err = made.isRepeat(there.Request)
	return there, entry.Revision(), err
}

// amend replaces the note of that revision and returns the new one. The error is failure.ErrConflict when somebody else
// has replaced it.
func amend[T any](ctx context.Context, kv jetstream.KeyValue, made requestID, note remembered[T], revision uint64) (uint64, error) {
	data, err := json.Marshal(note)
	if err != nil {
		return 0, fmt.Errorf("encoding a note of a request: %w", err)
	}
	revision, err = kv.Update(ctx, made.key, data, revision)
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return 0, fmt.Errorf("noting a request: %w", failure.ErrConflict)
	case err != nil:
		return 0, fmt.Errorf("%w: noting a request: %w", failure.ErrUnavailable, err)
	}
	return revision, nil
}
