package format

import "strings"

// Reasons say in words why a request was refused, by the word that is stored.
var Reasons = map[string]string{
	"missing_header":   "a header that the signature needs is missing",
	"malformed_header": "the signature's header does not have its form",
	"missing_field":    "a field that the signature needs is missing",
	"malformed_body":   "the body does not have its form",
	"bad_signature":    "the signature does not match the secret",
	"bad_claim":        "the signature is right, but meant for somebody else",
	"too_old":          "the signed time is too long ago",
	"too_new":          "the signed time lies in the future",
	"unknown_key":      "the sender does not publish the key that it names",
	"key_unavailable":  "the sender's key could not be had",
	"no_url":           "the sender signs its address, which is not set",
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
