package dashboard_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"jethook/publish/quarantine"
)

// hostile is what somebody outside may send, to run in an operator's browser or to deceive.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)> {{.}} ` + "\u202egpj.exe \x1b[31m \x07 \u2066"

// deceives is what must not reach a page: markup of theirs, controls, and what turns text around.
var deceives = regexp.MustCompile("<script>|<img src=x|[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

// Whatever senders and receivers put anywhere shows as text on every page.
func TestHostileContentIsText(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, hostile+"\xff\xfe")
	})
	id := r.endpoint(`"><script>alert(1)</script>`, "/hook", "events.>", "webhooks.>")
	r.publish("order.created", "evt_1", []byte(`{"a":"`+strings.ReplaceAll(hostile, `"`, `\"`)+`"}`))
	r.publish("order.text", "evt_2", []byte(hostile))
	r.publish("order.bytes", "evt_3", append([]byte(hostile), 0xff, 0xfe, 0))
	r.publish("order.large", "evt_4", bytes.Repeat([]byte("<script>alert(1)</script>\u202e"), 38_000)) // about 1 MB
	r.publish(`a<script>alert(1)</script>`, "evt_<img src=x onerror=alert(1)>", []byte(`{}`))
	for _, reason := range []string{"bad_signature", `"><script>alert(1)</script>`} {
		done := make(chan error, 1)
		r.bus.Rejected().Reject(&quarantine.Request{
			Source: "shop", Reason: reason, Received: time.Now(), Method: "POST", Query: "a=" + hostile, Remote: "192.0.2.1",
			Header: http.Header{"X-Hostile": {hostile}, "Authorization": {"Bearer rejected-secret"}}, Size: len(hostile), Body: []byte(hostile),
		}, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	b := r.signedIn(adminToken)
	page := b.until("/deliveries", func(page string) bool { return strings.Count(page, "418") >= 5 })
	paths := []string{"/", "/sources", "/deliveries", "/deliveries?" + url.Values{"type": {hostile}, "event": {hostile}, "since": {hostile}}.Encode(), "/" + url.PathEscape(hostile)}
	for _, row := range rowsOf(page) {
		paths = append(paths, "/deliveries/"+row, "/deliveries/"+row+"?attempt="+url.QueryEscape(hostile))
	}
	paths = append(paths, "/endpoints/"+id, "/endpoints/"+id+"/edit", "/endpoints/"+id+"/test", "/endpoints/"+id+"/recover")
	for i := range 4 {
		event := fmt.Sprintf("/events/evt_%d", i+1)
		paths = append(paths, event, event+"/text", event+"/text?as=raw")
	}
	paths = append(paths, hostilePaths...)
	paths = append(paths, "/sources/"+url.PathEscape(hostile))
	for _, m := range rejectedLink.FindAllStringSubmatch(b.page("/sources/shop"), -1) {
		paths = append(paths, m[1])
	}
	if n := len(rejectedLink.FindAllString(b.page("/sources/shop"), -1)); n != 2 {
		t.Errorf("%d rejected requests are listed", n)
	}
	paths = append(paths, "/sources/shop/sample", "/jobs", "/audit?actor="+url.QueryEscape(hostile))
	visits(t, append(paths, "/events/evt_1/body")) // which is a file
	// Pages that come of a form.
	forms := []shown{
		b.send("/endpoints/"+id, "/endpoints/"+id+"/disable", nil), b.send("/endpoints/"+id, "/endpoints/"+id+"/remove", nil),
		b.send("/endpoints/"+id, "/endpoints/"+id+"/secret", nil), b.send("/endpoints/"+id, "/endpoints/"+id+"/test", nil),
		b.send("/endpoints/new", "/endpoints/new", url.Values{"name": {hostile}, "url": {hostile}, "events": {hostile}, "headers": {hostile}, "ca": {hostile}, "signature.header": {hostile}, "signature.scheme": {"hmac"}}),
		b.send("/send", "/send", url.Values{"type": {hostile}, "data": {"</textarea><script>alert(1)</script>"}, "id": {hostile}}), b.send("/send", "/send/check", url.Values{"type": {"a.b"}, "data": {hostile}}),
	}
	for i, got := range forms {
		if found := deceives.FindString(got.body); found != "" {
			at := strings.Index(got.body, found)
			t.Errorf("form %d (%d) holds %q: %q", i, got.status, found, got.body[max(0, at-80):min(len(got.body), at+80)])
		}
	}
	for _, path := range paths {
		got := b.get(path)
		if found := deceives.FindString(got.body); found != "" {
			at := strings.Index(got.body, found)
			t.Errorf("%.60s (%d) holds %q: %q", path, got.status, found, got.body[max(0, at-80):min(len(got.body), at+80)])
		}
		if got.status >= 500 {
			t.Errorf("%.60s: %d", path, got.status)
		}
	}
	if got := b.get("/deliveries?endpoint=" + id); !strings.Contains(got.body, "&lt;script&gt;") {
		t.Error("the endpoint's name is not shown as text")
	}
	b.send("/", "/deliveries/retry", url.Values{"what": {"selected"}}) // a flash comes and goes
	if found := deceives.FindString(b.page("/")); found != "" {
		t.Errorf("a flash holds %q", found)
	}
}

var rejectedLink = regexp.MustCompile(`href="(/sources/shop/rejected/\d+)"`)

// hostilePaths are further pages that show what came from outside; the files of pages add theirs.
var hostilePaths = []string{
	"/endpoints", "/endpoints/new", "/events", "/dead", "/audit", "/send", "/send?type=" + url.QueryEscape(hostile), "/endpoints/new?event=" + url.QueryEscape(hostile),
	"/endpoints?q=" + url.QueryEscape(hostile), "/events?subject=" + url.QueryEscape(hostile), "/dead?reason=" + url.QueryEscape(hostile),
}

// A body of any sender is handed out as a file that no browser shows as a page.
func TestBodiesAreFiles(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.publish("order.created", "evt_1", []byte("<script>alert(1)</script>"))
	got := r.signedIn(adminToken).get("/events/evt_1/body")
	if got.status != http.StatusOK || got.body != "<script>alert(1)</script>" || got.header.Get("Content-Type") != "application/octet-stream" ||
		!strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %v", got.status, got.header)
	}
}

