package format

import "strings"

// Reasons say in words why a request was refused, by the word that is stored.
var Reasons = map[string]string{
	"missing_header":   "a header that the signature needs is missing",
	"malformed_header": "the signature's header is malformed",
	"missing_field":    "a field that the signature needs is missing",
	"malformed_body":   "the body is malformed",
	"bad_signature":    "the signature does not match the secret",
	"bad_claim":        "the signature is valid, but for a different recipient",
	"too_old":          "the signed time is too long ago",
	"too_new":          "the signed time is in the future",
	"unknown_key":      "the sender does not publish the key that the request names",
	"key_unavailable":  "the sender's key could not be fetched",
	"no_url":           "the sender signs its address, and URL is not set",
	"unexpected":       "a handshake that is not expected here",
	"method":           "the HTTP method is not the sender's",
	"no_secret":        "no secret is set",
}

// Reason is a reason in words.
func Reason(reason string) string {
	if text, ok := Reasons[reason]; ok {
		return text
	}
	return strings.ReplaceAll(reason, "_", " ")
}
