package source

import (
	"errors"
	"fmt"

	"jethook/ingest/provider"
)

// ErrNotChecked is a request that may be right: what verifies it could not be had.
var ErrNotChecked = errors.New("request not checked")

// NotVerifiedError is a request that its source's sender did not make, as far as can be told.
type NotVerifiedError struct {
	Source  *Source
	Refusal provider.Answer // what the sender is told
	cause   error           // wraps a reason of package provider
}

// Error says why.
func (e *NotVerifiedError) Error() string { return "not verified: " + e.cause.Error() }

// Unwrap returns the reason.
func (e *NotVerifiedError) Unwrap() error { return e.cause }

// MethodError is a request with a method that the source's sender does not use.
type MethodError struct {
	Allowed []string
	cause   error
}

// Error says why.
func (e *MethodError) Error() string { return e.cause.Error() }

// Unwrap returns the reason.
func (e *MethodError) Unwrap() error { return e.cause }

// Refusal is what a request comes to that did not verify because of cause.
func (src *Source) Refusal(cause error) error {
	receiver := src.receiver.Load()
	switch {
	case receiver == nil: // there is nothing to verify with
		return &NotVerifiedError{Source: src, Refusal: src.Sender.Refusal, cause: cause}
	case errors.Is(cause, provider.ErrKeyUnavailable): // the request may be right
		return fmt.Errorf("%w: %w", ErrNotChecked, cause)
	case errors.Is(cause, provider.ErrMethod):
		return &MethodError{Allowed: receiver.Methods(), cause: cause}
	}
	return &NotVerifiedError{Source: src, Refusal: receiver.Refusal(cause), cause: cause}
}
