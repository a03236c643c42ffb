package dashboard_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config"
)

// holds fails unless a page shows all of these.
func holds(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(page, text) && !strings.Contains(unescape.Replace(page), text) {
			t.Errorf("the page does not show %q:\n%s", text, page)
		}
	}
}

// endpointPath is where the browser is sent after an endpoint was added.
func endpointPath(t *testing.T, got shown) string {
	t.Helper()
	path := got.header.Get("Location")
	if got.status != http.StatusSeeOther || !strings.HasPrefix(path, "/endpoints/ep_") {
		t.Fatalf("%d to %q: %s", got.status, path, got.body)
	}
	return path
}

// An endpoint is added from the subjects that were seen and a pattern of one's own, tested, changed, disabled, enabled and removed,
// by forms alone.
func TestEndpointsLife(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.publish("order.created", "evt_1", []byte(`{"n":1}`))
	r.publish("order.paid", "evt_2", []byte(`{"n":2}`))
	r.publish("user.added", "evt_3", []byte(`{"n":3}`))
	b := r.signedIn(adminToken)
	holds(t, b.page("/endpoints"), "There is no endpoint yet")
	holds(t, b.page("/endpoints/new"), "last 3 events", `value="events.order.&gt;"`, `value="events.user.added"`)

	form := url.Values{
		"name": {"billing"}, "url": {r.receiver.URL + "/hook?key=url-secret"}, "pick": {"events.order.>"}, "events": {"events.invoice.*\nwebhooks.shop.>"},
		"headers": {"X-Api-Key: header-secret"}, "timeout": {"3s"}, "retry_schedule": {"1m, 5m"}, "key": {"form-1"},
	}
	preview := b.send("/endpoints/new", "/endpoints/new", with(form, "do", "preview"))
	holds(t, preview.body, "Matches 2</b> of the last 3 events", "events.order.paid", "POST http", "Webhook-Signature", "&lt;secret&gt;", "events.invoice.*")
	path := endpointPath(t, b.send("/endpoints/new", "/endpoints/new", with(form, "do", "save")))
	if again := endpointPath(t, b.send("/endpoints/new", "/endpoints/new", with(form, "do", "save"))); again != path {
		t.Errorf("the form sent twice made two endpoints")
	}
	page := b.page(path)
	holds(t, page, "billing", "events.order.&gt;", "events.invoice.*", "again after 1m, 5m", "3s each", "X-Api-Key: ***", "It has not received anything yet")
	for _, secret := range []string{"url-secret", "header-secret"} {
		if strings.Contains(page+preview.body+b.page(path+"/edit"), "="+secret) && secret == "header-secret" || strings.Contains(page+b.page(path+"/edit"), secret) {
			t.Errorf("a page shows %s", secret)
		}
	}

	// What is masked in the form stays as it is.
	edit := url.Values{
		"name": {"billing 2"}, "url": {unescape.Replace(regexp.MustCompile(`name="url"[^>]* value="([^"]*)"`).FindStringSubmatch(b.page(path + "/edit"))[1])},
		"pick": {"events.order.>"}, "headers": {"X-Api-Key: ***\nX-Team: a"}, "scheme": {"standard"}, "do": {"save"},
	}
	if got := b.send(path+"/edit", path+"/edit", edit); got.status != http.StatusSeeOther {
		t.Fatalf("edit: %d %s", got.status, got.body)
	}
	ep, _ := r.registry.Lookup(strings.TrimPrefix(path, "/endpoints/"))
	if ep == nil || ep.URL != r.receiver.URL+"/hook?key=url-secret" || ep.Headers["X-Api-Key"] != "header-secret" || ep.Headers["X-Team"] != "a" ||
		len(ep.Events) != 1 || ep.RetrySchedule != nil || ep.Name != "billing 2" {
		t.Errorf("after the change: %+v", ep)
	}

	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	})
	holds(t, b.page(path+"/test"), "The request</h2>", "jethook.test")
	holds(t, b.send(path+"/test", path+"/test", url.Values{"type": {"order.created"}, "data": {`{"n":4}`}}).body, "Not accepted", "HTTP 418", "short and stout", "Webhook-Id")
	holds(t, b.send(path+"/test", path+"/test", url.Values{"data": {"{\n\"n\": }"}}).body, "Line 2, column 6")

	holds(t, b.confirmed(b.send(path, path+"/disable", nil)).header.Get("Location"), path)
	holds(t, b.page(path), "disabled on request", "everything that has passed it by")
	if got := b.send(path, path+"/enable", url.Values{"from": {"disabled"}}); got.status != http.StatusSeeOther {
		t.Errorf("enable: %d %s", got.status, got.body)
	}
	asked := b.send(path, path+"/remove", nil)
	holds(t, asked.body, "Type <b>billing 2</b> to continue")
	if got := b.send(path, path+"/remove", url.Values{"confirmed": {"yes"}, "typed": {"billing"}}); got.status != http.StatusOK || !strings.Contains(got.body, "does not match the text above") {
		t.Errorf("removed by another name: %d", got.status)
	}
	if got := b.send(path, path+"/remove", url.Values{"confirmed": {"yes"}, "typed": {"billing 2"}}); got.status != http.StatusSeeOther {
		t.Errorf("remove: %d %s", got.status, got.body)
	}
	if got := b.get(path); got.status != http.StatusNotFound {
		t.Errorf("the removed endpoint's page: %d", got.status)
	}
}

