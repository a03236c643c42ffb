// Package signing holds what deliveries are signed with and how: the secrets of an endpoint, how their texts are read and new
// ones made, and the [Signature] that its receiver expects. No error or sentence of it repeats a secret.
//
// It makes no signature: package attempt does. Which signatures and secrets an endpoint may have together is for package
// endpoint to say.
package signing

import (
	"maps"
	"slices"
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

// Likes are the names that [Like] knows.
func Likes() []string { return slices.Sorted(maps.Keys(likes)) }

// Like returns the signature of a sender of that name, without its scheme, which is SchemeHMAC.
func Like(name string) (Signature, bool) {
	s, ok := likes[name]
	return s, ok
}

// Placeholders of a signature's texts.
const (
	PlaceSignature = "{signature}"
	PlaceTimestamp = "{timestamp}" // of the attempt, in Unix seconds
	PlaceID        = "{id}"        // the event's
	PlaceBody      = "{body}"
	PlaceURL       = "{url}" // the endpoint's
)

// Headers that a scheme signs in.
const (
	HeaderStandard      = "Webhook-Signature"
	HeaderAuthorization = "Authorization"
)

// Headers are the names of those that the signature sets.
func (s *Signature) Headers() (names []string) {
	switch s.Scheme {
	case SchemeHMAC:
		names = []string{s.Header, s.Timestamp}
	case SchemeBearer:
		names = []string{HeaderAuthorization, s.Header}
	default:
		names = []string{HeaderStandard}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}
