package provider

import (
	"net/url"
	"slices"
	"strings"

	"jethook/publish/event"
)

// formType is the media type of a form, and of the parameters of a request without a body.
const formType = "application/x-www-form-urlencoded"

// inAddress reports whether all that r tells stands in the parameters of its address: they are then its form.
func (r *Request) inAddress() bool { return r.Method != post && len(r.Body) == 0 && r.Query != "" }

// keptQuery is the query of r as it may be stored: without what lets somebody in, and with no bytes that a header can't
// hold.
func (rc *Receiver) keptQuery(r *Request) string {
	if r.Query == "" {
		return ""
	}
	var kept []string
	for parameter := range strings.SplitSeq(r.Query, "&") {
		if parameter != "" && !rc.isCredential(parameter) {
			kept = append(kept, escapeBytes(parameter))
		}
	}
	return strings.Join(kept, "&")
}

// isCredential reports whether a parameter of a query is the sender's proof, holds one of the secrets, or is a credential
// by its name. One whose name can't be read may be any.
func (rc *Receiver) isCredential(parameter string) bool {
	name, value, _ := strings.Cut(parameter, "=")
	name, err := url.QueryUnescape(name)
	if err != nil || event.IsCredential(name) || slices.ContainsFunc(queryCredentials, func(s string) bool { return strings.EqualFold(s, name) }) {
		return true
	}
	if name == "pair" && rc.Sender.LearnsSecret() { // the nonce of an address that takes a secret
		return true
	}
	if s, ok := rc.Sender.Scheme.(interface{ proofs() []Value }); ok {
		if slices.ContainsFunc(s.proofs(), func(v Value) bool { return v.kind == inQuery && v.arg == name }) {
			return true
		}
	}
	text, err := url.QueryUnescape(value)
	return err == nil && slices.ContainsFunc(rc.secrets, func(secret string) bool { return equalText(secret, text) })
}

// queryCredentials are whole names of parameters that gateways and clouds check: code is Azure's, sig its and others'.
var queryCredentials = []string{"code", "sig", "pass", "pwd"}

// escapeBytes escapes what is not printable ASCII, as net/http passes it on.
func escapeBytes(s string) string {
	const digits = "0123456789ABCDEF"
	if !strings.ContainsFunc(s, notPrinted) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; notPrinted(rune(c)) {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
