// Package endpoint holds what Jethook knows of the receivers of its deliveries: the validated [Endpoint], its
// secrets and retry schedule, the rule for the addresses it may have, and the record that it is stored as. Package registry
// keeps them.
//
// An Endpoint only comes from [New], [Endpoint.With] or [Decode], so that its fields hold what their comments
// say and nobody checks them again. The package makes no requests: package attempt does.
package endpoint

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"jethook/config"
	"jethook/consume/endpoint/signing"
)

// Endpoint is one receiver of deliveries. It must not be changed once others may see it: take a copy with
// [Endpoint.With] or [Endpoint.Rotated].
type Endpoint struct {
	ID     string   `json:"id"` // "ep_" and 20 letters or digits: a subject token and a bucket's key
	Name   string   `json:"name"`
	URL    string   `json:"url"`    // absolute, http or https, without credentials
	Events []string `json:"events"` // subject patterns, each one once

	Secrets   []signing.Secret   `json:"-"` // the newest first; it never expires
	Format    Format             `json:"format"`
	Signature signing.Signature  `json:"signature"`
	Second    *signing.Signature `json:"second_signature,omitempty"` // beside the first; nil: none
	Headers   map[string]string  `json:"headers,omitempty"`          // canonical names, none of Jethook's own

	CA                string        `json:"ca,omitempty"`                 // PEM: authorities that the receiver's certificate is believed by; empty: the system's
	ClientCertificate string        `json:"client_certificate,omitempty"` // PEM: what Jethook shows the receiver, with its chain; empty: nothing
	ClientKey         config.Secret `json:"-"`                            // PEM: its key

	RetrySchedule []Duration `json:"retry_schedule,omitzero"` // nil: the default schedule; empty: a single attempt
	Timeout       Duration   `json:"timeout,omitzero"`        // of one attempt; 0: the default
	RateLimit     *Rate      `json:"rate_limit,omitempty"`    // nil: none
	Concurrency   int        `json:"concurrency,omitempty"`   // most requests at once in one process; 0: the default

	Ordered bool `json:"ordered,omitempty"` // one delivery at a time, in the order of the stream; never changes

	Disabled       bool      `json:"disabled"`
	DisabledReason string    `json:"disabled_reason,omitempty"`
	DisabledAt     time.Time `json:"disabled_at,omitzero"`   // zero: it is not, or an earlier release disabled it
	FailingSince   time.Time `json:"failing_since,omitzero"` // it has taken nothing since, and its circuit is open; zero: it is well
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`

	// Edition counts what an operator changed. What Jethook notes by itself, such as FailingSince, is no new one.
	Edition uint64 `json:"-"`
	// Request identifies the request that made the endpoint, if it had an Idempotency-Key.
	Request string `json:"-"`
	// Revision is the bucket's, set by the Registry and not stored.
	Revision uint64 `json:"-"`
}

// onRequest is the reason of an endpoint that its operator disabled.
const onRequest = "disabled on request"

// Rests reports whether Jethook disabled the endpoint: its events wait for it. One that its operator disabled begins with
// new ones when it is enabled.
func (e *Endpoint) Rests() bool { return e.Disabled && e.DisabledReason != onRequest }

// Switch disables the endpoint for a reason, or enables it.
func (e *Endpoint) Switch(disabled bool, reason string, now time.Time) {
	e.Disabled, e.DisabledReason, e.DisabledAt, e.FailingSince = disabled, "", time.Time{}, time.Time{}
	if disabled {
		e.DisabledReason, e.DisabledAt = reason, now.UTC()
	}
}

// PassesBy reports whether events pass the endpoint by, because its operator disabled it.
func (e *Endpoint) PassesBy() bool { return e.Disabled && !e.Rests() && !e.Ordered }

// DisabledSince is when the endpoint was disabled, or a time after that if nobody noted it.
func (e *Endpoint) DisabledSince() time.Time {
	if e.DisabledAt.IsZero() {
		return e.UpdatedAt
	}
	return e.DisabledAt
}

// Spec is what a caller says of an endpoint, unchecked. What is nil is left as it is, or at its default in a
// new endpoint. An empty string sets an optional field back to its default.
type Spec struct {
	Name       *string        `json:"name,omitempty"`
	URL        *string        `json:"url,omitempty"`
	Events     []string       `json:"events,omitempty"`
	Secret     *string        `json:"secret,omitempty"`      // replaces all secrets at once; empty: a new one is made
	SecretType *string        `json:"secret_type,omitempty"` // a [signing.SecretType]: of Secret, or of the one that is made for a new endpoint
	Format     *string        `json:"format,omitempty"`      // default: what the URL's service takes
	Signature  *SignatureSpec `json:"signature,omitempty"`
	// Second is a signature beside the first, by the same secrets, while receivers move over; empty: none.
	Second *SignatureSpec `json:"second_signature,omitempty"`

	CA                *string `json:"ca,omitempty"`
	ClientCertificate *string `json:"client_certificate,omitempty"` // empty: neither a certificate nor a key
	ClientKey         *string `json:"client_key,omitempty"`         // empty: the one that is there

	Headers       map[string]string `json:"headers,omitempty"`        // replaces all; empty: none
	RetrySchedule []string          `json:"retry_schedule,omitempty"` // empty: a single attempt; ["default"]: the default
	Timeout       *string           `json:"timeout,omitempty"`
	RateLimit     *string           `json:"rate_limit,omitempty"`
	Concurrency   *int              `json:"concurrency,omitempty"`
	Ordered       *bool             `json:"ordered,omitempty"` // only a new endpoint can be given true
	Disabled      *bool             `json:"disabled,omitempty"`
}

// New returns a new endpoint made of s, with an id and, unless s gives one, a secret. Its URL is held against
// policy as far as that is possible without DNS. The error is a [Problems] with everything that is wrong.
func New(s *Spec, policy *AddressPolicy, now time.Time) (Endpoint, error) {
	blank := Endpoint{
		ID:        newID(),
		Secrets:   []signing.Secret{signing.GenerateSecret()},
		Signature: signing.Signature{Scheme: signing.SchemeStandard},
		CreatedAt: now.UTC(),
	}
	c := checker{policy: policy}
	c.require("name", s.Name != nil)
	c.require("url", s.URL != nil)
	c.require("events", s.Events != nil)
	return c.apply(blank, s, now)
}

// With returns the endpoint as it is after the change s; the receiver stays as it was. The error is a
// [Problems] with everything that is wrong.
func (e *Endpoint) With(s *Spec, policy *AddressPolicy, now time.Time) (Endpoint, error) {
	c := checker{policy: policy}
	return c.apply(*e, s, now)
}

const idPrefix = "ep_"

// newID returns an id that nobody can guess, in letters that every place an id stands in can hold.
func newID() string {
	return idPrefix + strings.ToLower(rand.Text()[:20])
}

// IDOf returns the id of the endpoint that a request with this Idempotency-Key makes: always the same, so that
// the request can be made again without making a second endpoint.
func IDOf(key string) string {
	sum := sha256.Sum256([]byte("endpoint\n" + key))
	return idPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:20])
}
