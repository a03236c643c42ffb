package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/publish/quarantine"
)

// reject keeps a request of the source shop that did not verify; one with the body right verifies from then on.
func (r *rig) reject(reason, body string) {
	r.t.Helper()
	done := make(chan error, 1)
	r.bus.Rejected().Reject(&quarantine.Request{
		Source: "shop", Reason: reason, Received: time.Now(), Method: "POST", Remote: "192.0.2.1",
		Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer rejected-secret"}}, Size: len(body), Body: []byte(body),
	}, func(err error) { done <- err })
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.PublicURL = "https://hooks.example.com/" })
	b := r.signedIn(adminToken)
	page := b.page("/sources")
	for _, want := range []string{"https://hooks.example.com/webhooks/shop", "https://hooks.example.com/webhooks/asana", "never"} {
		if !strings.Contains(page, want) {
			t.Errorf("the list does not show %q", want)
		}
	}
	if got := b.get("/sources/nobody"); got.status != http.StatusNotFound {
		t.Errorf("no such source: %d", got.status)
	}
	r.reject("bad_signature", `{"n":1}`)
	page = b.page("/sources/shop")
	for _, want := range []string{"the signature does not match the secret", "192.0.2.1", "HMAC", "Nothing received yet", "Verify all"} {
		if !strings.Contains(page, want) {
			t.Errorf("the source does not show %q", want)
		}
	}
	if page := b.page("/sources/shop?reason=too_old"); !strings.Contains(page, "No refused request matches") {
		t.Error("the filter does not filter")
	}
	if got := b.get("/sources/shop?since=x"); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "aria-invalid") {
		t.Errorf("a wrong filter: %d", got.status)
	}
	if page := r.signedIn(readToken).page("/sources/shop"); strings.Contains(page, "Verify all") {
		t.Error("a login that only reads is offered changes")
	}
}

// That a body was not kept is told apart from an empty one.
func TestRefusedWithoutBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, one := range []quarantine.Request{{Reason: "missing_header", Size: 2048, NoBody: true}, {Reason: "missing_header"}} {
		one.Source, one.Received, one.Method = "shop", time.Now(), "POST"
		done := make(chan error, 1)
		r.bus.Rejected().Reject(&one, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	b := r.signedIn(readToken)
	links := rejectedLink.FindAllStringSubmatch(b.page("/sources/shop"), -1)
	holds(t, b.page(links[0][1]), "Empty.")
	holds(t, b.page(links[1][1]), "Its 2.0 KiB were not kept")
}

// A refused request shows why, is verified again when its secret is mended, and removed when it is asked for.
func TestMendARefusedRequest(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, body := range []string{"right 1", "wrong", "right 2", "right 3"} {
		r.reject("bad_signature", body)
	}
	b := r.signedIn(adminToken)
	links := rejectedLink.FindAllStringSubmatch(b.page("/sources/shop"), -1)
	if len(links) != 4 {
		t.Fatalf("%d refused requests", len(links))
	}
	newest, wrong := links[0][1], links[2][1]
	page := b.page(wrong)
	for _, want := range []string{"wrong", "Explained", "a hint", "the signed bytes", "&lt;secret&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the request does not show %q", want)
		}
	}
	if strings.Contains(page, "rejected-secret") {
		t.Error("it shows a credential")
	}
	if got := b.send(newest, newest+"/retry", nil); got.status != http.StatusSeeOther || got.header.Get("Location") != "/sources/shop" {
		t.Errorf("one that verifies: %d to %s", got.status, got.header.Get("Location"))
	}
	if got := b.send(wrong, wrong+"/retry", nil); got.status != http.StatusSeeOther || got.header.Get("Location") != wrong {
		t.Errorf("one that does not: %d to %s", got.status, got.header.Get("Location"))
	}
	if page := b.page(wrong); !strings.Contains(page, "Still refused: the signature does not match the secret.") {
		t.Error("it is not said why it is still refused")
	}
	if got := b.confirmed(b.send("/sources/shop", "/sources/shop/retry", url.Values{"what": {"filter"}, "filter": {"reason=bad_signature"}})); got.status != http.StatusSeeOther {
		t.Fatalf("all again: %d %s", got.status, got.body)
	}
	b.until("/sources/shop", func(page string) bool {
		return strings.Contains(page, "2 done, 1 still refused. Finished.") && len(rejectedLink.FindAllString(page, -1)) == 1
	})
	if got := b.confirmed(b.send(wrong, wrong+"/remove", nil)); got.status != http.StatusSeeOther {
		t.Errorf("remove: %d", got.status)
	}
	if got := b.get(wrong); got.status != http.StatusNotFound {
		t.Errorf("it is still there: %d", got.status)
	}
}

// A sender that hands its secret over gets an address, which is shown once and is not in any log.
func TestPairing(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.PublicURL = "https://hooks.example.com" })
	b := r.signedIn(adminToken)
	if page := b.page("/sources/asana"); !strings.Contains(page, "None yet") {
		t.Error("it is not said that there is no secret")
	}
	got := b.send("/sources/asana", "/sources/asana/pair", nil)
	_, nonce, found := strings.Cut(got.body, "https://hooks.example.com/webhooks/asana?pair=")
	if !found || len(nonce) < 26 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if strings.Contains(r.log.String(), nonce[:26]) {
		t.Error("the log holds the nonce")
	}
	if page := b.page("/sources/asana"); !strings.Contains(page, "Expected: create the webhook") || strings.Contains(page, nonce[:26]) {
		t.Error("the pairing is not shown as open, or its address is")
	}
	if got := b.send("/sources/shop", "/sources/shop/pair", nil); got.status != http.StatusConflict {
		t.Errorf("a sender that hands nothing over: %d", got.status)
	}
}
