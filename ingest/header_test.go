package ingest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"jethook/config"
	"jethook/ingest/provider"
	"jethook/publish/event"
)

// TestStoredHeaders sends what a sender might send to steer the store, to leave secrets in it, or to pass for
// Jethook.
func TestStoredHeaders(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	url := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{plain("plain")}}) + "/webhooks/plain"
	if resp, _ := do(t, signed(t, url, `{"type":"a","id":"first"}`)); resp.StatusCode != 202 {
		t.Fatal(resp.Status)
	}

	r := signed(t, url, `{"type":"a","id":"second"}`)
	attack := map[string]string{
		"Nats-Rollup": "all", "Nats-Msg-Id": "plain:first", "Nats-Expected-Last-Sequence": "0", "Nats-TTL": "1s", "nats-batch-id": "x",
		"Jethook-Id": "forged", "jethook-type": "forged", "Jethook-Source": "forged",
	}
	secrets := map[string]string{
		"Authorization": "Bearer x", "Proxy-Authorization": "Basic x", "Cookie": "a=b", "Set-Cookie": "a=b",
		"X-Api-Key": "x", "X-Auth-Token": "x", "Cf-Access-Jwt-Assertion": "x", "X-Gitlab-Token": "x", "Private-Token": "x",
		"X-Vault-Token": "x", "X-Shopify-Access-Token": "x", "X-Authorization": "x", "X-Csrf-Token": "x", "X_Api_Secret": "x",
	}
	connection := map[string]string{
		"Connection": "x-hop, Keep-Alive", "X-Hop": "x", "Keep-Alive": "timeout=5", "TE": "trailers", "Proxy-Connection": "x", "Expect": "nothing", "Upgrade": "x",
	}
	for _, set := range []map[string]string{attack, secrets, connection} {
		for name, value := range set {
			r.Header.Set(name, value)
		}
	}
	delete(r.Header, "Expect") // net/http answers an unknown one itself
	r.Header["X-Lines"] = []string{"one", "two"}
	r.Header["X-Latin"] = []string{"caf\xe9: ü"}
	r.Header["x!#$%&'*+-.^_`|~odd"] = []string{"kept"}
	if resp, body := do(t, r); resp.StatusCode != 202 {
		t.Fatal(resp.Status, body)
	}

	if got := rig.stored(t); got != 2 {
		t.Errorf("%d events in the store, want 2", got)
	}
	h := http.Header(rig.last(t).Header)
	for name, want := range map[string]string{"Nats-Msg-Id": "plain:second", "Jethook-Id": "second", "Jethook-Type": "a", "Jethook-Source": "plain"} {
		if got := h[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, set := range []map[string]string{attack, secrets, connection} {
		for name, sent := range set {
			if slices.Contains(h[http.CanonicalHeaderKey(name)], sent) || slices.Contains(h[name], sent) {
				t.Errorf("%s: %q is stored", name, sent)
			}
		}
	}
	for name, want := range map[string][]string{
		"X-Lines": {"one", "two"}, "X-Latin": {"caf%C3%A9: %C3%BC"}, "User-Agent": {"Go-http-client/1.1"},
		http.CanonicalHeaderKey("x!#$%&'*+-.^_`|~odd"): {"kept"},
	} {
		if got := h[name]; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name := range h {
		if name == "Host" || name == "Content-Length" {
			t.Errorf("%s is stored", name)
		}
	}
}

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
		rules := newHeaderRules(&row)
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
	src, problems := newSource(plain("plain"), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
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
		kept, got := src.headers.stored(h)
		if !event.ValidTraceparent(got) || (got == sent) != test.keep || (kept.Get("Tracestate") != "") != test.keep {
			t.Errorf("%q: %q with tracestate %q", test.lines, got, kept.Get("Tracestate"))
		}
	}
}
