package attempt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url + "/hook?k=v")
	e.Headers = map[string]string{"X-Team": "päyments", "Cookie": "a=b"}
	r := requestTo(e)
	r.Attempt, r.Traceparent = 3, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r.Body = []byte("{\"a\": \"\x00\xff\"}\r\n")

	res := local(t).Do(t.Context(), r)
	expect(t, res, Delivered, ClassOK)
	req := <-got
	if req.method != http.MethodPost || string(req.body) != string(r.Body) || req.length != int64(len(r.Body)) {
		t.Errorf("%s of %d bytes: %q", req.method, req.length, req.body)
	}
	timestamp := strconv.FormatInt(res.Started.Unix(), 10)
	for name, want := range map[string]string{
		"Webhook-Id": "evt_1", "Webhook-Timestamp": timestamp, "Jethook-Attempt": "3", "Jethook-Type": "order.created",
		"User-Agent": "jethook/test", "Content-Type": "application/json", "Traceparent": r.Traceparent, "X-Team": "päyments", "Cookie": "a=b",
	} {
		if values := req.header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
	for _, name := range []string{"Accept-Encoding", "Expect", "Authorization", "Idempotency-Key"} {
		if req.header[name] != nil {
			t.Errorf("%s is %q", name, req.header[name])
		}
	}
}

func TestContentType(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := local(t)
	for _, row := range []struct{ given, body, want string }{
		{"text/plain; charset=utf-8", "{}", "text/plain; charset=utf-8"},
		{"", `{"a":1}`, "application/json"},
		{"", " [1]\n", "application/json"},
		{"", "a=b", "application/octet-stream"},
		{"", "", "application/octet-stream"},
		{"text/plain\r\nX-Evil: 1", "x", "application/octet-stream"},
	} {
		r := requestTo(endpointAt(url))
		r.ContentType, r.Body = row.given, []byte(row.body)
		expect(t, c.Do(t.Context(), r), Delivered, ClassOK)
		req := <-got
		if ct := req.header.Get("Content-Type"); ct != row.want || req.header["X-Evil"] != nil || string(req.body) != row.body {
			t.Errorf("%q with %q: sent as %q, %q", row.given, row.body, ct, req.body)
		}
	}
}

// What an event has beyond ASCII is encoded; what an operator sets on an endpoint is sent as it is set.
func TestHeadersBeyondASCII(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url)
	e.Headers = map[string]string{"X-Team": "päyments"}
	r := requestTo(e)
	r.EventType, r.ContentType = "Überweisung.100%", "text/plain; x=caf\xe9"
	expect(t, local(t).Do(t.Context(), r), Delivered, ClassOK)
	h := (<-got).header
	for name, want := range map[string]string{
		"Jethook-Type": "%C3%9Cberweisung.100%", "Content-Type": "text/plain; x=caf%C3%A9", "X-Team": "päyments",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
}

func TestOwnUserAgent(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url)
	e.Headers = map[string]string{"User-Agent": "own/1", "Webhook-Id": "forged", "Jethook-Attempt": "9"}
	local(t).Do(t.Context(), requestTo(e))
	if h := (<-got).header; h.Get("User-Agent") != "own/1" || h.Get("Webhook-Id") != "evt_1" || h.Get("Jethook-Attempt") != "1" {
		t.Errorf("got %v", h)
	}
}

// The official library accepts what is sent, also while secrets rotate.
func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := local(t)
	const plain, expired = "a plain secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	e := endpointAt(url)
	e.Secrets = []signing.Secret{
		{Value: config.NewSecret(plain)},
		{Value: config.NewSecret(testSecret), Expires: time.Now().Add(time.Hour)},
		{Value: config.NewSecret(expired), Expires: time.Now().Add(-time.Second)},
	}
	raw, _ := standardwebhooks.NewWebhookRaw([]byte(plain))
	encoded, _ := standardwebhooks.NewWebhook(testSecret)
	old, _ := standardwebhooks.NewWebhook(expired)
	for attempt := 1; attempt <= 2; attempt++ {
		r := requestTo(e)
		r.Attempt = attempt
		expect(t, c.Do(t.Context(), r), Delivered, ClassOK)
		req := <-got
		if err := raw.Verify(req.body, req.header); err != nil {
			t.Errorf("plain secret: %v", err)
		}
		if err := encoded.Verify(req.body, req.header); err != nil {
			t.Errorf("whsec_ secret: %v", err)
		}
		if err := old.Verify(req.body, req.header); err == nil {
			t.Error("an expired secret still signs")
		}
		if err := raw.Verify(append(req.body, ' '), req.header); err == nil {
			t.Error("another body is accepted")
		}
		if n := len(strings.Fields(req.header.Get("webhook-signature"))); n != 2 {
			t.Errorf("%d signatures", n)
		}
	}
}