// No secret that Jethook holds is on any page, in any address, in a cookie or in the log.
func TestNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	id := r.endpoint("billing", "/hook?key=url-secret", "events.>")
	ep, _ := r.registry.Lookup(id)
	r.publish("order.created", "evt_1", []byte(`{}`))
	b := r.signedIn(adminToken)
	row := rowsOf(b.until("/deliveries", func(page string) bool { return strings.Contains(page, "waiting 503") }))[0]
	secrets := []string{adminToken, readToken, "url-secret", "c291cmNlLXNlY3JldC1vZi10aGUtdGVzdHM"}
	for _, s := range ep.Secrets {
		secrets = append(secrets, strings.TrimPrefix(s.Value.Reveal(), "whsec_"))
	}
	r.reject("bad_signature", "wrong")
	ep2 := "/endpoints/" + id
	real := append([]string{
		"/sources/asana", "/deliveries/" + row, "/events/evt_1", "/events/evt_1/text", ep2, ep2 + "/edit", ep2 + "/test", ep2 + "/recover",
		rejectedLink.FindStringSubmatch(b.page("/sources/shop"))[1],
	}, everyPath...)
	secrets = append(secrets, "rejected-secret")
	for _, token := range []string{adminToken, readToken} {
		b := r.signedIn(token)
		for _, path := range real {
			got := b.get(path)
			for _, secret := range secrets {
				if strings.Contains(got.body, secret) || strings.Contains(got.header.Get("Location"), secret) {
					t.Errorf("%s shows %s", path, secret)
				}
			}
		}
		for _, secret := range secrets {
			if strings.Contains(b.cookies["jethook_session"].Value, secret) {
				t.Errorf("the cookie holds %s", secret)
			}
		}
	}
	for _, secret := range secrets {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// weight is how many bytes a browser gets.
func (b *browser) weight(path string, header http.Header) int {
	b.t.Helper()
	h := http.Header{"Accept-Encoding": {"gzip"}}
	for name, values := range header {
		h[name] = values
	}
	got := b.do("GET", path, nil, h)
	if got.status != http.StatusOK {
		b.t.Fatalf("%s: %d", path, got.status)
	}
	if got.header.Get("Content-Encoding") == "gzip" { // and it is whole
		z, err := gzip.NewReader(strings.NewReader(got.body))
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil {
			b.t.Fatalf("%s: %v", path, err)
		}
	}
	return len(got.body)
}

// A page weighs at most 150 kB with all that it loads, and 30 kB when it is loaded again or asked for again by itself, also with
// bodies and answers that can't be compressed. The page of a body alone weighs what the body does.
func TestPagesAreSmall(t *testing.T) {
	t.Parallel()
	r := start(t)
	noise := largeJSON()
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(noise[500_000:600_000])
	})
	for range 120 {
		r.endpoint("an endpoint with a name of some length", "/hook", "events.many.>")
	}
	for range 8 { // each is left alone after some failures
		r.endpoint("billing of a shop", "/hook", "events.order.>")
	}
	for range 8 {
		r.publish("order.created.in.some.shop", "", []byte(`{}`))
	}
	single := r.endpoint("large", "/hook", "events.noise")
	r.publish("noise", "evt_large", noise)
	for i := range 60 {
		r.reject("bad_signature", string(noise[i*1000:(i+20)*1000]))
	}
	b := r.signedIn(adminToken)
	b.until("/deliveries", func(page string) bool { return strings.Count(page, "waiting 503") == 50 })
	large := rowsOf(b.until("/deliveries?endpoint="+single, func(page string) bool { return strings.Contains(page, "waiting 503") }))[0]
	b.until("/endpoints", func(page string) bool { return strings.Count(page, `class="spark"`) == 9 })
	ep := "/endpoints/" + single
	paths := []string{
		"/", "/audit", "/endpoints", "/endpoints?sort=success", "/endpoints/new", ep, ep + "/edit", ep + "/test", ep + "/recover", "/events", "/events/evt_large", "/dead", "/send",
		"/sources", "/sources/shop", "/sources/shop/sample", rejectedLink.FindStringSubmatch(b.page("/sources/shop"))[1], "/deliveries", "/deliveries/" + large, "/jobs",
	}
	visits(t, append(paths, "/events/evt_large/body", "/events/evt_large/text"))
	for _, path := range paths {
		again := b.weight(path, nil)
		first := again
		for _, m := range addresses.FindAllStringSubmatch(b.page(path), -1) {
			if strings.Contains(m[2], "/assets/") && !strings.Contains(m[2], "licenses") {
				first += b.weight(unescape.Replace(m[2]), nil)
			}
		}
		live := b.weight(path, http.Header{"Hx-Request": {"true"}, "Hx-Target": {"main"}})
		t.Logf("%s: %d at first, %d again, %d live", path, first, again, live)
		if strings.HasPrefix(path, "/endpoints?") || path == "/endpoints" {
			again, live = again+10_000, live+10_000 // a hundred charts with something in each of their hours
		}
		if first > 150_000 || again > 30_000 || live > 30_000 {
			t.Errorf("%s weighs %d at first, %d again, %d live", path, first, again, live)
		}
	}
}

// A live page gets its main alone.
func TestLivePartsAreParts(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	for _, path := range []string{"/", "/sources", "/deliveries", "/endpoints", "/events", "/dead", "/audit"} {
		got := b.do("GET", path, nil, http.Header{"Hx-Request": {"true"}, "Hx-Target": {"main"}})
		if !strings.HasPrefix(strings.TrimSpace(got.body), `<main id="main"`) || strings.Contains(got.body, "<html") {
			t.Errorf("%s: %.200s", path, got.body)
		}
	}
}
