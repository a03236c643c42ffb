package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"
)

// Segment is how https://segment.com signs: HMAC-SHA1 in hex over the body, or, where that is a list, over its
// first element alone, without the spaces between its parts. What follows in a list is not covered.
type Segment struct{}

var segmentSignature = Header("X-Signature")

// Credentials implements [Scheme].
func (s Segment) Credentials() []string { return s.proofHeaders() }

func (Segment) proofHeaders() []string { return segmentSignature.headerNames() }

// CoversBody implements [Scheme].
func (Segment) CoversBody() bool { return false }

// String implements [Scheme].
func (Segment) String() string {
	return "HMAC-SHA1, hex in " + segmentSignature.String() + " over {body}, of a list its first element"
}

// Bind implements [Scheme].
func (Segment) Bind(b Binding) (Verifier, error) {
	v, err := HMAC{Hash: SHA1, Signature: Signature{From: []Value{segmentSignature}}}.Bind(b)
	return segmentVerifier{v}, err
}

// segmentVerifier hands the signed part of the body on as the body.
type segmentVerifier struct{ Verifier }

// Verify implements [Verifier].
func (v segmentVerifier) Verify(r *Request, now time.Time) error {
	first, list, err := firstElement(r)
	if err != nil {
		return err
	}
	if !list {
		return v.Verifier.Verify(r, now)
	}
	return v.Verifier.Verify(&Request{Method: r.Method, Header: r.Header, Body: first}, now)
}

// Signed implements [Verifier].
func (v segmentVerifier) Signed(r *Request) ([]byte, error) {
	first, list, err := firstElement(r)
	if err != nil || list {
		return first, err
	}
	return v.Verifier.Signed(r)
}

// firstElement is the first element of a body that is a list, compact.
func firstElement(r *Request) (first []byte, list bool, err error) {
	if !bytes.HasPrefix(r.text(), []byte("[")) {
		return nil, false, nil
	}
	element := gjson.Result{}
	if r.validJSON() {
		element = gjson.Get(view(r.text()), "0")
	}
	var compact bytes.Buffer
	compact.Grow(len(element.Raw))
	if !element.IsObject() || json.Compact(&compact, []byte(element.Raw)) != nil {
		return nil, true, fmt.Errorf("a list without events: %w", ErrMalformedBody)
	}
	return compact.Bytes(), true, nil
}