// with is a form with one more field.
func with(form url.Values, name, value string) url.Values {
	all := url.Values{name: {value}}
	for n, values := range form {
		all[n] = values
	}
	return all
}

// What is wrong with a form is told at its fields, and what was typed stays, but for the secret.
func TestWrongEndpointForm(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	got := b.send("/endpoints/new", "/endpoints/new", url.Values{
		"name": {"a name"}, "url": {"ftp://example.com"}, "events": {"order.*"}, "timeout": {"x"}, "rate_limit": {"x"}, "concurrency": {"x1"},
		"retry_schedule": {"x"}, "headers": {"nonsense"}, "own": {"yes"}, "secret": {"own-secret-of-mine"},
	})
	if got.status != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", got.status, got.body)
	}
	holds(t, got.body, "a name", "order.*", `id="concurrency-wrong"`, `id="headers-wrong"`)
	if strings.Contains(got.body, "own-secret-of-mine") {
		t.Error("the form shows the secret")
	}
	got = b.send("/endpoints/new", "/endpoints/new", url.Values{"name": {"a"}, "url": {"ftp://example.com"}, "events": {"order.*"}, "timeout": {"x"}, "rate_limit": {"x"}, "retry_schedule": {"x"}})
	holds(t, got.body, `id="url-wrong"`, `id="events-wrong"`, `id="timeout-wrong"`, `id="rate_limit-wrong"`, `id="retry_schedule-wrong"`)
}

// While the form is filled in, its draft tells the format and what matches.
func TestDraft(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.publish("order.created", "evt_1", []byte(`{"n":1}`))
	b := r.signedIn(adminToken)
	got := b.send("/endpoints/new", "/endpoints/draft", url.Values{"url": {"https://hooks.slack.com/services/T0/B0/x"}, "events": {"events.>"}})
	holds(t, got.body, "it gets slack messages", "Matches 1</b> of the last 1 event.")
	if strings.Contains(got.body, "<html") {
		t.Error("the draft is a whole page")
	}
	if got := b.send("/endpoints/new", "/endpoints/draft", url.Values{"url": {"https://discord.com/api/webhooks/1/x"}}); !strings.Contains(got.body, "discord messages") {
		t.Errorf("%s", got.body)
	}
}

