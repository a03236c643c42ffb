package provider

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
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
	return bindRequest(b, func(r *Request) (HMAC, error) {
		address, err := plivoAddress(r)
		return HMAC{Signature: Signature{
			From: []Value{plivoSignature}, Format: MaybePrefixed(""), Encoding: Base64,
			Content: []Value{Const(address), Const("."), plivoNonce},
		}}, err
	})
}

// plivoAddress is the address with its parameters and the fields of the form. What is no form is not signed, so there must
// not be anything else.
func plivoAddress(r *Request) (string, error) {
	if r.URL == "" {
		return "", ErrNoURL
	}
	form := r.formValues()
	if len(r.Body) > 0 && len(form) == 0 {
		return "", fmt.Errorf("no form: %w", ErrMalformedBody)
	}
	address, _, _ := strings.Cut(r.URL, "?")
	query := sortedPairs(r.queryValues(), "=", "&")
	if query != "" || len(form) > 0 {
		address += "?" + query
	}
	if query != "" && len(form) > 0 {
		address += "."
	}
	return address + sortedPairs(form, "", ""), nil
}

// sortedPairs joins each name with each of its values.
func sortedPairs(values url.Values, equals, between string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, text := range slices.Sorted(slices.Values(values[name])) {
			pairs = append(pairs, name+equals+text)
		}
	}
	return strings.Join(pairs, between)
}
