package ingest

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"jethook/config"
	"jethook/ingest/body"
	"jethook/ingest/fetch"
	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/publish/event"
)

// Trial verifies requests as a source of a Server does, and tells all about it. It stores nothing, keeps no secret
// that a sender hands over, and confirms no handshake. Who may send, and how often, is not looked at. Of a sender that
// signs nothing it takes a request without a secret, with which no Server would start: there is nothing to explain.
type Trial struct {
	source  *source.Source
	unbound error // why the secrets can't be used
}

// NewTrial returns a Trial of a source. It fails with [config.Problems] where there is no such sender, or where the
// sender's options are wrong. MaxBody is the largest body of a source that has no limit of its own. Secrets that are wrong or missing are told by every [Verdict] instead.
func NewTrial(c config.Source, keys provider.KeySource, maxBody int64) (*Trial, error) {
	src, faults := source.Prepare(c, keys)
	if len(faults) > 0 {
		return nil, source.OptionProblems(c.Name, faults)
	}
	src.MaxBody = cmp.Or(src.MaxBody, maxBody)
	unbound := src.ReadError()
	if unbound == nil {
		unbound = src.Bind()
	}
	if src.Sender.Unsigned && src.Bare() {
		src.Unproven()
		unbound = nil
	}
	return &Trial{source: src, unbound: unbound}, nil
}

// NewKeySource returns what a Server gets senders' keys and certificates with.
func NewKeySource() provider.KeySource { return fetch.New(fetch.NewClient(), time.Now) }

// Verdict is what became of a request.
type Verdict struct {
	// Err is why the request is refused, nil if it is taken.
	Err error
	// Reason is Err in one word: of provider.Reasons, bad_secret, or the code of the error that is answered.
	Reason string
	// Outcome is what the request turned out to be, with the answer that its sender gets. The rest of it is empty
	// after an error.
	Outcome provider.Outcome
	// Type and ID are those of the request's first event, or of a handshake that the sender signed, in the sender's own
	// words; empty where there are none.
	Type, ID string
	// Stored is what Outcome.Events would be stored as.
	Stored []*event.Event
	// Rule says by which of its sender's rules the request is signed, where there are several.
	Rule string
	// Signed is what the sender signed; a secret in it reads {secret}. It is nil where nothing of the request is
	// signed, or with Unread, which says why it can't be told.
	Signed []byte
	Unread error
}

// Warnings says why a server would not start with secrets that verify here, and what is odd about others.
func (t *Trial) Warnings() (warnings []string) {
	for _, p := range t.source.Weaknesses() {
		warnings = append(warnings, "A server would not start with this secret: "+p.Reason+".")
	}
	if len(warnings) == 0 {
		for _, p := range t.source.Doubts() {
			warnings = append(warnings, "The secret may be wrong: "+p.Reason+".")
		}
	}
	return warnings
}

// Sender is the row that the requests are verified by.
func (t *Trial) Sender() provider.Sender { return t.source.Sender }

// Receive says what becomes of r when it comes at now; the zero time stands for the time that the sender signed, or else
// the present. Of r the method, the query, the header and the body count. It needs the source's address where the sender
// signs that.
func (t *Trial) Receive(r *http.Request, now time.Time) Verdict {
	bodies := body.Reader{Limit: t.source.MaxBody}
	data, err := bodies.Read(nil, r)
	if err != nil {
		return refused(err, err, answerTo(err).code)
	}
	src := t.source
	if t.unbound != nil {
		return refused(t.unbound, src.Refusal(t.unbound), reasonWord(t.unbound))
	}
	request := src.Request(r.Method, r.URL.RawQuery, r.Header, data)
	if signed, found := src.Sender.SignedAt(request); now.IsZero() && found {
		now = signed
	} else if now.IsZero() {
		now = time.Now()
	}
	request, outcome, err := src.Decode(request, &bodies, func(r *provider.Request) (provider.Outcome, error) {
		return src.Receiver().Receive(r, now)
	})
	var v Verdict
	switch {
	case source.OfBody(err):
		return refused(err, err, answerTo(err).code)
	case err != nil:
		v = refused(err, src.Refusal(err), reasonWord(err))
	default:
		v = Verdict{Outcome: outcome, Stored: src.Events(outcome.Events, r.Header, now), Rule: src.Receiver().Rule(request, now)}
	}
	if t.vouched(&outcome) {
		v.Type, v.ID = src.Sender.Event(request)
	}
	v.Signed, v.Unread = src.Receiver().Verifier.Signed(request)
	return v
}

// vouched reports whether the type and the id in a request are its sender's. Anyone can send most handshakes.
func (t *Trial) vouched(o *provider.Outcome) bool {
	if o.Handshake == "" {
		return len(o.Events) > 0
	}
	return t.source.Sender.Scheme.CoversBody() && slices.ContainsFunc(t.source.Sender.Handshakes, func(h provider.Handshake) bool {
		return h.Signed && h.Name == o.Handshake
	})
}

// refused is the verdict on a request that ends as a Server's does with err, because of cause.
func refused(cause, err error, reason string) Verdict {
	return Verdict{Err: cause, Reason: reason, Outcome: provider.Outcome{Answer: response(err)}}
}

// reasonWord is provider.Reason, and a word for what a Server would not start with.
func reasonWord(err error) string {
	if errors.Is(err, provider.ErrBadSecret) {
		return "bad_secret"
	}
	return provider.Reason(err)
}