// Secrets are shown to who may change things, on a page of their own, and that is logged.
func TestSecrets(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := r.endpoint("billing", "/hook", "events.>")
	b := r.signedIn(adminToken)
	path := "/endpoints/" + id
	before, _ := r.registry.Lookup(id)
	old := before.Secrets[0].Value.Reveal()
	holds(t, b.send(path, path+"/secret", nil).body, old)
	holds(t, r.log.String(), "secrets revealed")
	form := url.Values{"key": {"k1"}, "overlap": {"2h"}}
	rotated := b.send(path, path+"/rotate", form)
	holds(t, rotated.body, "The new secret", old, "Until")
	if again := b.send(path, path+"/rotate", form); strings.Count(again.body, "<pre") != 2 {
		t.Error("the form sent twice rotated twice")
	}
	read := r.signedIn(readToken)
	for _, p := range []string{path + "/edit", path + "/test", "/endpoints/new", "/send"} {
		if got := read.get(p); got.status != http.StatusForbidden {
			t.Errorf("%s to who only reads: %d", p, got.status)
		}
	}
	for _, p := range []string{path + "/secret", path + "/rotate", path + "/test", path + "/remove", "/endpoints/draft", "/send", "/dead", path + "/recover"} {
		if got := read.send("/", p, nil); got.status != http.StatusForbidden {
			t.Errorf("POST %s by who only reads: %d", p, got.status)
		}
	}
}

// What an endpoint missed is counted first, and then recovered.
func TestRecover(t *testing.T) {
	t.Parallel()
	r := start(t)
	var taken atomic.Int32
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	id := r.endpoint("billing", "/hook", "events.>")
	for i := range 3 {
		r.publish("order.created", fmt.Sprintf("evt_%d", i), []byte(`{}`))
	}
	b := r.signedIn(adminToken)
	path := "/endpoints/" + id + "/recover"
	b.until("/deliveries?status=waiting", func(page string) bool { return strings.Count(page, "waiting 503") == 3 })
	holds(t, b.send(path, path, url.Values{"since": {"1h"}, "do": {"count"}}).body, "3 deliveries would be redelivered")
	b.until("/endpoints/"+id, func(page string) bool { return strings.Contains(page, "The last 24 hours: 0 delivered, 3 failed") })
	holds(t, b.send(path, path, url.Values{"since": {"x"}, "do": {"count"}}).body, `id="since-wrong"`)
	r.answers(func(http.ResponseWriter, *http.Request) { taken.Add(1) })
	if got := b.send(path, path, url.Values{"since": {"1h"}, "do": {"start"}}); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.body)
	}
	b.until(path, func(page string) bool {
		return strings.Contains(page, "Recovery done") && strings.Contains(page, "3 waiting")
	})
	b.until("/deliveries?status=delivered", func(page string) bool { return len(rowsOf(page)) == 3 })
}

// The list is searched, filtered and sorted by its address.
func TestEndpointList(t *testing.T) {
	t.Parallel()
	r := start(t)
	for i := range 120 {
		r.endpoint(fmt.Sprintf("shop %03d", i), "/hook", "events.shop.>")
	}
	r.endpoint("alone", "/hook", "events.alone")
	b := r.signedIn(adminToken)
	page := b.until("/endpoints?sort=name", func(page string) bool { return strings.Contains(page, "121 endpoints") })
	if rows := rowsOf(page); len(rows) != 100 || !strings.Contains(page, "alone") || !strings.Contains(page, `aria-sort="ascending"`) {
		t.Errorf("%d rows", len(rows))
	}
	if rows := rowsOf(b.page("/endpoints?sort=name&from=100")); len(rows) != 21 {
		t.Errorf("%d rows of the second page", len(rows))
	}
	if rows := rowsOf(b.page("/endpoints?q=EVENTS.alone")); len(rows) != 1 {
		t.Errorf("%d rows of what was searched", len(rows))
	}
	holds(t, b.page("/endpoints?state=open"), "No endpoint matches this filter")
}

