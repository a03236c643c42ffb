package ingest

import (
	"net/http"
	"slices"
	"testing"

	"jethook/config"
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
