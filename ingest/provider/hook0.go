package provider

import (
	"strings"
	"time"
)

// Hook0 is https://documentation.hook0.com: a signature over the body (v0), or over chosen headers and the body
// (v1). Where there is a v1, v0 does not count.
type Hook0 struct {
	From Value
	// NeedsHeaders refuses what has a v0 alone, where the type of the event stands in a header.
	NeedsHeaders bool
	Tolerance    time.Duration
}

// Credentials implements [Scheme].
func (s Hook0) Credentials() []string { return nil }

func (s Hook0) proofHeaders() []string { return s.From.headerNames() }

// CoversBody implements [Scheme].
func (s Hook0) CoversBody() bool { return true }

// String implements [Scheme].
func (s Hook0) String() string {
	return "HMAC-SHA256, hex in " + s.From.String() + " over {timestamp}.{names}.{values}.{body}"
}

// Bind implements [Scheme].
func (s Hook0) Bind(b Binding) (Verifier, error) {
	return bindRequest(b, s.scheme)
}

func (s Hook0) tolerance() time.Duration { return s.Tolerance }

func (s Hook0) signedAt(r *Request) (time.Time, bool) { return signedAtBy(r, s.scheme) }

// scheme is the HMAC that this request's header says, which depends on the headers that it names.
func (s Hook0) scheme(r *Request) (HMAC, error) {
	line, err := s.From.only(r)
	if err != nil {
		return HMAC{}, err
	}
	found := HMAC{Signature: Signature{
		From: []Value{s.From}, Format: Pairs(",", "v1", "t"),
		Timestamp: Timestamp{Unit: Seconds, Tolerance: s.Tolerance},
		Content:   []Value{Stamp(), Const(".")},
	}}
	names, _ := pair(line, "h")
	if _, stronger := pair(line, "v1"); !stronger && !s.NeedsHeaders {
		found.Format = Pairs(",", "v0", "t")
		found.Content = append(found.Content, Body())
		return found, nil
	}
	listed := strings.Fields(names)
	if len(listed) == 0 || len(listed) > maxSignedHeaders {
		return HMAC{}, s.From.malformed()
	}
	found.Content = append(found.Content, Const(names))
	for _, name := range listed {
		if !validHeaderName(name) {
			return HMAC{}, s.From.malformed()
		}
		found.Content = append(found.Content, Const("."), Header(name))
	}
	found.Content = append(found.Content, Const("."), Body())
	return found, nil
}

// maxSignedHeaders bounds the headers that a signature may cover.
const maxSignedHeaders = 32

// pair is the value of a key in a list of KEY=VALUE.
func pair(line, key string) (value string, found bool) {
	for item := range strings.SplitSeq(line, ",") {
		if k, value, found := strings.Cut(strings.TrimSpace(item), "="); found && k == key {
			return value, true
		}
	}
	return "", false
}