// An event is sent by hand, after it was told who gets it and where its JSON is wrong.
func TestSend(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := make(chan string, 10)
	r.answers(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		got <- string(body)
	})
	r.endpoint("billing", "/hook", "events.order.*")
	b := r.signedIn(adminToken)
	holds(t, b.send("/send", "/send/check", url.Values{"type": {"order.created"}, "data": {"{\n \"a\": tru\n}"}}).body, "billing", "Line 2, column 10", `<mark>`)
	holds(t, b.send("/send", "/send", url.Values{"type": {"user.added"}, "data": {"{}"}, "do": {"check"}}).body, "<b>None.</b>")
	holds(t, b.send("/send", "/send", url.Values{"type": {"a b"}, "data": {"{"}, "do": {"send"}}).body, `id="type-wrong"`, `id="data-wrong"`, "too early")
	form := url.Values{"type": {"order.created"}, "data": {"{\"amount\": 1.10}"}, "do": {"send"}, "key": {"k"}}
	sent := b.send("/send", "/send", form)
	if sent.status != http.StatusSeeOther {
		t.Fatalf("%d %s", sent.status, sent.body)
	}
	if again := b.send("/send", "/send", form); again.header.Get("Location") != sent.header.Get("Location") {
		t.Error("the form sent twice made two events")
	}
	next := func() string {
		select {
		case body := <-got:
			return body
		case <-time.After(20 * time.Second):
			return "nothing"
		}
	}
	if body := next(); body != `{"amount": 1.10}` {
		t.Errorf("delivered: %s", body)
	}
	page := b.until(sent.header.Get("Location"), func(page string) bool { return strings.Contains(page, "delivered 200") })
	holds(t, page, "billing", "1.10")
	holds(t, b.page("/events"), "order.created")
	holds(t, b.page("/events?subject=events.user.%3E"), "No event matches this filter")
	if got := b.get("/events?subject=x&since=y"); got.status != http.StatusUnprocessableEntity || strings.Count(got.body, "aria-invalid") != 2 {
		t.Errorf("wrong filter: %d", got.status)
	}
	place := rowsOf(b.page("/events"))[0]
	// It is under way until what came of it is acknowledged, a moment after it shows.
	for deadline := time.Now().Add(20 * time.Second); ; {
		again := b.confirmed(b.send("/events/"+place, "/events/"+place+"/resend", url.Values{"what": {"all"}}))
		page := b.page(again.header.Get("Location"))
		if strings.Contains(page, "It is sent to 1 endpoint.") {
			break
		}
		if !strings.Contains(page, "It was under way already to 1 endpoint.") || time.Now().After(deadline) {
			t.Fatalf("sent again: %d %s", again.status, page)
		}
	}
	if body := next(); body != `{"amount": 1.10}` {
		t.Errorf("delivered again: %s", body)
	}
}

// Dead letters are replayed and removed: some, and all that a filter chooses.
func TestDead(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.RetrySchedule = nil })
	r.answers(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/a" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	r.endpoint("first", "/a", "events.a.>")
	r.endpoint("second", "/b", "events.b.>")
	for i := range 4 {
		r.publish("a.x", fmt.Sprintf("evt_a%d", i), []byte(`{}`))
		r.publish("b.x", fmt.Sprintf("evt_b%d", i), []byte(`{}`))
	}
	b := r.signedIn(adminToken)
	b.until("/dead", func(page string) bool { return len(rowsOf(page)) == 8 })
	holds(t, b.page("/dead?since=1h"), "By endpoint and reason", "404", "503")
	ids := rowsOf(b.page("/dead?reason=404"))
	if len(ids) != 4 {
		t.Fatalf("%d chosen by their reason", len(ids))
	}
	r.answers(nil)
	b.confirmed(b.send("/dead", "/dead", url.Values{"what": {"replay selected"}, "id": ids[:1]}))
	b.until("/dead?reason=404", func(page string) bool { return len(rowsOf(page)) == 3 })
	asked := b.send("/dead", "/dead", url.Values{"what": {"remove filter"}, "filter": {"?reason=404"}})
	holds(t, asked.body, "Remove 3 dead letters?", "Reason holds: 404")
	b.confirmed(asked)
	b.until("/dead?reason=404", func(page string) bool { return len(rowsOf(page)) == 0 })
	b.confirmed(b.send("/dead", "/dead", url.Values{"what": {"replay filter"}}))
	b.until("/dead", func(page string) bool {
		return strings.Contains(page, "There are no dead letters") && strings.Contains(page, "Replaying 4 dead letters")
	})
	b.until("/deliveries?status=delivered", func(page string) bool { return len(rowsOf(page)) == 5 })
	if got := b.send("/", "/dead", url.Values{"what": {"remove filter"}, "filter": {"nonsense=1"}, "confirmed": {"yes"}}); got.status != http.StatusForbidden {
		t.Errorf("an unknown filter: %d", got.status)
	}
}

