package provider

import (
	"net/http"
	"slices"
	"time"
)

// Answers that many senders share.
var (
	success202 = Answer{Status: http.StatusAccepted}
	success200 = Answer{Status: http.StatusOK}
	refusal401 = Answer{Status: http.StatusUnauthorized}
	refusal403 = Answer{Status: http.StatusForbidden}
)

// hexMAC is HMAC-SHA256 of the body, in hex.
func hexMAC(header string) HMAC {
	return HMAC{Signature: Signature{From: []Value{Header(header)}}}
}

// standardWebhooks is https://www.standardwebhooks.com.
func standardWebhooks(key KeyEncoding) HMAC {
	return HMAC{Key: key, Signature: Signature{
		From: []Value{Header("webhook-signature")}, Format: Versioned("v1"), Encoding: Base64,
		Content:   []Value{Header("webhook-id"), Const("."), Header("webhook-timestamp"), Const("."), Body()},
		Timestamp: Timestamp{From: Header("webhook-timestamp"), Unit: Seconds, Tolerance: 5 * time.Minute},
	}}
}

// table is every sender that needs no more than its name and its secret. It is never written to.
var table = []Sender{
	{
		// Says 200 alone is a success.
		Name:    "notify",
		Scheme:  hexMAC("x-notify-signature"),
		Type:    JSON("event"),
		ID:      JSON("event_id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Standard Webhooks, except that the key is the bytes of the whole secret, polar_whs_ included. Its
		// samples answer 202, and 403 to a bad signature.
		Name:    "polar",
		Docs:    "https://polar.sh/docs/integrate/webhooks/delivery",
		Scheme:  standardWebhooks(RawKey),
		Type:    JSON("type"),
		ID:      Header("webhook-id"),
		Success: success202, Refusal: refusal403,
	},
	{
		Name:    "polaris",
		Docs:    "https://docs.polaris.revlv.com/webhooks",
		Scheme:  hexMAC("x-polaris-signature"),
		Type:    JSON("type"),
		ID:      JSON("id"),
		Success: success202, Refusal: refusal401,
	},
	{
		// The token looks like a JWT and is not one to us: it is documented as a fixed text. Says 200 alone
		// is a success, and advises to refuse what is more than a few minutes old. It sends no event id.
		Name: "polytomic",
		Docs: "https://apidocs.polytomic.com/guides/configuring-your-connections/syncing-to-custom-webhooks",
		Scheme: Token{
			From: Header("Authorization"), Prefix: "Bearer ",
			Timestamp: Timestamp{From: Header("Polytomic-Signature-Timestamp"), Unit: RFC3339, Tolerance: 5 * time.Minute},
		},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name:    "protocol",
		Docs:    "https://protocol.tailwindui.com/webhooks",
		Scheme:  hexMAC("x-protocol-signature"),
		Type:    JSON("type"),
		ID:      JSON("id"),
		Success: success202, Refusal: refusal401,
	},
	{
		Name:    "standard-webhooks",
		Docs:    "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Scheme:  standardWebhooks(WhsecKey),
		Type:    JSON("type"),
		ID:      Header("webhook-id"),
		Success: success202, Refusal: refusal401,
	},
}

// Lookup returns the sender of that name.
func Lookup(name string) (Sender, bool) {
	i := slices.IndexFunc(table, func(s Sender) bool { return s.Name == name })
	if i < 0 {
		return Sender{}, false
	}
	return table[i], true
}

// Names lists, sorted, what [Build] takes: every sender of the table, and the configurable ones.
func Names() []string {
	names := []string{customHMAC, customToken}
	for _, s := range table {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}
