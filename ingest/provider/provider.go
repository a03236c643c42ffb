// Package provider knows the senders of webhooks: how each signs its requests, where the event's type and id
// stand, and which answer it takes for success.
//
// A sender is one row of a typed table ([Lookup], [Names]); what it does is said by the values in the row, not
// by code of its own. Verification is a pure function of a request, the secrets and the time: nothing here
// reads a clock, a file or the network. What to do with a request that passed or failed is the caller's.
package provider

import (
	"errors"
	"net/http"
	"time"
)

// Reasons for which a request does not verify. Every error of [Verifier.Verify] wraps exactly one of them;
// [Reason] names it in one word.
var (
	// ErrMissingHeader means a header that the scheme needs is not there.
	ErrMissingHeader = errors.New("required header is missing")
	// ErrMalformedHeader means a header that the scheme needs does not have its form.
	ErrMalformedHeader = errors.New("header is malformed")
	// ErrBadSignature means no signature or token in the request matches any of the secrets.
	ErrBadSignature = errors.New("no signature matches")
	// ErrTooOld means the request's timestamp lies further back than the scheme tolerates.
	ErrTooOld = errors.New("timestamp is too old")
	// ErrTooNew means the request's timestamp lies further ahead than the scheme tolerates.
	ErrTooNew = errors.New("timestamp is in the future")
	// ErrNoSecret means there is nothing to verify with. It is an error of [Scheme.Bind] too.
	ErrNoSecret = errors.New("no secret")
	// ErrBadSecret means a secret does not have the form that its sender gives out. Only [Scheme.Bind] returns
	// it; the error never quotes the secret.
	ErrBadSecret = errors.New("secret is malformed")
)

// Reason is the one word for why a request did not verify, out of a fixed set that suits metrics and filters:
// missing_header, malformed_header, bad_signature, too_old, too_new, no_secret, or other.
func Reason(err error) string {
	for _, r := range [...]struct {
		err  error
		word string
	}{
		{ErrMissingHeader, "missing_header"},
		{ErrMalformedHeader, "malformed_header"},
		{ErrBadSignature, "bad_signature"},
		{ErrTooOld, "too_old"},
		{ErrTooNew, "too_new"},
		{ErrNoSecret, "no_secret"},
	} {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return "other"
}

// Request is what a sender sent, as far as schemes look at it. It remembers what was found out about its body,
// so it must not be changed once used, nor be used by two goroutines at once.
type Request struct {
	Method string
	// URL is the public address that the sender was given, empty if unknown. Schemes that sign the address need
	// it; it never comes from the Host header, which anyone can choose.
	URL string
	// Header has its names in canonical form, as net/http gives them.
	Header http.Header
	// Body is the bytes as the sender signed them.
	Body []byte

	json jsonState
}

// Scheme is a family of verification together with its parameters.
type Scheme interface {
	// Bind returns a Verifier that accepts what any of the secrets verifies. It fails with ErrNoSecret or
	// ErrBadSecret, and does once what would otherwise cost time for each request.
	Bind(secrets []string) (Verifier, error)
	// Credentials names the headers that hold the secret itself, in canonical form: they must not be stored.
	Credentials() []string
	// CoversBody reports whether the body is authenticated. Where it is not, whoever has seen one request can
	// send any other.
	CoversBody() bool
}

// Verifier checks requests of one sender.
type Verifier interface {
	// Verify returns nil when r was made by someone who knows one of the secrets, at a time that now allows,
	// and otherwise an error that wraps one of this package's reasons. It compares in constant time, and may
	// be called by any number of goroutines.
	Verify(r *Request, now time.Time) error
}

// Answer is a response that a sender is given.
type Answer struct {
	Status int
	// Body is what the sender must read. Empty: nothing on success, and on refusal the caller's own words.
	Body        string
	ContentType string // of Body
}

// Sender is one row of the table.
type Sender struct {
	Name string
	// Docs is the page that says what the row says.
	Docs   string
	Scheme Scheme
	// Type and ID say where the event's type and its id stand; the zero Value where there is none.
	Type Value
	ID   Value
	// Success is the answer once the event is stored, Refusal the one to a request that does not verify.
	Success Answer
	Refusal Answer
}

// Event returns the type and the id of the event in r as the sender wrote them, empty where there is none.
func (s *Sender) Event(r *Request) (eventType, id string) {
	return s.Type.find(r), s.ID.find(r)
}
