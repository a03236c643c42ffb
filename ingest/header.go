package ingest

import (
	"net/http"
	"strings"

	"github.com/nats-io/nats.go"

	"jethook/publish"
)

// droppedHeaders returns the names of request headers that are never stored, those of the sender's own
// credentials among them. Signatures are stored: they are no secrets, and let a subscriber verify again.
func droppedHeaders(credentials []string) map[string]bool {
	dropped := map[string]bool{}
	for _, name := range [...]string{
		// Credentials and sessions, of the sender or added by a proxy on the way.
		"Authorization", "Proxy-Authorization", "Proxy-Authenticate", "Cookie", "Set-Cookie",
		"Api-Key", "X-Api-Key", "X-Auth-Token", "X-Access-Token", "X-Amz-Security-Token",
		"Cf-Access-Client-Secret", "Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion",
		// What concerns the connection and not the message: RFC 9110, section 7.6.1.
		"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		// What no longer holds for the body as it is stored.
		"Content-Length", "Content-Encoding",
		// Stored apart.
		"Content-Type", "Traceparent",
	} {
		dropped[name] = true
	}
	for _, name := range credentials {
		dropped[name] = true
	}
	return dropped
}

// storedHeaders returns those of a request's headers that are stored with its event, and the trace it belongs
// to: the sender's, or a new one.
func (src *source) storedHeaders(h http.Header) (kept nats.Header, traceparent string) {
	kept = make(nats.Header, len(h))
	for name, values := range h {
		// Jethook- and Nats- headers steer Jethook and the server.
		if !src.dropped[name] && !strings.HasPrefix(name, "Jethook-") && !strings.HasPrefix(name, "Nats-") {
			kept[name] = values
		}
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(kept, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	if traces := h["Traceparent"]; len(traces) == 1 && publish.ValidTraceparent(traces[0]) {
		return kept, traces[0]
	}
	delete(kept, "Tracestate") // belongs to the trace that is not continued
	return kept, publish.NewTraceparent()
}
