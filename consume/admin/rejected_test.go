package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/consume/admin/sources"
	"jethook/publish/failure"
	"jethook/publish/quarantine"
	"jethook/publish/query"
)

// verifyRight stands in for a process that receives: it verifies requests with the body "right".
func verifyRight(_ context.Context, r *quarantine.Request) (reason string, err error) {
	switch string(r.Body) {
	case "right":
		return "", nil
	case "down":
		return "", failure.ErrUnavailable
	default:
		return "too_old", nil
	}
}

// reject keeps a rejected request, and returns its id.
func (a *api) reject(r *quarantine.Request) string {
	a.t.Helper()
	kept := make(chan error, 1)
	a.bus.Rejected().Reject(r, func(err error) { kept <- err })
	if err := <-kept; err != nil {
		a.t.Fatal(err)
	}
	page, _, err := a.bus.Query().Reverse(a.t.Context(), query.Rejected(r.Source), 0, 1)
	if err != nil || len(page) == 0 {
		a.t.Fatalf("%d kept, %v", len(page), err)
	}
	return fmt.Sprint(page[0].Seq)
}

// refused is a request to shop with that body, whose Authorization and X-Shop are credentials.
func refused(body string) *quarantine.Request {
	return &quarantine.Request{
		Source: "shop", Reason: "bad_signature", Received: time.Now().UTC(), Method: "POST", Query: "token=hush-query&bare",
		Remote: "192.0.2.1", Size: len(body), Body: []byte(body),
		Header: http.Header{
			"Content-Type": {"text/plain"}, "Webhook-Signature": {"v1,abc"}, "Authorization": {"Bearer hush-token"}, "X-Shop": {"hush-own"},
		},
		Credentials: []string{"Authorization", "X-Shop"},
	}
}

const rejectedPath = "/api/v1/sources/shop/rejected"

func TestRejectedAreListedAndShown(t *testing.T) {
	t.Parallel()
	a := start(t)
	var ids []string
	for i := range 5 {
		ids = append(ids, a.reject(refused(fmt.Sprint("body ", i))))
	}
	old := refused("")
	old.Reason, old.NoBody, old.Size = "too_old", true, 1<<20
	lost := a.reject(old)
	other := refused("another's")
	other.Source = "quiet"
	others := a.reject(other)

	path, want := rejectedPath+"?limit=2", append([]string{lost}, ids[4], ids[3], ids[2], ids[1], ids[0])
	for len(want) > 0 {
		page := get[sources.RejectedPage](a, 200, "GET", path, "")
		for _, r := range page.Items {
			if r.ID != want[0] || r.Remote != "192.0.2.1" || r.Method != "POST" || r.Query != "token=***&***" || strings.Join(r.Names, " ") != "Authorization Content-Type Webhook-Signature X-Shop" {
				t.Errorf("listed %+v, want id %s", r, want[0])
			}
			if r.BodyKept != (r.ID != lost) {
				t.Errorf("body of %s kept: %t", r.ID, r.BodyKept)
			}
			want = want[1:]
		}
		if path = rejectedPath + "?limit=2&cursor=" + page.NextCursor; page.NextCursor == "" && len(want) > 0 {
			t.Fatalf("the list ends before %v", want)
		}
	}
	if page := get[sources.RejectedPage](a, 200, "GET", rejectedPath+"?reason=too_old&since=1h", ""); len(page.Items) != 1 || page.Items[0].Size != 1<<20 {
		t.Errorf("by reason: %+v", page)
	}
	for _, none := range []string{"?until=1h", "?reason=other"} {
		if page := get[sources.RejectedPage](a, 200, "GET", rejectedPath+none, ""); len(page.Items) != 0 {
			t.Errorf("%s: %+v", none, page)
		}
	}

	got := get[sources.RejectedDetail](a, 200, "GET", rejectedPath+"/"+ids[2], "")
	if got.Text != "body 2" || got.Reason != "bad_signature" || got.Headers["Webhook-Signature"][0] != "v1,abc" || got.Headers["X-Shop"][0] != "<secret>" {
		t.Errorf("shown %+v", got)
	}
	for _, path := range []string{rejectedPath, rejectedPath + "/" + ids[2]} {
		if body := a.do("GET", path, "").body; strings.Contains(body, "hush") {
			t.Errorf("%s shows a credential: %s", path, body)
		}
	}
	if got := a.do("GET", rejectedPath+"/"+others, ""); got.status != 404 {
		t.Errorf("another source's request: %d", got.status)
	}
	if got := a.do("DELETE", rejectedPath+"/"+ids[2], ""); got.status != 204 {
		t.Errorf("removed: %d %s", got.status, got.body)
	}
	if got := a.do("GET", rejectedPath+"/"+ids[2], ""); got.status != 404 {
		t.Errorf("after its removal: %d", got.status)
	}
}

