package provider

import (
	"fmt"
	"slices"
	"time"
)

// Early looks at a request before its body is read. An error says why the request does not verify, whatever its body. Undecided
// means that the body is worth reading all the same while it is small: the request may be a handshake, which needs no
// proof, or it has a token that may be right once the operator has mended the secret. The error of an undecided request
// stands where its body is not read.
//
// Without an error the body decides, and [Receiver.Receive] must be asked in any case.
func (rc *Receiver) Early(r *Request, now time.Time) (undecided bool, err error) {
	asks := slices.ContainsFunc(rc.Sender.Handshakes, func(h Handshake) bool { return !h.Signed && h.takes(r.Method) })
	if r.Method != post && !slices.Contains(rc.Sender.Methods, r.Method) {
		return asks, fmt.Errorf("method %.16q: %w", r.Method, ErrMethod)
	}
	switch v := rc.Verifier.(type) {
	case nobody:
		return asks, ErrNoSecret
	case *tokenVerifier:
		if places := v.proofs(); before(places) {
			return asks || anyPresent(places, r), v.Verify(r, now)
		}
		return false, nil
	}
	if s, ok := rc.Sender.Scheme.(interface{ proofs() []Value }); ok {
		if places := s.proofs(); before(places) && !anyPresent(places, r) {
			return asks, places[0].missing()
		}
	}
	return false, nil
}

// before reports whether the places can be looked at before the body.
func before(places []Value) bool {
	return len(places) > 0 && !slices.ContainsFunc(places, Value.inBody)
}

func anyPresent(places []Value, r *Request) bool {
	return slices.ContainsFunc(places, func(v Value) bool { return v.present(r) })
}

// inBody reports whether the body must be read to find the value.
func (v Value) inBody() bool {
	switch v.kind {
	case inHeader, inQuery:
		return false
	case firstOf, joined:
		return slices.ContainsFunc(v.parts, Value.inBody)
	}
	return true
}

// Where the schemes have what every request must show one of. Schemes that are not here have it in the body.

func (s Signature) proofs() []Value { return s.From }

func (s JWT) proofs() []Value { return []Value{s.From} }

func (s Hook0) proofs() []Value { return []Value{s.From} }

func (Contentful) proofs() []Value { return []Value{contentfulSignature} }

func (s URLForm) proofs() []Value { return []Value{s.From} }

func (Segment) proofs() []Value { return []Value{segmentSignature} }

func (s Token) proofs() []Value {
	switch {
	case s.Each != "": // From is in the items
		return nil
	case s.Or.kind != nowhere:
		return []Value{s.From, s.Or}
	}
	return []Value{s.From}
}
