package ingest

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/ingest/provider"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
)

// TestTrialAnswersAsTheServer shows that a trial says what a server does: the answer to the byte, and what is stored.
func TestTrialAnswersAsTheServer(t *testing.T) {
	t.Parallel()
	const maxBody = 1 << 10
	body := `{"id":"7","type":"thing.happened"}`
	for name, test := range map[string]struct {
		source config.Source
		change func(r *http.Request)
		body   string
		reason string
	}{
		"event":        {source: plain("p"), body: body},
		"no id":        {source: plain("p"), body: `{"type":"a b"}`},
		"other secret": {source: config.Source{Name: "p", Provider: "polaris", Secrets: secrets("other")}, body: body, reason: "bad_signature"},
		"no header":    {source: plain("p"), change: func(r *http.Request) { r.Header.Del("X-Polaris-Signature") }, body: body, reason: "missing_header"},
		"method":       {source: plain("p"), change: func(r *http.Request) { r.Method = "PUT" }, body: body, reason: "method"},
		"too large":    {source: plain("p"), body: strings.Repeat(" ", maxBody+1), reason: "too_large"},
		"not gzip":     {source: zipped("p"), change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, body: body, reason: "bad_body"},
		"compressed": {source: plain("p"), body: zip(body), reason: "unsupported_encoding", change: func(r *http.Request) {
			r.Header.Set("Content-Encoding", "gzip")
			r.Header.Set("X-Polaris-Signature", signatureOf(body))
		}},
		"signed as it is compressed": {source: plain("p"), change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, body: zip(body)},
		"other encoding":             {source: plain("p"), change: func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, body: body, reason: "unsupported_encoding"},
		"key not to be had": {
			source: config.Source{Name: "p", Provider: "shipstation"}, body: body, reason: "key_unavailable",
			change: func(r *http.Request) {
				r.Header.Set("X-Shipengine-Rsa-Sha256-Key-Id", "k")
				r.Header.Set("X-Shipengine-Rsa-Sha256-Signature", "AAAA")
				r.Header.Set("X-Shipengine-Timestamp", time.Now().UTC().Format(time.RFC3339))
			},
		},
		"handshake": {
			source: config.Source{Name: "p", Provider: "dropbox", Secrets: secrets("key")},
			change: func(r *http.Request) { r.Method, r.URL.RawQuery = "GET", "challenge=a%26b" },
		},
		"refused handshake": {
			source: config.Source{Name: "p", Provider: "meta", Secrets: secrets("app:token")}, reason: "bad_signature",
			change: func(r *http.Request) {
				r.Method, r.URL.RawQuery = "GET", "hub.mode=subscribe&hub.verify_token=no&hub.challenge=1"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stored []*event.Event
			offline := &http.Client{Transport: http.NewFileTransport(http.Dir(t.TempDir()))}
			url := serve(t, Options{
				Sources: []config.Source{test.source}, MaxBody: maxBody, Web: offline,
				Publisher: publisherFunc(func(_ context.Context, e *event.Event) (groupcommit.Receipt, error) {
					stored = append(stored, e)
					return groupcommit.Receipt{}, nil
				}),
			})
			build := func() *http.Request {
				r := signed(t, url+"/webhooks/p", test.body)
				if test.change != nil {
					test.change(r)
				}
				return r
			}
			trial, err := NewTrial(test.source, provider.StaticKeys{}, maxBody)
			if err != nil {
				t.Fatal(err)
			}
			got := trial.Receive(build(), time.Now())
			resp, answered := do(t, build())
			compareAnswers(t, got.Outcome.Answer, resp, answered)
			if got.Reason != test.reason || (got.Err == nil) != (test.reason == "") {
				t.Errorf("reason %q of %v, want %q", got.Reason, got.Err, test.reason)
			}
			if len(got.Stored) != len(stored) {
				t.Fatalf("%d events, the server stored %d", len(got.Stored), len(stored))
			}
			for i, e := range stored {
				if g := got.Stored[i]; g.ID != e.ID || g.Type != e.Type || g.Subject != e.Subject || !bytes.Equal(g.Body, e.Body) {
					t.Errorf("got %+v, the server stored %+v", g, e)
				}
			}
		})
	}
}

func secrets(texts ...string) (list []config.Secret) {
	for _, s := range texts {
		list = append(list, config.NewSecret(s))
	}
	return list
}

func compareAnswers(t *testing.T, got provider.Answer, resp *http.Response, body string) {
	t.Helper()
	if got.Status != resp.StatusCode || got.Body != body {
		t.Errorf("answer %d %q, the server's is %d %q", got.Status, got.Body, resp.StatusCode, body)
	}
	for name, value := range got.Header {
		if name == "Retry-After" {
			continue // drawn at random
		}
		if resp.Header.Get(name) != value {
			t.Errorf("%s is %q, the server's %q", name, value, resp.Header.Get(name))
		}
	}
	if body != "" && got.ContentType != resp.Header.Get("Content-Type") {
		t.Errorf("type %q, the server's %q", got.ContentType, resp.Header.Get("Content-Type"))
	}
}

// TestTrialWithoutUsableSecrets shows that a secret which a server refuses to start with is a verdict here.
func TestTrialWithoutUsableSecrets(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]string{"whsec_not*base64": "bad_secret", "": "no_secret"} {
		c := config.Source{Name: "p", Provider: "standard-webhooks"}
		if secret != "" {
			c.Secrets = secrets(secret)
		}
		trial, err := NewTrial(c, nil, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		v := trial.Receive(signed(t, "http://127.0.0.1", "{}"), time.Now())
		if v.Reason != want || v.Outcome.Answer.Status != http.StatusUnauthorized || strings.Contains(v.Err.Error(), "not*") {
			t.Errorf("%q: %q, %v, answer %d", secret, v.Reason, v.Err, v.Outcome.Answer.Status)
		}
	}
	if _, err := NewTrial(config.Source{Name: "p", Provider: "nobody"}, nil, 1<<10); err == nil || !strings.Contains(err.Error(), "JETHOOK_SOURCE_P_PROVIDER") {
		t.Errorf("an unknown sender: %v", err)
	}
}

// TestUnsignedSender: a request of a sender that signs nothing can be looked at without a secret, and no server starts so.
func TestUnsignedSender(t *testing.T) {
	t.Parallel()
	open := config.Source{Name: "p", Provider: "docker-hub"}
	if problems := Check([]config.Source{open}); len(problems) != 1 || problems[0].Variable != "JETHOOK_SOURCE_P_SECRET" {
		t.Errorf("a server without a secret: %v", problems)
	}
	closed := open
	closed.Secrets = secrets("s3cret")
	for _, test := range []struct {
		source        config.Source
		method, query string
		reason, event string
	}{
		{open, "POST", "", "", "push"},
		{open, "GET", "", "method", ""},
		{closed, "POST", "token=s3cret", "", "push"},
		{closed, "POST", "token=other", "bad_signature", ""},
		{closed, "POST", "", "missing_field", ""},
	} {
		trial, err := NewTrial(test.source, nil, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(test.method, "https://hooks.example.com/p?"+test.query, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if v := trial.Receive(r, time.Now()); v.Reason != test.reason || v.Type != test.event {
			t.Errorf("%s %q: reason %q, type %q", test.method, test.query, v.Reason, v.Type)
		}
	}
}
