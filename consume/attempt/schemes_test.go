package attempt

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// receiving returns an endpoint made as the API makes it.
func receiving(t *testing.T, url string, s *endpoint.Spec) *endpoint.Endpoint {
	t.Helper()
	name := "n"
	s.Name, s.URL, s.Events = &name, &url, []string{"events.>"}
	e, err := endpoint.New(s, endpoint.NewAddressPolicy([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &e
}

// composed are the headers of an attempt at a time.
func composed(t *testing.T, e *endpoint.Endpoint, id, body string, at int64) http.Header {
	t.Helper()
	m, err := NewClient(Options{}).Compose(&Request{Endpoint: e, EventID: id, EventType: "a", Body: []byte(body), Attempt: 1}, time.Unix(at, 0))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

// The example of https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries, and that of
// https://docs.slack.dev/authentication/verifying-requests-from-slack.
func TestSendersOwnVectors(t *testing.T) {
	t.Parallel()
	secret := "It's a Secret to Everybody"
	e := receiving(t, "http://1.1.1.1", &endpoint.Spec{Secret: &secret, Signature: &endpoint.SignatureSpec{Like: "github"}})
	h := composed(t, e, "evt_1", "Hello, World!", 1)
	if got, want := h.Get("X-Hub-Signature-256"), "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"; got != want {
		t.Errorf("github: got %s, want %s", got, want)
	}
	slack := "8f742231b10e8888abcd99yyyzzz85a5"
	e = receiving(t, "http://1.1.1.1", &endpoint.Spec{Secret: &slack, Signature: &endpoint.SignatureSpec{Like: "slack"}})
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	h = composed(t, e, "evt_1", body, 1531420618)
	if got, want := h.Get("X-Slack-Signature"), "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"; got != want {
		t.Errorf("slack: got %s, want %s", got, want)
	}
	if got := h.Get("X-Slack-Request-Timestamp"); got != "1531420618" {
		t.Errorf("slack: timestamp %s", got)
	}
}

// What receivers of each sender compute, written down here once more.
func TestSignatureLike(t *testing.T) {
	t.Parallel()
	const id, body, at = "evt_1", `{"a":1}`, int64(1790000000)
	secret := "a secret that is a text"
	sum := func(algorithm func() hash.Hash, parts ...string) []byte {
		mac := hmac.New(algorithm, []byte(secret))
		mac.Write([]byte(strings.Join(parts, "")))
		return mac.Sum(nil)
	}
	inHex, inBase64 := hex.EncodeToString, base64.StdEncoding.EncodeToString
	want := map[string][2]string{
		"github":      {"X-Hub-Signature-256", "sha256=" + inHex(sum(sha256.New, body))},
		"gitea":       {"X-Gitea-Signature", inHex(sum(sha256.New, body))},
		"stripe":      {"Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", at, inHex(sum(sha256.New, "1790000000.", body)))},
		"shopify":     {"X-Shopify-Hmac-Sha256", inBase64(sum(sha256.New, body))},
		"slack":       {"X-Slack-Signature", "v0=" + inHex(sum(sha256.New, "v0:1790000000:", body))},
		"zoom":        {"X-Zm-Signature", "v0=" + inHex(sum(sha256.New, "v0:1790000000:", body))},
		"paddle":      {"Paddle-Signature", fmt.Sprintf("ts=%d;h1=%s", at, inHex(sum(sha256.New, "1790000000:", body)))},
		"calendly":    {"Calendly-Webhook-Signature", fmt.Sprintf("t=%d,v1=%s", at, inHex(sum(sha256.New, "1790000000.", body)))},
		"square":      {"X-Square-Hmacsha256-Signature", inBase64(sum(sha256.New, "http://1.1.1.1/hook?a=b", body))},
		"typeform":    {"Typeform-Signature", "sha256=" + inBase64(sum(sha256.New, body))},
		"woocommerce": {"X-Wc-Webhook-Signature", inBase64(sum(sha256.New, body))},
		"paystack":    {"X-Paystack-Signature", inHex(sum(sha512.New, body))},
		"intercom":    {"X-Hub-Signature", "sha1=" + inHex(sum(sha1.New, body))},
	}
	for _, like := range signing.Likes() {
		e := receiving(t, "http://1.1.1.1/hook?a=b", &endpoint.Spec{Secret: &secret, Signature: &endpoint.SignatureSpec{Like: like}})
		h := composed(t, e, id, body, at)
		if row, ok := want[like]; !ok || h.Get(row[0]) != row[1] {
			t.Errorf("%s: got %q of %v", like, h.Get(row[0]), h)
		}
	}
	e := receiving(t, "http://1.1.1.1", &endpoint.Spec{Secret: &secret, Signature: &endpoint.SignatureSpec{
		Scheme: "hmac", Header: "x-own", Algorithm: "sha512", Encoding: "base64url", Template: "{id};{timestamp};{signature}", Signed: "{id}\t{body}",
	}})
	own := fmt.Sprintf("%s;%d;%s", id, at, base64.RawURLEncoding.EncodeToString(sum(sha512.New, id, "\t", body)))
	if got := composed(t, e, id, body, at).Get("X-Own"); got != own {
		t.Errorf("got %s, want %s", got, own)
	}
}

// The vector of the Svix server, the reference for v1a.
func TestEd25519Vector(t *testing.T) {
	t.Parallel()
	secret := "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	const public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	e := receiving(t, "http://1.1.1.1", &endpoint.Spec{Secret: &secret})
	if got := e.Secrets[0].PublicKey(); got != public {
		t.Errorf("public key %s", got)
	}
	got := composed(t, e, "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`, 1614265330).Get("Webhook-Signature")
	if want := "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// While an endpoint goes over from a shared secret to a private key, receivers find both signatures.
func TestMovingToEd25519(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	as := "ed25519"
	e := receiving(t, url, &endpoint.Spec{SecretType: &as})
	e.Secrets = append(e.Secrets, signing.Secret{Value: config.NewSecret(testSecret), Expires: time.Now().Add(time.Hour)})
	expect(t, local(t).Do(t.Context(), requestTo(e)), Delivered, ClassOK)
	req := <-got
	parts := strings.Fields(req.header.Get("webhook-signature"))
	if len(parts) != 2 || !strings.HasPrefix(parts[1], "v1,") {
		t.Fatalf("got %q", parts)
	}
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.Secrets[0].PublicKey(), "whpk_"))
	signature, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(parts[0], "v1a,"))
	signed := req.header.Get("webhook-id") + "." + req.header.Get("webhook-timestamp") + "." + string(req.body)
	if !ed25519.Verify(key, []byte(signed), signature) {
		t.Error("the public key does not verify it")
	}
}

// Two signatures, by one secret.
func TestSecondSignature(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	secret := "the one secret of both"
	e := receiving(t, url, &endpoint.Spec{
		Secret: &secret, Signature: &endpoint.SignatureSpec{Like: "github"}, Second: &endpoint.SignatureSpec{Scheme: "standard"},
	})
	expect(t, local(t).Do(t.Context(), requestTo(e)), Delivered, ClassOK)
	req := <-got
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(req.body)
	if req.header.Get("x-hub-signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("got %v", req.header)
	}
	if want := standardSignature(e.Secrets, "evt_1", req.header.Get("webhook-timestamp"), req.body, time.Now()); req.header.Get("webhook-signature") != want {
		t.Errorf("got %v", req.header)
	}
}

// What the history keeps of a request names all of its headers, and shows no signature.
func TestSentOfSignatures(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	secret := "the one secret of both"
	e := receiving(t, url, &endpoint.Spec{
		Secret: &secret, Signature: &endpoint.SignatureSpec{Like: "slack"}, Second: &endpoint.SignatureSpec{Scheme: "bearer"},
	})
	r := requestTo(e)
	r.Header = map[string]string{"X-Order": "7"}
	res := local(t).Do(t.Context(), r)
	req := <-got
	shown := res.Sent.Headers("evt_1", r.EventType, 1, res.Started)
	for name := range req.header {
		if name == "Content-Length" || name == "Accept-Encoding" {
			continue
		}
		if _, ok := shown[name]; !ok {
			t.Errorf("%s is not shown", name)
		}
	}
	for _, name := range []string{"X-Slack-Signature", "Authorization"} {
		if shown[name] != Masked {
			t.Errorf("%s is shown: %q", name, shown[name])
		}
	}
}

// An event's own headers go out with it, except for what is not its to set; the endpoint's win.
func TestEventHeaders(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	e := endpointAt(url)
	e.Headers = map[string]string{"X-Team": "the endpoint's"}
	r := requestTo(e)
	r.Header = map[string]string{
		"X-Order": "7", "X-Team": "the event's", "Host": "evil", "Content-Length": "1", "Transfer-Encoding": "chunked", "Webhook-Id": "forged",
		"Jethook-Attempt": "9", "Connection": "close", "Content-Type": "text/plain", "Bad Name": "x", "X-Bad": "a\r\nX-Evil: 1", "Idempotency-Key": "k",
	}
	expect(t, local(t).Do(t.Context(), r), Delivered, ClassOK)
	h := (<-got).header
	for name, want := range map[string]string{
		"X-Order": "7", "X-Team": "the endpoint's", "Webhook-Id": "evt_1", "Jethook-Attempt": "1", "Content-Type": "application/json",
		"X-Bad": "", "X-Evil": "", "Connection": "", "Idempotency-Key": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
}
