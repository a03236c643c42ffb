// Package header says which of a request's headers are kept, with its event or with a rejected request.
package header

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"jethook/ingest/provider"
	"jethook/publish/event"
)

// loginHeaders are credentials whatever a sender's row has to read there.
var loginHeaders = setOf("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie")

// transportHeaders are those that say nothing of the message as it is stored.
var transportHeaders = setOf(
	// What concerns the connection and not the message: RFC 9110, section 7.6.1.
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
	// What no longer holds for the body as it is stored.
	"Content-Length", "Content-Encoding",
	// Stored apart.
	"Content-Type", "Traceparent",
)

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// Rules say which of a request's headers are kept. What is a credential by its name is not, be it the sender's or
// one that a proxy on the way has added. Signatures over the body are: they are no secrets, and let a subscriber verify
// again.
type Rules struct {
	dropped     map[string]bool // are never stored
	credentials map[string]bool // of this sender: who has one can send requests
	reads       map[string]bool // what the sender's row reads, credentials among it
}

// NewRules returns the rules for requests of a sender.
func NewRules(s *provider.Sender) Rules {
	rules := Rules{credentials: setOf(s.Scheme.Credentials()...), reads: setOf(s.ReadHeaders()...)}
	rules.dropped = maps.Clone(rules.credentials)
	maps.Copy(rules.dropped, loginHeaders)
	maps.Copy(rules.dropped, transportHeaders)
	return rules
}

func (rules Rules) stores(name string) bool {
	// Jethook- and Nats- headers steer Jethook and the server.
	return !rules.dropped[name] && !strings.HasPrefix(name, "Jethook-") && !strings.HasPrefix(name, "Nats-") &&
		(rules.reads[name] || !event.IsCredential(name))
}

// LeftOut stands for a credential in a rejected request.
const LeftOut = "(left out)"

// Rejected returns the header of a request as it is kept for verifying it again: with what proves who sent it, without
// all other credentials. Of what it keeps it names, sorted, the headers that hold the sender's credential.
func (rules Rules) Rejected(header http.Header) (kept http.Header, credentials []string) {
	kept = header.Clone()
	for name := range kept {
		switch {
		case rules.credentials[name]:
			credentials = append(credentials, name)
		case event.IsCredential(name) && !rules.reads[name]:
			kept[name] = []string{LeftOut}
		}
	}
	slices.Sort(credentials)
	return kept, credentials
}

// Stored returns those of a request's headers that are stored with its event, and the trace it belongs to: the
// sender's, or a new one.
func (rules Rules) Stored(h http.Header) (kept nats.Header, traceparent string) {
	kept = make(nats.Header, len(h)+event.OwnHeaders)
	for name, values := range h {
		if rules.stores(name) {
			kept[name] = values
		}
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(kept, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	if traceparent = TraceOf(h); traceparent != "" {
		return kept, traceparent
	}
	delete(kept, "Tracestate") // belongs to the trace that is not continued
	return kept, event.NewTraceparent()
}

// TraceOf returns the trace context that a request names; empty: it names none.
func TraceOf(h http.Header) string {
	if traces := h["Traceparent"]; len(traces) == 1 && event.ValidTraceparent(traces[0]) {
		return traces[0]
	}
	return ""
}
