package provider

import (
	"strings"
	"testing"
)

// BenchmarkVerify is one request of each family, with 1 KB of body where the body is signed, and, as "event",
// reading its type and id.
func BenchmarkVerify(b *testing.B) {
	body := `{"type":"order.created","id":"evt_1","data":"` + strings.Repeat("x", 978) + `"}`
	for _, family := range [...]struct{ name, sender string }{
		{"hmac", "polaris"},
		{"hmac-standard", "standard-webhooks"},
		{"hmac-pairs", "stripe"},
		{"hmac-url", "square"},
		{"hmac-json", "mailgun"},
		{"token", "polytomic"},
		{"basic", "postmark"},
		{"ed25519", "discord-events"},
		{"ecdsa", "sendgrid"},
		{"rsa-keys", "shipstation"},
		{"rsa-certificate", "paypal"},
		{"sns", "aws-sns"},
		{"jwt-hs256", "netlify"},
		{"jwt-es256", "plaid"},
		{"jwt-rs256", "google-pubsub"},
		{"url-form", "twilio"},
		{"adyen", "adyen"},
		{"braintree", "braintree"},
		{"contentful", "contentful"},
		{"hook0", "hook0"},
		{"digest", "hubspot-v1"},
		{"segment", "segment"},
	} {
		b.Run(family.name, func(b *testing.B) {
			s := sampleFor(b, family.sender)
			if s.body == sampleBody {
				s.body = body
			}
			r, rc := s.bound(b)
			b.SetBytes(int64(len(r.Body)))
			b.ReportAllocs()
			for b.Loop() {
				fresh := *r // what is known of the body is found out anew for each request
				if err := rc.Verifier.Verify(&fresh, at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("event", func(b *testing.B) {
		row, _ := Lookup("polaris")
		bytes := []byte(body)
		b.ReportAllocs()
		for b.Loop() {
			if _, id := row.Event(&Request{Body: bytes}); id != "evt_1" {
				b.Fatal(id)
			}
		}
	})
}
