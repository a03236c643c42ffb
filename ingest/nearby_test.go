package ingest

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"jethook/config"
)

// TestPaths: a slash at the end is taken, and what is nearly a source's path is told so; no other name is.
func TestPaths(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
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
	if text := log.String(); strings.Count(text, "not spelt as the source is") != 2 { // once for each source
		t.Errorf("log: %s", text)
	}
}