// The vector that the official libraries test themselves with.
func TestStandardVector(t *testing.T) {
	t.Parallel()
	secrets := []signing.Secret{{Value: config.NewSecret(testSecret)}}
	got := standardSignature(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`), time.Now())
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHMACScheme(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url)
	e.Signature = signing.Signature{Scheme: signing.SchemeHMAC, Header: "X-Notify-Signature"}
	e.Secrets = []signing.Secret{{Value: config.NewSecret(testSecret)}, {Value: config.NewSecret("the older one")}}
	r := requestTo(e)
	local(t).Do(t.Context(), r)
	mac := hmac.New(sha256.New, []byte(testSecret)) // its text as it is
	mac.Write(r.Body)
	h := (<-got).header
	if want := hex.EncodeToString(mac.Sum(nil)); h.Get("x-notify-signature") != want {
		t.Errorf("got %s, want %s", h.Get("x-notify-signature"), want)
	}
	if h.Get("webhook-id") != "evt_1" || h.Get("webhook-timestamp") == "" || h["Webhook-Signature"] != nil {
		t.Errorf("got %v", h)
	}
}

func TestBearerScheme(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url)
	e.Signature = signing.Signature{Scheme: signing.SchemeBearer, Header: "Polytomic-Signature-Timestamp"}
	c := newClient(t, Options{AllowedNetworks: loopback, Now: func() time.Time {
		return time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	}})
	c.Do(t.Context(), requestTo(e))
	h := (<-got).header
	if h.Get("Authorization") != "Bearer "+testSecret || h.Get("Polytomic-Signature-Timestamp") != "2026-01-02T02:04:05Z" {
		t.Errorf("got %v", h)
	}
	e.Signature.Header = ""
	c.Do(t.Context(), requestTo(e))
	if h := (<-got).header; h.Get("Authorization") != "Bearer "+testSecret || h.Get("webhook-timestamp") != "1767319445" {
		t.Errorf("got %v", h)
	}
}

// What can't stand in a header makes no request.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	c := local(t)
	const evil = "x\r\nX-Evil: 1"
	for name, spoil := range map[string]func(*Request){
		"id":           func(r *Request) { r.EventID = evil },
		"type":         func(r *Request) { r.EventType = evil },
		"header value": func(r *Request) { r.Endpoint.Headers = map[string]string{"X-A": evil} },
		"header name":  func(r *Request) { r.Endpoint.Headers = map[string]string{evil: "x"} },
		"scheme":       func(r *Request) { r.Endpoint.Signature.Scheme = "new" },
		"no secret":    func(r *Request) { r.Endpoint.Secrets = nil },
		"url":          func(r *Request) { r.Endpoint.URL = url + "/\r\nX-Evil: 1" },
		"bearer": func(r *Request) {
			r.Endpoint.Signature.Scheme = signing.SchemeBearer
			r.Endpoint.Secrets[0].Value = config.NewSecret(evil)
		},
	} {
		r := requestTo(endpointAt(url))
		spoil(&r)
		res := c.Do(t.Context(), r)
		expect(t, res, Failed, ClassRequest)
		if strings.Contains(res.Detail, "Evil") {
			t.Errorf("%s: detail %q", name, res.Detail)
		}
		select {
		case req := <-got:
			t.Errorf("%s: a request was made: %v", name, req.header)
		default:
		}
	}
	// The trace is only a companion: the delivery goes out without it.
	r := requestTo(endpointAt(url))
	r.Traceparent = evil
	expect(t, c.Do(t.Context(), r), Delivered, ClassOK)
	if h := (<-got).header; h["Traceparent"] != nil || h["X-Evil"] != nil {
		t.Errorf("got %v", h)
	}
}

// What is signed is what is sent.
func TestFormatIsSigned(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url)
	e.Format = endpoint.FormatSlack
	local(t).Do(t.Context(), requestTo(e))
	req := <-got
	timestamp := req.header.Get("webhook-timestamp")
	if want := standardSignature(e.Secrets, "evt_1", timestamp, req.body, testNow); req.header.Get("webhook-signature") != want {
		t.Error("the signature is not of the message")
	}
	if !strings.HasPrefix(string(req.body), `{"text":`) {
		t.Errorf("sent %s", req.body)
	}
}
