package ingest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/ingest/streak"
)

// TestPaths: a slash at the end is taken, and what is nearly a source's path is told so; no other name is.
func TestPaths(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	url := serve(t, Options{
		Sources: []config.Source{plain("stripe"), plain("my-shop")}, Publisher: accepting, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, test := range []struct {
		path   string
		status int
		code   string
		near   string
	}{
		{"/webhooks/stripe", 202, "", ""},
		{"/webhooks/stripe/", 202, "", ""},
		{"/webhooks/stripe/?a=b", 202, "", ""},
		{"/webhooks/stripe//", 404, "no_such_source", "/webhooks/stripe"},
		{"//webhooks/stripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks//stripe", 404, "no_such_source", "/webhooks/stripe"},
		{"//webhooks//stripe//", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks/Stripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/Webhooks/stripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/WEBHOOKS/MY-SHOP/", 404, "no_such_source", "/webhooks/my-shop"},
		{"/webhooks/%73tripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks/my%2Dshop", 404, "no_such_source", "/webhooks/my-shop"},
		{"/webhooks/stripe%20", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks/stripe%0A", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks%2Fstripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks/%2573tripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks/./stripe", 404, "no_such_source", "/webhooks/stripe"},
		{"/webhooks/strip", 404, "no_such_source", ""},
		{"/webhooks/stripes", 404, "no_such_source", ""},
		{"/webhooks/my_shop", 404, "no_such_source", ""},
		{"/webhooks/stripe/more", 404, "no_such_source", ""},
		{"/webhooks/", 404, "not_found", ""},
		{"/stripe", 404, "not_found", ""},
		{"/", 404, "not_found", ""},
	} {
		// Written by hand, since net/http would not send all of it as it stands here.
		conn := announce(t, url, "127.0.0.1", test.path, "Content-Length: 0", "X-Polaris-Signature: "+signatureOf(""))
		resp, body := answerOn(t, conn)
		if test.status == http.StatusAccepted {
			if resp.StatusCode != test.status {
				t.Errorf("%s: %d %s", test.path, resp.StatusCode, body)
			}
			continue
		}
		if resp.StatusCode != test.status || test.code != "" && !strings.Contains(body, `"`+test.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", test.path, resp.StatusCode, body, test.status, test.code)
		}
		if near := fmt.Sprintf("did you mean %s?", test.near); strings.Contains(body, near) != (test.near != "") || test.near == "" && strings.Contains(body, "did you mean") {
			t.Errorf("%s: %s, near is %q", test.path, body, test.near)
		}
	}
	if text := log.String(); strings.Count(text, "the path is misspelled") != 2 { // once for each source
		t.Errorf("log: %s", text)
	}
}

// TestStraysAreCountedAndLogged: a sender with a wrong path or address is seen, however many requests it makes.
func TestStraysAreCountedAndLogged(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	now := &testClock{at: time.Now()}
	closed := plain("closed")
	closed.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s, err := New(Options{
		Sources: []config.Source{closed}, Publisher: accepting, MaxBody: 1 << 10,
		Log: slog.New(slog.NewTextHandler(&log, nil)), Now: now.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s)
	for range 3 {
		do(t, request(t, url+"/webhooks/nobody", `{}`, nil))
		do(t, request(t, url+"/webhooks/closed", `{}`, nil))
		now.advance(streak.StrayPause / 2)
	}
	if n := s.UnknownSource(); n != 3 {
		t.Errorf("%d requests for an unknown source", n)
	}
	if n := s.Report()[0].Refused["address_not_allowed"]; n != 3 {
		t.Errorf("%d requests from an address that may not send", n)
	}
	text := log.String()
	if strings.Count(text, "no such source in JETHOOK_SOURCES") != 1 || !strings.Contains(text, "source=nobody requests=1 path=/webhooks/nobody") {
		t.Errorf("log: %s", text)
	}
	if strings.Count(text, "the address is not in the source's ALLOWED_IPS") != 1 {
		t.Errorf("log: %s", text)
	}
	now.advance(2 * streak.StrayPause)
	do(t, request(t, url+"/webhooks/nobody", `{}`, nil))
	if text = log.String(); !strings.Contains(text, "requests=4") {
		t.Errorf("log: %s", text)
	}
}
