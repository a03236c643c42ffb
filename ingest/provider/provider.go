// Package provider knows the senders of webhooks: how each signs its requests, where the event's type and id
// stand, how it asks whether an address is alive, and which answer it takes for success.
//
// A sender is one row of a typed table ([Lookup], [All]); what it does is said by the values in the row, not
// by code of its own. A row bound to secrets is a [Receiver], which turns a request into events and an answer.
// It is a pure function of the request, the secrets and the time: nothing here reads a clock or a file, and what
// has to be fetched from a sender comes through a [KeySource] or is left to the caller as a value.
package provider

import (
	"net/http"
	"regexp"
	"slices"
	"time"
)

// Scheme is a family of verification together with its parameters.
type Scheme interface {
	// Bind returns a Verifier that accepts what any of the secrets verifies. It fails with ErrNoSecret or
	// ErrBadSecret, and does once what would otherwise cost time for each request.
	Bind(Binding) (Verifier, error)
	// Credentials names the headers that hold the secret itself, in canonical form: they must not be stored.
	Credentials() []string
	// CoversBody reports whether the body is authenticated. Where it is not, whoever has seen one request can
	// send any other.
	CoversBody() bool
	// String is the scheme in a few words, for people.
	String() string
}

// Binding is what a scheme verifies with.
type Binding struct {
	// Secrets are what the sender and we share, in the form that the row's Secret says. Any may match.
	Secrets []string
	// Keys gets what a sender publishes: key sets and certificates. Only some schemes need it.
	Keys KeySource
	// Audience and Email are what a Google token must be made for, and by which account: Google signs tokens for
	// everyone. Without an Audience it is the address that the sender was given. Email is taken beside Secrets, which
	// are such accounts too: there must be one.
	Audience, Email string
}

// Verifier checks requests of one sender.
type Verifier interface {
	// Verify returns nil when r was made by someone who knows one of the secrets, at a time that now allows,
	// and otherwise an error that wraps one of this package's reasons. It compares in constant time, and may
	// be called by any number of goroutines.
	Verify(r *Request, now time.Time) error
	// Signed returns what the sender signed, as read from r, to explain a signature that does not match: a
	// secret that is part of it reads {secret}. It is nil where nothing of the request is signed.
	Signed(r *Request) ([]byte, error)
}

// Answer is a response that a sender is given.
type Answer struct {
	Status int
	// Body is what the sender must read. Empty: nothing on success, and on refusal the caller's own words
	// unless Empty.
	Body        string
	ContentType string // of Body
	// Header holds what else the sender looks for, by canonical name.
	Header map[string]string
	// Empty means that the body must have no bytes, even on refusal.
	Empty bool
}

// Sender is one row of the table.
type Sender struct {
	Name  string // as operators write it
	Title string // as its makers write it
	// Docs is the page that says what the row says.
	Docs string
	// Secret says in words what the operator sets as the secret; empty where the sender has none.
	Secret string
	// SecretForm is what each secret looks like that the sender gives out, where its pages say so and nothing of that form
	// can hold a comma: several may then be set in one value. It is not needed where secrets are written in hex or base64.
	SecretForm *regexp.Regexp
	Scheme     Scheme
	// Type and ID say where the event's type and its id stand by the sender's documentation; the zero Value where there
	// is none.
	Type Value
	ID   Value
	// StoredType and StoredID say it where what the documentation names is not enough to tell events apart: one message's
	// id in all that happens to it, say. The zero Value is Type or ID. An event without an id has the hash of its body.
	StoredType Value
	StoredID   Value
	// Dated means that every body has a time or an id of its own, so that equal bodies are one event however late the
	// second comes. Of other senders they are for [EqualBodies].
	Dated bool
	// Batch says where a request holds several events; nil where it holds one.
	Batch *Batch
	// Handshakes are the requests that ask something and are no events.
	Handshakes []Handshake
	// Methods are the methods of events other than POST.
	Methods []string
	// OwnHeader means that who sets the sender up may choose the name of its header.
	OwnHeader bool
	// Unsigned means that the sender shows no proof of its own: the token is one that the operator put into the address.
	Unsigned bool
	// Compresses means that the sender may send its bodies with gzip.
	Compresses bool
	// LargestBody is how many bytes the sender's requests may have, where its pages say that it is many. It is zero elsewhere.
	LargestBody int64
	// Caveat says in words what the signature leaves open beside [Sender.NotCovered].
	Caveat string
	// BodySecrets are fields of the body that hold a secret, which is stored with the event and delivered with it.
	BodySecrets []string
	// NeedsURL means that the sender signs the address it was given: [Request.URL] must be set.
	NeedsURL bool
	// Success is the answer once the event is stored, Refusal the one to a request that does not verify.
	Success Answer
	Refusal Answer
	// Others are the answers to events for which Success would be wrong.
	Others []Other
	// Wait is how long the sender waits for an answer; zero where its pages don't say.
	Wait time.Duration
}