func TestRetryOfRejected(t *testing.T) {
	t.Parallel()
	a := start(t)
	const path = "/api/v1/sources/shop/retry"
	retry := func(body string) string {
		t.Helper()
		got := get[sources.RetriedRejected](a, 200, "POST", path, body)
		return fmt.Sprintf("%d %v %s", got.Verified, got.Refused, got.NextCursor)
	}
	wrong := a.reject(refused("wrong"))
	for range 60 { // more than are read at once
		a.reject(refused("right"))
	}
	one, two := a.reject(refused("right")), a.reject(refused("right"))
	other := refused("right")
	other.Source = "quiet"
	others := a.reject(other)

	for _, step := range []struct{ body, want string }{
		{`{"ids":["` + one + `","` + one + `","` + wrong + `","` + others + `","9999"]}`, "1 map[too_old:1] "},
		{`{"until":"1h"}`, "0 map[] "},
		{`{"reason":"too_old"}`, "0 map[] "}, // that was for now; it came for another one
		{`{"since":"1h","reason":"bad_signature"}`, "61 map[too_old:1] "},
		{`{}`, "0 map[too_old:1] "},
		{`{"ids":["` + two + `"]}`, "0 map[] "},
	} {
		if got := retry(step.body); got != step.want {
			t.Errorf("%s: %s, want %s", step.body, got, step.want)
		}
	}
	a.reject(refused("down"))
	if got := a.do("POST", path, "{}"); got.status != 503 || got.code() != "unavailable" {
		t.Errorf("while nothing can be stored: %d %s", got.status, got.body)
	}
	if page := get[sources.RejectedPage](a, 200, "GET", rejectedPath, ""); len(page.Items) != 2 {
		t.Errorf("%d left, want those that did not verify", len(page.Items))
	}
}

func TestRetryNeedsAProcessThatReceives(t *testing.T) {
	t.Parallel()
	a := start(t)
	server := admin.New(admin.Options{
		Config: config.Default(), Bus: a.bus, Token: config.NewSecret(token), Log: slog.New(slog.DiscardHandler),
	})
	listener := httptest.NewServer(server.Handler())
	t.Cleanup(listener.Close)
	consumer := &api{t: t, url: listener.URL, bus: a.bus}
	if got := consumer.do("POST", "/api/v1/sources/shop/retry", "{}"); got.status != 409 || got.code() != "not_receiving" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestSecretsOfHandshakes(t *testing.T) {
	t.Parallel()
	a := start(t)
	const one = "/api/v1/sources/asana"
	state := func() string {
		t.Helper()
		for _, s := range get[sources.SourcePage](a, 200, "GET", "/api/v1/sources", "").Items {
			if s.Name == "asana" {
				return s.Handshake
			} else if s.Handshake != "" || s.Learns {
				t.Errorf("%s hands nothing over: %+v", s.Name, s)
			}
		}
		return "missing"
	}
	want := func(want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("handshake %s, want %s", got, want)
		}
	}
	secrets := func() (all []string) {
		t.Helper()
		for _, s := range get[sources.SourceSecrets](a, 200, "GET", one+"/secret", "").Items {
			if time.Since(s.At) > time.Minute {
				t.Errorf("handed over at %v", s.At)
			}
			all = append(all, s.Secret)
		}
		return all
	}
	if want("waiting"); len(secrets()) != 0 {
		t.Error("there are secrets before the handshake")
	}
	a.learn("first")
	want("done")
	for body, length := range map[string]time.Duration{"": 10 * time.Minute, `{"for":"1h"}`: time.Hour} {
		if got := get[sources.Paired](a, 200, "POST", one+"/pair", body); time.Until(got.Until) > length || time.Until(got.Until) < length-time.Minute {
			t.Errorf("%s: open until %v", body, got.Until)
		} else if nonce, found := strings.CutPrefix(got.Address, "/webhooks/asana?pair="); !found || len(nonce) < 26 {
			t.Errorf("%s: the address is %q", body, got.Address)
		}
		want("open")
	}
	a.learn("second")
	want("done")
	if got := secrets(); strings.Join(got, " ") != "second first" {
		t.Errorf("secrets %q", got)
	}
	for range 2 { // forgetting nothing is no error
		if got := a.do("DELETE", one+"/secret", ""); got.status != 204 {
			t.Errorf("forgetting: %d %s", got.status, got.body)
		}
	}
	if want("waiting"); len(secrets()) != 0 {
		t.Error("there are secrets that were forgotten")
	}
}
