package provider

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Plivo is how https://www.plivo.com signs: HMAC-SHA256 in base64 over the address, its parameters and the form's fields, each
// sorted by name, and a nonce.
type Plivo struct{}

var (
	plivoSignature = Header("X-Plivo-Signature-V3")
	plivoNonce     = Header("X-Plivo-Signature-V3-Nonce")
)

// Credentials implements [Scheme].
func (Plivo) Credentials() []string { return nil }

func (Plivo) proofHeaders() []string { return headersIn(plivoSignature, plivoNonce) }

func (Plivo) proofs() []Value { return []Value{plivoSignature} }

// CoversBody implements [Scheme].
func (Plivo) CoversBody() bool { return true }

func (Plivo) signs(v Value) bool { return v.kind == inQuery }

// String implements [Scheme].
func (Plivo) String() string {
	return "HMAC-SHA256, base64 in " + plivoSignature.String() + " over {url}{sorted form fields}.{" + plivoNonce.String() + "}"
}

// Bind implements [Scheme].
func (Plivo) Bind(b Binding) (Verifier, error) {
	keys, err := bindKeys(b, SHA256, RawKey)
	if err != nil {
		return nil, err
	}
	return plivoVerifier{keys}, nil
}

type plivoVerifier struct{ keys []*hmacKey }

// Verify implements [Verifier].
func (v plivoVerifier) Verify(r *Request, _ time.Time) error {
	signature := Signature{From: []Value{plivoSignature}, Format: MaybePrefixed("")}
	var p presented
	if err := signature.read(r, &p); err != nil {
		return err
	}
	var given sums
	if !given.decode(&p, Base64, sha256.Size) {
		return plivoSignature.malformed()
	}
	content, err := v.Signed(r)
	if err != nil {
		return err
	}
	for _, key := range v.keys {
		if given.contain(key.sumOf(content)) {
			return nil
		}
	}
	return ErrBadSignature
}

// Signed implements [Verifier]. What is no form is not signed, so there must not be anything else.
func (plivoVerifier) Signed(r *Request) ([]byte, error) {
	if r.URL == "" {
		return nil, ErrNoURL
	}
	nonce, err := plivoNonce.only(r)
	if err != nil {
		return nil, err
	}
	query, form := r.queryValues(), url.Values(nil)
	if len(r.Body) > 0 {
		form = r.formValues()
		if len(form) == 0 {
			return nil, fmt.Errorf("no form: %w", ErrMalformedBody)
		}
	}
	address, _, _ := strings.Cut(r.URL, "?")
	var content bytes.Buffer
	content.Grow(len(address) + len(r.Query) + len(r.Body) + len(nonce) + len("?..")) // decoding makes nothing longer
	content.WriteString(address)
	if len(query) > 0 || len(form) > 0 {
		content.WriteByte('?')
	}
	writeSorted(&content, query, "=", "&")
	if len(query) > 0 && len(form) > 0 {
		content.WriteByte('.')
	}
	writeSorted(&content, form, "", "")
	content.WriteByte('.')
	content.WriteString(nonce)
	return content.Bytes(), nil
}

// writeSorted writes each name with each of its values.
func writeSorted(to *bytes.Buffer, values url.Values, equals, between string) {
	separator := ""
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, text := range slices.Sorted(slices.Values(values[name])) {
			for _, part := range [...]string{separator, name, equals, text} {
				to.WriteString(part)
			}
			separator = between
		}
	}
}
