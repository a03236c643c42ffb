package provider

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Receiver is a sender bound to what its requests are verified with. It may be used by any number of goroutines.
type Receiver struct {
	Sender   Sender
	Verifier Verifier
	secrets  []string
	whole    bool
}

// Outcome is what a request turned out to be, and what must be done before Answer is given: store Events, keep
// Learned, and ask for Confirm.
type Outcome struct {
	Answer Answer
	// Events are what the request tells. There may be none: a handshake, or a list that is empty because the
	// sender only tries the address.
	Events []Event
	// Handshake is the name of the handshake that the request is, empty if it is none.
	Handshake string
	// Learned is a secret that the sender handed over: it must be kept, and the sender bound again with it.
	// There is one only where none was bound. Anyone can send such a request: whether it is the sender's is not known
	// here.
	Learned string
	// Confirm is an address of the sender that must be asked for with GET to end the handshake. It is checked:
	// https, at a host of the sender's.
	Confirm string
}

// Event is one event of a request.
type Event struct {
	// Type is as the sender wrote it, empty where there is none.
	Type string
	// ID is the same on every redelivery of the event. Empty: the sender has none, and the bytes of Body
	// stand for it.
	ID string
	// Hashed means that ID is empty, or nothing but a hash of Body.
	Hashed bool
	// Body is the event's own bytes, as they stand in the request. Of a request without a body they are its Query.
	Body []byte
	// Query is that of the request's address, without credentials.
	Query       string
	ContentType string
}

