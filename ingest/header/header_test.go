package header

import (
	"net/http"
	"strings"
	"testing"

	"jethook/ingest/provider"
	"jethook/publish/event"
)

// TestRowsHeaders: what a sender's row reads is kept although its name looks like a credential's, but for what lets
// somebody send requests.
func TestRowsHeaders(t *testing.T) {
	t.Parallel()
	for sender, test := range map[string]struct{ kept, dropped string }{
		"bitbucket":      {"X-Event-Key X-Hub-Signature", "Authorization X-Gitlab-Token"},
		"gitlab":         {"X-Gitlab-Event Idempotency-Key", "X-Gitlab-Token"},
		"shipstation":    {"X-Shipengine-Rsa-Sha256-Key-Id X-Shipengine-Rsa-Sha256-Signature", "X-Api-Key"},
		"twilio":         {"I-Twilio-Idempotency-Token X-Twilio-Signature", "Cookie"},
		"sanity":         {"Idempotency-Key Sanity-Webhook-Signature", "X-Session-Id"},
		"mailomat":       {"X-Mom-Webhook-Id X-Mom-Webhook-Timestamp", "X-Mom-Webhook-Signature"},
		"paypal":         {"Paypal-Transmission-Id Paypal-Auth-Algo", "Paypal-Transmission-Sig"},
		"segment":        {"User-Agent", "X-Signature"},
		"polytomic":      {"Polytomic-Signature-Timestamp", "Authorization"},
		"vonage":         {"User-Agent", "Authorization"},
		"google-pubsub":  {"User-Agent", "Authorization"},
		"asana":          {"X-Hook-Signature", "X-Hook-Secret"},
		"github":         {"X-Hub-Signature-256 X-Github-Event", "Cf-Access-Client-Secret"},
		"telegram":       {"User-Agent", "X-Telegram-Bot-Api-Secret-Token"},
		"cloudflare":     {"User-Agent", "Cf-Webhook-Auth"},
		"stripe":         {"Stripe-Signature", "Private-Token"},
		"discord-events": {"X-Signature-Ed25519 X-Signature-Timestamp", "X-Vault-Token"},
	} {
		row, found := provider.Lookup(sender)
		if !found {
			t.Fatalf("no sender %s", sender)
		}
		rules := NewRules(&row)
		for _, name := range strings.Fields(test.kept) {
			if !rules.stores(name) {
				t.Errorf("%s: %s is dropped", sender, name)
			}
		}
		for _, name := range strings.Fields(test.dropped) {
			if rules.stores(name) {
				t.Errorf("%s: %s is stored", sender, name)
			}
		}
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	row, _ := provider.Lookup("github")
	rules := NewRules(&row)
	const sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, test := range []struct {
		lines []string
		keep  bool
	}{
		{[]string{sent}, true},
		{nil, false},
		{[]string{sent, sent}, false},
		{[]string{"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"}, false},
		{[]string{"00-00000000000000000000000000000000-b7ad6b7169203331-01"}, false},
		{[]string{"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, false},
		{[]string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g"}, false},
		{[]string{"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, false},
		{[]string{sent + "-00"}, false},
		{[]string{""}, false},
	} {
		h := http.Header{"Tracestate": {"vendor=1"}}
		if test.lines != nil {
			h["Traceparent"] = test.lines
		}
		kept, got := rules.Stored(h)
		if !event.ValidTraceparent(got) || (got == sent) != test.keep || (kept.Get("Tracestate") != "") != test.keep {
			t.Errorf("%q: %q with tracestate %q", test.lines, got, kept.Get("Tracestate"))
		}
	}
}
