package endpoints

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"jethook/consume/attempt"
	"jethook/consume/dashboard/format"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// signatureForm are the fields of one signature: {{template "signature"}}.
type signatureForm struct {
	Name   string // of the API's field, before those of its parts
	Scheme string // empty: none. A sender's signature is likePrefix and the sender
	signing.Signature
}

// likePrefix stands before the name of a sender whose signature a receiver expects.
const likePrefix = "like:"

// Likes are the senders that can be signed like.
func (f *signatureForm) Likes() []string { return signing.Likes() }

// Optional reports whether it may be none.
func (f *signatureForm) Optional() bool { return f.Name != "signature" }

// Detailed reports whether something is set that is seldom wanted.
func (f *signatureForm) Detailed() bool {
	return f.Signature != signing.Signature{Scheme: f.Signature.Scheme, Header: f.Header}
}

// of fills the form with what an endpoint has; nil: no signature.
func (f *signatureForm) of(have *signing.Signature) {
	if have != nil {
		f.Scheme, f.Signature = string(have.Scheme), *have
	}
}

// fill reads what the operator sent. What the scheme has no use for is left out: it is hidden in the form.
func (f *signatureForm) fill(form url.Values) {
	get := func(name string) string { return strings.TrimSpace(form.Get(f.Name + "." + name)) }
	scheme := get("scheme")
	if scheme == "" && !f.Optional() {
		scheme = string(signing.SchemeStandard)
	}
	f.Scheme, f.Signature = scheme, signing.Signature{Scheme: signing.Scheme(scheme)}
	switch signing.Scheme(scheme) {
	case signing.SchemeHMAC:
		f.Header, f.Prefix, f.Template, f.Timestamp = get("header"), get("prefix"), get("template"), get("timestamp")
		// What is the default is kept as nothing.
		f.Algorithm, f.Encoding = unless("sha256", get("algorithm")), unless("hex", get("encoding"))
		f.Signed = unless(signing.PlaceBody, get("signed"))
	case signing.SchemeBearer:
		f.Header = get("header")
	}
}

// unless is a value, or nothing where it is the usual one.
func unless(usual, value string) string {
	if value == usual {
		return ""
	}
	return value
}

// spec is what the form says; the zero spec is no signature.
func (f *signatureForm) spec() *endpoint.SignatureSpec {
	if like, ok := strings.CutPrefix(f.Scheme, likePrefix); ok {
		return &endpoint.SignatureSpec{Like: like}
	}
	return &endpoint.SignatureSpec{
		Scheme: f.Scheme, Header: f.Header, Algorithm: f.Algorithm, Encoding: f.Encoding, Prefix: f.Prefix, Template: f.Template,
		Signed: f.Signed, Timestamp: f.Timestamp,
	}
}

// signing adds the signatures to spec, those of old only if they change.
func (f *endpointForm) signing(spec *endpoint.Spec, old *endpoint.Endpoint) {
	first, second := signatureForm{Name: f.Signature.Name}, signatureForm{Name: f.Second.Name}
	if old != nil {
		first.of(&old.Signature)
		second.of(old.Second)
	}
	if *f.Signature != first {
		spec.Signature = f.Signature.spec()
	}
	if *f.Second != second {
		spec.Second = f.Second.spec()
	}
}

// identity adds to spec by whose word the receiver is believed, and what Jethook shows it. A key that is not given stays.
func (f *endpointForm) identity(spec *endpoint.Spec) {
	spec.CA, spec.ClientCertificate = &f.CA, &f.Certificate
	if f.clientKey != "" {
		spec.ClientKey = &f.clientKey
	}
}

// headers reads lines of the form "Name: value". A masked value is the one that old has.
func (f *endpointForm) headers(old *endpoint.Endpoint) map[string]string {
	h := map[string]string{}
	for line := range strings.Lines(f.Headers) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" {
			f.Wrong["headers"] = fmt.Sprintf("%q is not of the form Name: value", format.Short(40, name))
			continue
		}
		if old != nil && value == attempt.Masked {
			if kept, ok := old.Headers[http.CanonicalHeaderKey(name)]; ok {
				value = kept
			}
		}
		h[name] = value
	}
	return h
}

// pausesOf reads a schedule: empty is the default, and none a single attempt.
func pausesOf(text string) []string {
	switch text {
	case "":
		return []string{"default"}
	case "none":
		return []string{}
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func pausesText(pauses []endpoint.Duration) string {
	all := make([]string, len(pauses))
	for i, p := range pauses {
		all[i] = p.String()
	}
	return strings.Join(all, ", ")
}
