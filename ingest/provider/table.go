package provider

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Answers that many senders share.
var (
	success200 = Answer{Status: http.StatusOK}
	success202 = Answer{Status: http.StatusAccepted}
	success204 = Answer{Status: http.StatusNoContent}
	refusal401 = Answer{Status: http.StatusUnauthorized}
	refusal403 = Answer{Status: http.StatusForbidden}
)

// What operators set as the secret of many senders.
const (
	sharedSecret  = "the webhook's secret"
	signingSecret = "the webhook's signing secret"
	clientSecret  = "the app's client secret"
	ownToken      = "a token of your own, as set at the sender"
	ownLogin      = "user:password, as set at the sender"
	publicSecret  = "the sender's public key"
)

// What some senders' secrets look like, all of each and without a comma.
var (
	hexSecret      = regexp.MustCompile(`^[0-9a-f]{32}$`)
	polarSecret    = regexp.MustCompile(`^(polar_whs_|whsec_)[A-Za-z0-9+/_-]{32,}={0,2}$`)
	stripeSecret   = regexp.MustCompile(`^whsec_[A-Za-z0-9]{32,}$`)
	topicARN       = regexp.MustCompile(`^arn:[a-z-]+:sns:[^,\s]+$`)
	serviceAccount = regexp.MustCompile(`^[^,\s@]+@[^,\s@]+$`)
	paypalID       = regexp.MustCompile(`^[A-Z0-9]{17}$`)
)

const (
	minute5 = 5 * time.Minute
	day     = 24 * time.Hour
)

// The families of schemes that rows share. What the header is called, and what little differs, stands in the row.

// hexMAC is HMAC-SHA256 of the body, in hex.
func hexMAC(header string) HMAC {
	return HMAC{Signature: Signature{From: []Value{Header(header)}}}
}

// prefixedMAC is hexMAC after a prefix.
func prefixedMAC(header, prefix string) HMAC {
	return HMAC{Signature: Signature{From: []Value{Header(header)}, Format: Prefixed(prefix)}}
}

// base64MAC is HMAC-SHA256 of the body, in base64. The signature may stand in any of the headers.
func base64MAC(headers ...string) HMAC {
	s := HMAC{Signature: Signature{Encoding: Base64}}
	for _, header := range headers {
		s.From = append(s.From, Header(header))
	}
	return s
}

// pairsMAC is HMAC-SHA256, in hex, of time and body with something between. Both stand in one header as pairs.
func pairsMAC(header string, format Format, between string, unit Unit, tolerance time.Duration) HMAC {
	return HMAC{Signature: Signature{
		From: []Value{Header(header)}, Format: format,
		Content:   []Value{Stamp(), Const(between), Body()},
		Timestamp: Timestamp{Unit: unit, Tolerance: tolerance},
	}}
}

// standardWebhooks is https://www.standardwebhooks.com.
func standardWebhooks(key KeyEncoding) HMAC {
	return HMAC{Key: key, Signature: standardSignature("v1", Header("webhook-id"), Header("webhook-timestamp"), Header("webhook-signature"))}
}

// svix is Standard Webhooks in headers of https://docs.svix.com, or of their own.
func svix() HMAC {
	return HMAC{Key: WhsecKey, Signature: standardSignature("v1",
		svixID, Header("svix-timestamp", "webhook-timestamp"), Header("svix-signature"), Header("webhook-signature"))}
}

var (
	standardID = Header("webhook-id")
	svixID     = Header("svix-id", "webhook-id")
)

func standardSignature(version string, id, timestamp Value, from ...Value) Signature {
	return Signature{
		From: from, Format: Versioned(version), Encoding: Base64,
		Content:   []Value{id, Const("."), timestamp, Const("."), Body()},
		Timestamp: Timestamp{From: timestamp, Unit: Seconds, Tolerance: minute5},
	}
}

// bearer is a token in the Authorization header.
func bearer() Token { return Token{From: Header(authorization), Prefix: "Bearer "} }

// table is every sender that needs no more than its name and its secret, sorted by name. It is never written to.
var table = sorted(standardRows, hexRows, base64Rows, timedRows, addressRows, publicRows, tokenRows,
	paymentRows, developerRows, businessRows)

func sorted(groups ...[]Sender) []Sender {
	rows := slices.Concat(groups...)
	slices.SortFunc(rows, func(a, b Sender) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// Lookup returns the sender of that name.
func Lookup(name string) (Sender, bool) {
	i, found := slices.BinarySearchFunc(table, name, func(s Sender, name string) int { return strings.Compare(s.Name, name) })
	if !found {
		return Sender{}, false
	}
	return table[i], true
}

// All returns every sender of the table, sorted by name.
func All() []Sender { return slices.Clone(table) }

// Names lists, sorted, what [Build] takes: every sender of the table, and the configurable ones.
func Names() []string {
	names := []string{customHMAC, customToken}
	for _, s := range table {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}
