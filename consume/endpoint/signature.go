package endpoint

import (
	"cmp"
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"jethook/consume/endpoint/signing"
)

// SignatureSpec is what a caller says of an endpoint's [signing.Signature], unchecked.
type SignatureSpec struct {
	Like      string `json:"like,omitempty"` // a sender whose signature this is to be; other fields override it
	Scheme    string `json:"scheme,omitempty"`
	Header    string `json:"header,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Encoding  string `json:"encoding,omitempty"`
	Prefix    string `json:"prefix,omitempty"`
	Template  string `json:"template,omitempty"`
	Signed    string `json:"signed,omitempty"`
	Timestamp string `json:"timestamp,omitempty"`
}

// maxTemplateBytes bounds a signature's texts.
const maxTemplateBytes = 256

// defaultHMACHeader carries the signature of SchemeHMAC.
const defaultHMACHeader = "X-Webhook-Signature"

// specOf is the signature as a caller would have given it.
func specOf(s *signing.Signature) SignatureSpec {
	return SignatureSpec{
		Scheme: string(s.Scheme), Header: s.Header, Algorithm: s.Algorithm, Encoding: s.Encoding,
		Prefix: s.Prefix, Template: s.Template, Signed: s.Signed, Timestamp: s.Timestamp,
	}
}

// filled is the spec with what Like stands for.
func (c *checker) filled(field string, raw SignatureSpec) SignatureSpec {
	if raw.Like == "" {
		return raw
	}
	like, ok := signing.Like(raw.Like)
	if !ok {
		c.add(field+".like", "must be one of %s", strings.Join(signing.Likes(), ", "))
		return SignatureSpec{}
	}
	if raw.Scheme != "" && raw.Scheme != string(signing.SchemeHMAC) {
		c.add(field+".scheme", "must be %s or omitted with like", signing.SchemeHMAC)
	}
	out := SignatureSpec{
		Scheme: string(signing.SchemeHMAC), Header: cmp.Or(raw.Header, like.Header), Algorithm: cmp.Or(raw.Algorithm, like.Algorithm),
		Encoding: cmp.Or(raw.Encoding, like.Encoding), Signed: cmp.Or(raw.Signed, like.Signed), Timestamp: cmp.Or(raw.Timestamp, like.Timestamp),
		Prefix: raw.Prefix, Template: raw.Template,
	}
	if raw.Prefix == "" && raw.Template == "" {
		out.Prefix, out.Template = like.Prefix, like.Template
	}
	return out
}

func (c *checker) signature(field string, raw SignatureSpec) signing.Signature {
	raw = c.filled(field, raw)
	s := signing.Signature{Scheme: cmp.Or(signing.Scheme(raw.Scheme), signing.SchemeStandard), Header: textproto.CanonicalMIMEHeaderKey(raw.Header)}
	switch s.Scheme {
	case signing.SchemeStandard:
		if s.Header != "" {
			c.add(field+".header", "can't be set with scheme %s", signing.SchemeStandard)
		}
	case signing.SchemeHMAC:
		s.Header = cmp.Or(s.Header, defaultHMACHeader)
	case signing.SchemeBearer:
	default:
		c.add(field+".scheme", "must be %s, %s or %s", signing.SchemeStandard, signing.SchemeHMAC, signing.SchemeBearer)
		return s
	}
	if s.Scheme == signing.SchemeHMAC {
		c.hmac(field, &s, raw)
	} else if raw != (SignatureSpec{Scheme: raw.Scheme, Header: raw.Header}) {
		c.add(field, "can have algorithm, encoding, prefix, template, signed and timestamp with scheme %s only", signing.SchemeHMAC)
	}
	if s.Scheme == signing.SchemeStandard || s.Header == "" {
		return s
	}
	if c.check(field+".header", checkHeaderName(s.Header)) && !ownSignatureHeader(s) {
		c.check(field+".header", notReserved(s.Header))
	}
	return s
}

// hmac takes over what is of SchemeHMAC alone. What is the default is left empty.
func (c *checker) hmac(field string, s *signing.Signature, raw SignatureSpec) {
	s.Algorithm = c.oneOf(field+".algorithm", raw.Algorithm, "sha256", "sha1", "sha512")
	s.Encoding = c.oneOf(field+".encoding", raw.Encoding, "hex", "base64", "base64url")
	s.Prefix, s.Template, s.Signed = raw.Prefix, raw.Template, raw.Signed
	if s.Template == signing.PlaceSignature {
		s.Template = ""
	}
	if s.Signed == signing.PlaceBody {
		s.Signed = ""
	}
	c.check(field+".prefix", checkTemplate(s.Prefix))
	if s.Prefix != "" && s.Template != "" {
		c.add(field+".prefix", "can't be combined with template; put it into the template")
	}
	if s.Template != "" {
		c.check(field+".template", checkTemplate(s.Template, signing.PlaceSignature, signing.PlaceTimestamp, signing.PlaceID))
	}
	if s.Signed != "" {
		c.check(field+".signed", checkTemplate(s.Signed, signing.PlaceBody, signing.PlaceTimestamp, signing.PlaceID, signing.PlaceURL))
	}
	if s.Timestamp = textproto.CanonicalMIMEHeaderKey(raw.Timestamp); s.Timestamp == "" {
		return
	}
	if c.check(field+".timestamp", checkHeaderName(s.Timestamp)) {
		c.check(field+".timestamp", notReserved(s.Timestamp))
	}
	if s.Timestamp == s.Header || s.Timestamp == signing.HeaderAuthorization {
		c.add(field+".timestamp", "cannot be %s", s.Timestamp)
	}
}

// oneOf returns value, or nothing for the first of what it may be.
func (c *checker) oneOf(field, value string, may ...string) string {
	if value == "" || value == may[0] {
		return ""
	}
	if !slices.Contains(may, value) {
		c.add(field, "must be %s", strings.Join(may, ", "))
	}
	return value
}

// checkTemplate says what is wrong with a text: it must hold the first of the places once, and may hold the others.
func checkTemplate(text string, places ...string) error {
	if len(text) > maxTemplateBytes || !httpguts.ValidHeaderFieldValue(text) || strings.TrimSpace(text) != text {
		return fmt.Errorf("must be at most %d characters that are allowed in headers, without surrounding spaces", maxTemplateBytes)
	}
	if len(places) > 0 && strings.Count(text, places[0]) != 1 {
		return fmt.Errorf("must contain %s exactly once", places[0])
	}
	rest := text
	for _, place := range places {
		rest = strings.ReplaceAll(rest, place, "")
	}
	if strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("can contain no placeholders except %s", strings.Join(places, ", "))
	}
	return nil
}

// ownSignatureHeader allows the one reserved name that a receiver may be written for: some senders put their
// HMAC into Webhook-Signature, and Jethook sets it with the standard scheme only.
func ownSignatureHeader(s signing.Signature) bool {
	return s.Scheme == signing.SchemeHMAC && s.Header == signing.HeaderStandard
}

// collision refuses headers that a signature would overwrite.
func (c *checker) collision(e *Endpoint) {
	if e.Signature.Scheme == signing.SchemeBearer && e.Signature.Header == signing.HeaderAuthorization {
		c.add("signature.header", "cannot be %s: the token goes there", signing.HeaderAuthorization)
	}
	taken := e.Signature.Headers()
	if e.Second != nil {
		for _, name := range e.Second.Headers() {
			if slices.Contains(taken, name) {
				c.add("second_signature", "cannot use %s: the first signature goes there", name)
			}
		}
		taken = append(taken, e.Second.Headers()...)
	}
	for _, name := range taken {
		if _, ok := e.Headers[name]; ok && notReserved(name) == nil { // else that is said already
			c.add("headers."+name, "cannot be set: the signature goes there")
		}
	}
}