// Bind returns a Receiver. It fails with ErrNoSecret or ErrBadSecret. Without a secret it succeeds where
// [Sender.AnswersUnbound]: nothing but handshakes is then answered.
func (s Sender) Bind(b Binding) (*Receiver, error) {
	v, err := s.Scheme.Bind(b)
	if errors.Is(err, ErrNoSecret) && len(b.Secrets) == 0 && s.AnswersUnbound() {
		v, err = nobody{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Receiver{Sender: s, Verifier: v, secrets: slices.Clone(b.Secrets)}, nil
}

// Unverified returns a Receiver that takes every event of the sender, to look at one. A server must never use it.
func (s Sender) Unverified() *Receiver { return &Receiver{Sender: s, Verifier: anybody{}} }

// anybody verifies everything.
type anybody struct{}

func (anybody) Verify(*Request, time.Time) error { return nil }
func (anybody) Signed(*Request) ([]byte, error)  { return nil, nil }

// nobody verifies nothing: there is no secret yet.
type nobody struct{}

func (nobody) Verify(*Request, time.Time) error { return ErrNoSecret }
func (nobody) Signed(*Request) ([]byte, error)  { return nil, nil }

// Whole returns a Receiver that keeps a request with several events as one.
func (rc *Receiver) Whole() *Receiver {
	whole := *rc
	whole.whole = true
	return &whole
}

// Receive verifies r and says what it is. Its errors wrap one of this package's reasons; [Receiver.Refusal] is
// what the sender is then answered.
func (rc *Receiver) Receive(r *Request, now time.Time) (Outcome, error) {
	outcome, err := rc.handshake(r, false)
	if err != nil || outcome.Handshake != "" {
		return outcome, err
	}
	if r.Method != post && !slices.Contains(rc.Sender.Methods, r.Method) {
		return Outcome{}, fmt.Errorf("method %.16q: %w", r.Method, ErrMethod)
	}
	if err := rc.verify(r, now); err != nil {
		return Outcome{}, err
	}
	outcome, err = rc.handshake(r, true)
	if err != nil || outcome.Handshake != "" {
		return outcome, err
	}
	return Outcome{Answer: rc.Sender.answer(r), Events: rc.events(r)}, nil
}

// Rule says by which of its sender's rules a request that verifies is signed, in words; empty where the sender has but
// one.
func (rc *Receiver) Rule(r *Request, now time.Time) string {
	rule := ""
	if v, ok := rc.Verifier.(interface {
		match(r *Request, now time.Time) (string, error)
	}); ok {
		rule, _ = v.match(r, now)
	}
	return rule
}

// verify takes the sender's proof of the body, or of what it was inflated from. Its error is of the body.
func (rc *Receiver) verify(r *Request, now time.Time) error {
	err := rc.Verifier.Verify(r, now)
	if err == nil || r.Sent == nil || !rc.Sender.Scheme.CoversBody() {
		return err
	}
	sent := &Request{Method: r.Method, URL: r.URL, Query: r.Query, Header: r.Header, Body: r.Sent}
	if rc.Verifier.Verify(sent, now) == nil {
		return nil
	}
	return err
}

// handshake answers r if it is one of the sender's handshakes.
func (rc *Receiver) handshake(r *Request, signed bool) (Outcome, error) {
	for _, h := range rc.Sender.Handshakes {
		if h.Signed != signed || !h.takes(r.Method) {
			continue
		}
		reply, err := h.ask(r, rc.secrets)
		if err != nil {
			return Outcome{}, &handshakeError{h, err}
		}
		if reply != nil {
			return Outcome{Answer: reply.answer, Handshake: h.Name, Learned: reply.learned, Confirm: reply.confirm}, nil
		}
	}
	return Outcome{}, nil
}

// handshakeError is a handshake that was refused.
type handshakeError struct {
	handshake Handshake
	cause     error
}

func (e *handshakeError) Error() string { return e.handshake.Name + ": " + e.cause.Error() }
func (e *handshakeError) Unwrap() error { return e.cause }

// Refusal is the answer to a request that Receive refused with err: the row's own, unless the method is wrong (405,
// with [Receiver.Methods] to allow), or the fault is ours or the sender's, which must try again (503).
func (rc *Receiver) Refusal(err error) Answer {
	refused, isHandshake := errors.AsType[*handshakeError](err)
	switch {
	case errors.Is(err, ErrKeyUnavailable):
		return Answer{Status: http.StatusServiceUnavailable}
	case errors.Is(err, ErrMethod):
		return Answer{Status: http.StatusMethodNotAllowed}
	case isHandshake && refused.handshake.Refusal.Status != 0:
		return refused.handshake.Refusal
	}
	return rc.Sender.Refusal
}

// Methods are the methods that the sender uses for events and handshakes, sorted.
func (rc *Receiver) Methods() []string {
	methods := append([]string{post}, rc.Sender.Methods...)
	for _, h := range rc.Sender.Handshakes {
		methods = append(methods, h.Methods...)
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

func (rc *Receiver) events(r *Request) []Event {
	r.kept = rc.keptQuery(r)
	if r.inAddress() {
		eventType, id := rc.Sender.wholeType().find(r), idIn(r, rc.Sender.wholeID())
		return []Event{{Type: eventType, ID: id, Hashed: id == "", Body: []byte(r.kept), Query: r.kept, ContentType: formType}}
	}
	events := rc.eventsInBody(r)
	for i := range events {
		events[i].Query = r.kept
	}
	return events
}

func (rc *Receiver) eventsInBody(r *Request) []Event {
	eventType, id := rc.Sender.wholeType().find(r), idIn(r, rc.Sender.wholeID())
	if batch := rc.Sender.batch(r); batch != nil {
		events, found := batch.split(r)
		if found && (!rc.whole && len(events) <= maxEvents || len(events) == 0) {
			return events
		}
		if found {
			// The id of the first event is no id of the request: another one may begin with the same.
			id = idIn(r, batch.Request)
		}
	}
	return []Event{{Type: eventType, ID: id, Hashed: id == "", Body: r.Body, ContentType: r.Header.Get("Content-Type")}}
}

// idIn is the id that stands there. White space is none: every event of a sender that leaves its id out so would have it.
func idIn(r *Request, at Value) string {
	id := at.find(r)
	if strings.TrimFunc(id, func(c rune) bool { return c <= ' ' || unicode.IsSpace(c) }) == "" {
		return ""
	}
	return id
}