// testPair is a certificate with its key, in PEM.
func testPair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

var formField = regexp.MustCompile(`(?s)<(?:input|textarea)[^>]* name="([^"]+)"(?:[^>]* value="([^"]*)")?[^>]*>(?:([^<]*)</textarea>)?|<select name="([^"]+)"[^>]*>(.*?)</select>`)

// fields are what a form holds, as a browser sends it back.
func fields(page string) url.Values {
	form := url.Values{}
	for _, m := range formField.FindAllStringSubmatch(page, -1) {
		switch {
		case m[4] != "":
			chosen := regexp.MustCompile(`<option(?: value="([^"]*)")? selected>([^<]*)`).FindStringSubmatch(m[5])
			if chosen == nil {
				chosen = regexp.MustCompile(`<option(?: value="([^"]*)")?>([^<]*)`).FindStringSubmatch(m[5])
			}
			form.Set(m[4], chosen[1])
			if !strings.Contains(chosen[0], "value=") {
				form.Set(m[4], chosen[2])
			}
		case strings.Contains(m[0], `type="checkbox"`) && !strings.Contains(m[0], " checked"), strings.Contains(m[0], `type="radio"`) && !strings.Contains(m[0], " checked"):
		default:
			form.Add(m[1], html.UnescapeString(m[2]+m[3]))
		}
	}
	return form
}

