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

// CoversBody implements [Scheme].
func (s Hook0) CoversBody() bool { return true }

// String implements [Scheme].
func (s Hook0) String() string {
	return "HMAC-SHA256, hex in " + s.From.String() + " over {timestamp}.{names}.{values}.{body}"
}

// Bind implements [Scheme].
func (s Hook0) Bind(b Binding) (Verifier, error) {
	v := &hook0Verifier{Hook0: s}
	err := eachSecret(b, func(secret string) error {
		v.secrets = append(v.secrets, secret)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

type hook0Verifier struct {
	Hook0
	secrets []string
}

// scheme is the HMAC that this request's header says, which depends on the headers that it names.
func (v *hook0Verifier) scheme(r *Request) (HMAC, error) {
	line, err := v.From.only(r)
	if err != nil {
		return HMAC{}, err
	}
	s := HMAC{Signature: Signature{
		From: []Value{v.From}, Format: Pairs(",", "v1", "t"),
		Timestamp: Timestamp{Unit: Seconds, Tolerance: v.Tolerance},
		Content:   []Value{Stamp(), Const(".")},
	}}
	names, both := pair(line, "h"), hasPair(line, "v1")
	if !both && !v.NeedsHeaders {
		s.Format = Pairs(",", "v0", "t")
		s.Content = append(s.Content, Body())
		return s, nil
	}
	listed := strings.Fields(names)
	if len(listed) == 0 || len(listed) > maxSignedHeaders {
		return HMAC{}, v.From.malformed()
	}
	s.Content = append(s.Content, Const(names))
	for _, name := range listed {
		if !validHeaderName(name) {
			return HMAC{}, v.From.malformed()
		}
		s.Content = append(s.Content, Const("."), Header(name))
	}
	s.Content = append(s.Content, Const("."), Body())
	return s, nil
}

// maxSignedHeaders bounds the headers that a signature may cover.
const maxSignedHeaders = 32

func hasPair(line, key string) bool {
	for item := range strings.SplitSeq(line, ",") {
		if k, _, found := strings.Cut(strings.TrimSpace(item), "="); found && k == key {
			return true
		}
	}
	return false
}

func pair(line, key string) string {
	for item := range strings.SplitSeq(line, ",") {
		if k, value, found := strings.Cut(strings.TrimSpace(item), "="); found && k == key {
			return value
		}
	}
	return ""
}

// Verify implements [Verifier].
func (v *hook0Verifier) Verify(r *Request, now time.Time) error {
	s, err := v.scheme(r)
	if err != nil {
		return err
	}
	verifier, err := s.Bind(Binding{Secrets: v.secrets})
	if err != nil {
		return err
	}
	return verifier.Verify(r, now)
}

// Signed implements [Verifier].
func (v *hook0Verifier) Signed(r *Request) ([]byte, error) {
	s, err := v.scheme(r)
	if err != nil {
		return nil, err
	}
	return s.Signed(r)
}
