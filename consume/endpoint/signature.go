package endpoint

import (
	"cmp"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Scheme is how a delivery proves that it comes from this Jethook.
type Scheme string

// The schemes.
const (
	// SchemeStandard is Standard Webhooks: https://www.standardwebhooks.com. Each secret signs in its own way, HMAC-SHA256
	// as "v1" or Ed25519 as "v1a".
	SchemeStandard Scheme = "standard"
	// SchemeHMAC is an HMAC in a header of the endpoint's choice, by default the hexadecimal HMAC-SHA256 of the body. The
	// key is the secret's text as it is, also if it starts with "whsec_", unless its type says otherwise.
	SchemeHMAC Scheme = "hmac"
	// SchemeBearer is the secret as bearer token.
	SchemeBearer Scheme = "bearer"
)

// Signature is the scheme that an endpoint expects. All but Scheme and Header is of SchemeHMAC, and empty where it has its
// default.
type Signature struct {
	Scheme Scheme `json:"scheme"`
	// Header carries the signature of SchemeHMAC. With SchemeBearer it is an additional header for the time of
	// the attempt in RFC 3339, or empty. With SchemeStandard it is empty.
	Header    string `json:"header,omitempty"`
	Algorithm string `json:"algorithm,omitempty"` // sha1 or sha512; empty: sha256
	Encoding  string `json:"encoding,omitempty"`  // base64 or base64url; empty: hex
	Prefix    string `json:"prefix,omitempty"`    // what stands before the signature in the header
	Template  string `json:"template,omitempty"`  // all of the header, with {signature}, {timestamp} and {id}
	Signed    string `json:"signed,omitempty"`    // what is signed, with {body}, {timestamp}, {id} and {url}; empty: {body}
	Timestamp string `json:"timestamp,omitempty"` // another header, with the time in Unix seconds
}

// SignatureSpec is what a caller says of an endpoint's [Signature], unchecked.
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

// likes are senders' signatures, for receivers that were written for them.
var likes = map[string]Signature{
	// https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
	"github": {Header: "X-Hub-Signature-256", Prefix: "sha256="},
	// https://docs.gitea.com/usage/webhooks
	"gitea": {Header: "X-Gitea-Signature"},
	// https://docs.stripe.com/webhooks/signature
	"stripe": {Header: "Stripe-Signature", Template: "t={timestamp},v1={signature}", Signed: "{timestamp}.{body}"},
	// https://shopify.dev/docs/apps/build/webhooks/subscribe/https
	"shopify": {Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"},
	// https://docs.slack.dev/authentication/verifying-requests-from-slack
	"slack": {Header: "X-Slack-Signature", Prefix: "v0=", Signed: "v0:{timestamp}:{body}", Timestamp: "X-Slack-Request-Timestamp"},
	// https://developers.zoom.us/docs/api/webhooks/
	"zoom": {Header: "X-Zm-Signature", Prefix: "v0=", Signed: "v0:{timestamp}:{body}", Timestamp: "X-Zm-Request-Timestamp"},
	// https://developer.paddle.com/webhooks/signature-verification
	"paddle": {Header: "Paddle-Signature", Template: "ts={timestamp};h1={signature}", Signed: "{timestamp}:{body}"},
	// https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures
	"calendly": {Header: "Calendly-Webhook-Signature", Template: "t={timestamp},v1={signature}", Signed: "{timestamp}.{body}"},
	// https://developer.squareup.com/docs/webhooks/step3validate
	"square": {Header: "X-Square-Hmacsha256-Signature", Encoding: "base64", Signed: "{url}{body}"},
	// https://www.typeform.com/developers/webhooks/secure-your-webhooks/
	"typeform": {Header: "Typeform-Signature", Prefix: "sha256=", Encoding: "base64"},
	// https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks
	"woocommerce": {Header: "X-Wc-Webhook-Signature", Encoding: "base64"},
	// https://paystack.com/docs/payments/webhooks/
	"paystack": {Header: "X-Paystack-Signature", Algorithm: "sha512"},
	// https://developers.intercom.com/docs/webhooks/setting-up-webhooks
	"intercom": {Header: "X-Hub-Signature", Prefix: "sha1=", Algorithm: "sha1"},
}

// Likes are the names that [SignatureSpec] takes as Like.
func Likes() []string { return slices.Sorted(maps.Keys(likes)) }

// Placeholders of a signature's texts.
const (
	PlaceSignature = "{signature}"
	PlaceTimestamp = "{timestamp}" // of the attempt, in Unix seconds
	PlaceID        = "{id}"        // the event's
	PlaceBody      = "{body}"
	PlaceURL       = "{url}" // the endpoint's
)

// maxTemplateBytes bounds a signature's texts.
const maxTemplateBytes = 256

// spec is the signature as a caller would have given it.
func (s *Signature) spec() SignatureSpec {
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
	like, ok := likes[raw.Like]
	if !ok {
		c.add(field+".like", "must be one of %s", strings.Join(Likes(), ", "))
		return SignatureSpec{}
	}
	if raw.Scheme != "" && raw.Scheme != string(SchemeHMAC) {
		c.add(field+".scheme", "must be %s or omitted with like", SchemeHMAC)
	}
	out := SignatureSpec{
		Scheme: string(SchemeHMAC), Header: cmp.Or(raw.Header, like.Header), Algorithm: cmp.Or(raw.Algorithm, like.Algorithm),
		Encoding: cmp.Or(raw.Encoding, like.Encoding), Signed: cmp.Or(raw.Signed, like.Signed), Timestamp: cmp.Or(raw.Timestamp, like.Timestamp),
		Prefix: raw.Prefix, Template: raw.Template,
	}
	if raw.Prefix == "" && raw.Template == "" {
		out.Prefix, out.Template = like.Prefix, like.Template
	}
	return out
}

func (c *checker) signature(field string, raw SignatureSpec) Signature {
	raw = c.filled(field, raw)
	s := Signature{Scheme: cmp.Or(Scheme(raw.Scheme), SchemeStandard), Header: textproto.CanonicalMIMEHeaderKey(raw.Header)}
	switch s.Scheme {
	case SchemeStandard:
		if s.Header != "" {
			c.add(field+".header", "can't be set with scheme %s", SchemeStandard)
		}
	case SchemeHMAC:
		s.Header = cmp.Or(s.Header, defaultHMACHeader)
	case SchemeBearer:
	default:
		c.add(field+".scheme", "must be %s, %s or %s", SchemeStandard, SchemeHMAC, SchemeBearer)
		return s
	}
	if s.Scheme == SchemeHMAC {
		c.hmac(field, &s, raw)
	} else if raw != (SignatureSpec{Scheme: raw.Scheme, Header: raw.Header}) {
		c.add(field, "can have algorithm, encoding, prefix, template, signed and timestamp with scheme %s only", SchemeHMAC)
	}
	if s.Scheme == SchemeStandard || s.Header == "" {
		return s
	}
	if c.check(field+".header", checkHeaderName(s.Header)) && !ownSignatureHeader(s) {
		c.check(field+".header", notReserved(s.Header))
	}
	return s
}

// hmac takes over what is of SchemeHMAC alone. What is the default is left empty.
func (c *checker) hmac(field string, s *Signature, raw SignatureSpec) {
	s.Algorithm = c.oneOf(field+".algorithm", raw.Algorithm, "sha256", "sha1", "sha512")
	s.Encoding = c.oneOf(field+".encoding", raw.Encoding, "hex", "base64", "base64url")
	s.Prefix, s.Template, s.Signed = raw.Prefix, raw.Template, raw.Signed
	if s.Template == PlaceSignature {
		s.Template = ""
	}
	if s.Signed == PlaceBody {
		s.Signed = ""
	}
	c.check(field+".prefix", checkTemplate(s.Prefix))
	if s.Prefix != "" && s.Template != "" {
		c.add(field+".prefix", "can't be combined with template; put it into the template")
	}
	if s.Template != "" {
		c.check(field+".template", checkTemplate(s.Template, PlaceSignature, PlaceTimestamp, PlaceID))
	}
	if s.Signed != "" {
		c.check(field+".signed", checkTemplate(s.Signed, PlaceBody, PlaceTimestamp, PlaceID, PlaceURL))
	}
	if s.Timestamp = textproto.CanonicalMIMEHeaderKey(raw.Timestamp); s.Timestamp == "" {
		return
	}
	if c.check(field+".timestamp", checkHeaderName(s.Timestamp)) {
		c.check(field+".timestamp", notReserved(s.Timestamp))
	}
	if s.Timestamp == s.Header || s.Timestamp == headerAuthorization {
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
func ownSignatureHeader(s Signature) bool {
	return s.Scheme == SchemeHMAC && s.Header == headerWebhookSignature
}

// Headers are the names of those that the signature sets.
func (s *Signature) Headers() (names []string) {
	switch s.Scheme {
	case SchemeHMAC:
		names = []string{s.Header, s.Timestamp}
	case SchemeBearer:
		names = []string{headerAuthorization, s.Header}
	default:
		names = []string{headerWebhookSignature}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// collision refuses headers that a signature would overwrite.
func (c *checker) collision(e *Endpoint) {
	if e.Signature.Scheme == SchemeBearer && e.Signature.Header == headerAuthorization {
		c.add("signature.header", "cannot be %s: the token goes there", headerAuthorization)
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
