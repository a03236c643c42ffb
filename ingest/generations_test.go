package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"testing"
	"time"

	"jethook/config"
)

// sourceOf is a source of that provider with one secret.
func sourceOf(provider, secret string) config.Source {
	return config.Source{Name: provider, Provider: provider, Split: true, Secrets: []config.Secret{config.NewSecret(secret)}}
}

func sha256MAC(key []byte, content string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(content))
	return m.Sum(nil)
}

// TestPolarGenerations sends what secrets of each kind sign: https://github.com/polarsource/polar/pull/14117
func TestPolarGenerations(t *testing.T) {
	t.Parallel()
	const body = `{"type":"order.created","data":{}}`
	decoded := func(text string) []byte {
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const (
		custom = "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK"
		old    = "whsec_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK"
		fresh  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwC2FVsBQIhrs="
		short  = "whsec_abcdefgh"
	)
	for name, test := range map[string]struct {
		secret string
		key    []byte
		status int
	}{
		"custom, its text":          {custom, []byte(custom), 202},
		"old, its text":             {old, []byte(old), 202},
		"new, what it decodes to":   {fresh, decoded(fresh[6 : len(fresh)-1]), 202},
		"new, its text":             {fresh, []byte(fresh), 202},
		"new, without its prefix":   {fresh, []byte(fresh[6:]), 403},
		"new, a part of it decoded": {fresh, decoded(fresh[6:30]), 403},
		"custom, decoded":           {custom, decoded(custom[10:]), 403},
		"short, its text":           {short, []byte(short), 202},
		"short, decoded":            {short, decoded(short[6:]), 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newRig(t)
			url := serve(t, Options{Sources: []config.Source{sourceOf("polar", test.secret)}, Publisher: rig.bus})
			ts := strconv.FormatInt(time.Now().Unix(), 10)
			sum := sha256MAC(test.key, "msg_1."+ts+"."+body)
			resp, _ := do(t, request(t, url+"/webhooks/polar", body, http.Header{
				"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {ts}, "Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(sum)},
			}))
			if want := uint64(map[int]int{202: 1}[test.status]); resp.StatusCode != test.status || rig.stored(t) != want {
				t.Errorf("answer %d and %d stored, want %d", resp.StatusCode, rig.stored(t), test.status)
			}
		})
	}
}

// TestTwilioSharedKey: https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys
func TestTwilioSharedKey(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	const token, shared, form = "0123456789abcdef0123456789abcdef", "a shared key of the tests", "MessageSid=SM1&MessageStatus=sent"
	source := addressed(sourceOf("twilio", token))
	source.Secrets = append(source.Secrets, config.NewSecret(shared))
	url := serve(t, Options{Sources: []config.Source{source}, Publisher: rig.bus}) + "/webhooks/twilio"
	const content = "https://hooks.example.com/webhooks/twilioMessageSidSM1MessageStatussent"
	sha1Of := func(key string) string { return twilioSignature(key, content).Get("X-Twilio-Signature") }
	sha256Of := func(key string) string { return base64.StdEncoding.EncodeToString(sha256MAC([]byte(key), content)) }
	const name, settings = "X-Twilio-Webhooks-Signature-Settings", "key=WK0123456789abcdef0123456789abcdef,algorithm=HMAC_SHA256"
	for _, test := range []struct {
		what, signature string
		settings        []string
		status          int
	}{
		{"a shared key", sha256Of(shared), []string{settings}, 204},
		{"a shared key, spaced", sha256Of(shared), []string{"algorithm=HMAC_SHA256, key=WK1"}, 204},
		{"the auth token", sha1Of(token), nil, 204},
		{"SHA-1 where SHA-256 is said", sha1Of(token), []string{settings}, 401},
		{"SHA-256 where nothing is said", sha256Of(shared), nil, 401},
		{"another key", sha256Of("another"), []string{settings}, 401},
		{"an unknown algorithm", sha256Of(shared), []string{"key=WK1,algorithm=HMAC_MD5"}, 401},
		{"no algorithm", sha1Of(token), []string{"key=WK1"}, 401},
		{"nothing in the header", sha1Of(token), []string{""}, 401},
		{"two algorithms", sha256Of(shared), []string{settings + ",algorithm=HMAC_SHA1"}, 401},
		{"two headers", sha256Of(shared), []string{settings, settings}, 401},
	} {
		h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {test.signature}}
		if test.settings != nil {
			h[name] = test.settings
		}
		if resp, text := do(t, request(t, url, form, h)); resp.StatusCode != test.status {
			t.Errorf("%s: %d %s, want %d", test.what, resp.StatusCode, text, test.status)
		}
	}
}