// Other is the answer to events in which a value reads so.
type Other struct {
	At     Value
	Is     string
	Answer Answer
}

// answer is what the sender is told once the event in r is stored.
func (s *Sender) answer(r *Request) Answer {
	for _, o := range s.Others {
		if o.At.find(r) == o.Is {
			return o.Answer
		}
	}
	return s.Success
}

// ProofHeaders names, in canonical form, the headers by which requests are verified, be it a credential or a signature:
// without them a request can't be verified again.
func (s *Sender) ProofHeaders() []string {
	if p, ok := s.Scheme.(interface{ proofHeaders() []string }); ok {
		return p.proofHeaders()
	}
	return s.Scheme.Credentials()
}

// ReadHeaders names, in canonical form, all headers that are looked at: those of [Sender.ProofHeaders], and where the
// event's type and id may stand.
func (s *Sender) ReadHeaders() []string {
	names := append(s.ProofHeaders(), headersIn(s.Type, s.ID, s.StoredType, s.StoredID)...)
	if b := s.Batch; b != nil {
		names = append(names, headersIn(b.Type, b.ID, b.Request)...)
	}
	return names
}

// SignedAt returns the time that the sender signed, as r says it, and false where there is none. Whether it is the
// sender's word is for [Verifier.Verify] to say.
func (s *Sender) SignedAt(r *Request) (time.Time, bool) {
	if timed, ok := s.Scheme.(interface {
		signedAt(r *Request) (time.Time, bool)
	}); ok {
		return timed.signedAt(r)
	}
	return time.Time{}, false
}

// Timed reports whether the sender's requests say when they were made, and are refused if that is too far off.
func (s *Sender) Timed() bool {
	timed, ok := s.Scheme.(interface{ tolerance() time.Duration })
	return ok && timed.tolerance() > 0
}

// TakesAudience reports whether [Binding.Audience] and [Binding.Email] mean anything to the sender. With an audience
// it does not need its address.
func (s *Sender) TakesAudience() bool {
	scheme, ok := s.Scheme.(JWT)
	return ok && scheme.Account
}

// NeedsSecret reports whether the sender's requests cannot be verified without a secret from its operator.
func (s *Sender) NeedsSecret() bool { return s.Secret != "" }

// AnswersUnbound reports whether the sender asks something before there can be a secret, so that it may be bound
// without one.
func (s *Sender) AnswersUnbound() bool {
	return slices.ContainsFunc(s.Handshakes, func(h Handshake) bool { return !h.Signed && !h.Bound })
}

// LearnsSecret reports whether the sender hands its secret over in a handshake, so that none is needed before.
func (s *Sender) LearnsSecret() bool {
	return slices.ContainsFunc(s.Handshakes, func(h Handshake) bool { return h.Learns })
}

// post is the method of nearly every event.
const post = http.MethodPost
