package event

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Prefixes of an event's headers that go on to the receivers of its deliveries: HeaderForward with the header's name
// behind it, and those by which CloudEvents describes an event in binary mode, as they are.
const (
	HeaderForward    = "Jethook-Header-"
	cloudEventPrefix = "Ce-"
)

// tracestate goes on with the trace that an event names: https://www.w3.org/TR/trace-context/#tracestate-header
const tracestate = "Tracestate"

// Bounds of the headers that go on with an event: each costs place in every delivery.
const (
	MaxForwarded      = 20
	maxForwardedBytes = 1024
)

// Forwarded returns the headers that go on to an event's receivers, by their canonical names; nil when there are none.
// Those that carry a credential, are too long or too many are left out: of too many, the last by name. Whether a receiver
// may be sent a header of that name is for who makes the request to judge.
func Forwarded(h nats.Header) map[string]string {
	var names []string
	for name := range h {
		if isPrefixed(name, HeaderForward) || isPrefixed(name, cloudEventPrefix) || isTracestate(name, h) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	slices.Sort(names)
	binary := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, "Ce-Specversion") })
	out := make(map[string]string, len(names))
	for _, given := range names {
		name := textproto.CanonicalMIMEHeaderKey(given)
		if isPrefixed(given, HeaderForward) {
			name = textproto.CanonicalMIMEHeaderKey(given[len(HeaderForward):])
		} else if !binary && name != tracestate {
			continue
		}
		values := h[given]
		if len(values) > 0 && len(values[0]) <= maxForwardedBytes && !IsCredential(name) && len(out) < MaxForwarded {
			out[name] = values[0]
		}
	}
	return out
}

func isTracestate(name string, h nats.Header) bool {
	return strings.EqualFold(name, tracestate) && ValidTraceparent(h.Get(HeaderTraceparent))
}

func isPrefixed(name, prefix string) bool {
	return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