// Signatures in all their parts, a second one, and certificates are set in the form; a form that is sent back as it came changes
// none of them, and the key is in no page.
func TestEndpointSignaturesAndCertificates(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	certificate, key := testPair(t)
	inKey := strings.Split(key, "\n")[1]
	form := url.Values{
		"name": {"billing"}, "url": {r.receiver.URL + "/hook"}, "events": {"events.>"}, "own": {"yes"}, "secret": {"a-secret-of-some-length"}, "secret_type": {"text"},
		"signature.scheme": {"like:github"}, "second_signature.scheme": {"hmac"}, "second_signature.header": {"X-Second"}, "second_signature.algorithm": {"sha512"},
		"second_signature.encoding": {"base64"}, "second_signature.signed": {"{timestamp}.{body}"}, "second_signature.template": {"t={timestamp},v1={signature}"},
		"ca": {certificate}, "client_certificate": {certificate}, "client_key": {key},
	}
	preview := b.send("/endpoints/new", "/endpoints/new", with(form, "do", "preview"))
	holds(t, preview.body, "X-Hub-Signature-256", "X-Second")
	wrong := maps.Clone(form)
	wrong.Set("url", "ftp://x")
	refused := b.send("/endpoints/new", "/endpoints/new", wrong)
	holds(t, refused.body, `id="url-wrong"`, "paste it again", "X-Second")
	path := endpointPath(t, b.send("/endpoints/new", "/endpoints/new", with(form, "do", "save")))
	id := strings.TrimPrefix(path, "/endpoints/")
	made, _ := r.registry.Lookup(id)
	if made.Signature.Header != "X-Hub-Signature-256" || made.Signature.Prefix != "sha256=" || made.Second == nil || made.Second.Algorithm != "sha512" ||
		made.Second.Encoding != "base64" || made.Second.Signed != "{timestamp}.{body}" || made.CA != certificate || made.ClientCertificate != certificate ||
		made.ClientKey.Reveal() != key {
		t.Fatalf("made: %+v", made)
	}
	page := b.page(path + "/edit")
	holds(t, page, "sha256=", "X-Second", "BEGIN CERTIFICATE", "leave empty to keep it")
	again := fields(page)
	again.Del("csrf")
	again.Set("name", "billing 2")
	again.Set("do", "save")
	if got := b.send(path+"/edit", path+"/edit", again); got.status != http.StatusSeeOther {
		t.Fatalf("sent back as it came: %d %s", got.status, got.body)
	}
	kept, _ := r.registry.Lookup(id)
	if kept.Name != "billing 2" || kept.Signature != made.Signature || *kept.Second != *made.Second || kept.CA != made.CA || kept.ClientKey.Reveal() != key {
		t.Errorf("a form that was sent back as it came made %+v of %+v", kept, made)
	}
	for name, shown := range map[string]string{"the form": page, "the preview": preview.body, "the refusal": refused.body, "its page": b.page(path), "the audit": b.page("/audit"), "the log": r.log.String()} {
		if strings.Contains(shown, inKey) {
			t.Errorf("%s shows the key", name)
		}
	}
	for name, value := range map[string]string{"second_signature.scheme": "", "client_certificate": "", "ca": "", "signature.scheme": "standard"} {
		again.Set(name, value)
	}
	again.Set("tag", fields(b.page(path+"/edit")).Get("tag"))
	if got := b.send(path+"/edit", path+"/edit", again); got.status != http.StatusSeeOther {
		t.Fatalf("taken away: %d %s", got.status, got.body)
	}
	if bare, _ := r.registry.Lookup(id); bare.Second != nil || bare.CA != "" || bare.ClientCertificate != "" || !bare.ClientKey.IsZero() || bare.Signature.Scheme != "standard" {
		t.Errorf("what was taken away is there: %+v", bare)
	}
	refused = b.send("/endpoints/new", "/endpoints/new", url.Values{
		"name": {"a"}, "url": {r.receiver.URL}, "events": {"events.>"}, "signature.scheme": {"hmac"}, "signature.header": {"a b"}, "second_signature.scheme": {"hmac"},
		"second_signature.template": {"nothing"}, "ca": {"no PEM"}, "client_key": {"no key"},
	})
	holds(t, refused.body, `id="signature-wrong"`, `id="second_signature-wrong"`, `id="ca-wrong"`, `id="client_key-wrong"`)
}

// An endpoint's row has the share of the last day that went well, and its chart; the list is sorted by it.
func TestEndpointListTellsOfTheDay(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	good, bad := r.endpoint("well", "/good", "events.order.>"), r.endpoint("ill", "/bad", "events.order.>")
	idle := r.endpoint("idle", "/good", "events.none")
	for i := range 3 {
		r.publish("order.created", fmt.Sprintf("evt_%d", i), []byte(`{}`))
	}
	b := r.signedIn(readToken)
	page := b.until("/endpoints?sort=success", func(page string) bool {
		return strings.Contains(page, `aria-label="The last 24 hours: 3 delivered, 0 failed"`) && strings.Contains(page, `aria-label="The last 24 hours: 0 delivered, 3 failed"`)
	})
	if rows := rowsOf(page); strings.Join(rows, " ") != "row-"+bad+" row-"+good+" row-"+idle {
		t.Errorf("sorted by success: %v, not %s, %s, %s", rows, bad, good, idle)
	}
	holds(t, page, "</svg>100 %", "</svg>0 %", "of the last 24 hours", `<path class="bad"`)
	if rows := rowsOf(b.page("/endpoints?sort=requests")); rows[2] != "row-"+idle {
		t.Errorf("sorted by requests: %v", rows)
	}
}
