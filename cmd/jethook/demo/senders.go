package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// The sample requests of the senders' documentation.
var (
	//go:embed samples/polaris.json
	polarisSample []byte
	//go:embed samples/polytomic.json
	polytomicSample []byte
	//go:embed samples/notify.json
	notifySample []byte
	//go:embed samples/polar.json
	polarSample []byte
	//go:embed samples/protocol.json
	protocolSample []byte
)

// sender is a sender as the demo plays it: what it sends, and how it signs that.
type sender struct {
	name   string
	secret string
	body   []byte
	sign   func(r *http.Request, body []byte, secret string)
}

func senders() []sender {
	return []sender{
		{"polaris", "demo-secret-of-polaris", polarisSample, signHex("x-polaris-signature")},
		{"polytomic", "demo-token-of-polytomic", polytomicSample, signPolytomic},
		{"notify", "demo-secret-of-notify", notifySample, signHex("x-notify-signature")},
		{"polar", "polar_whs_demo-secret-of-polar", polarSample, signPolar},
		{"protocol", "demo-secret-of-protocol", protocolSample, signHex("x-protocol-signature")},
	}
}

func hmacSHA256(key string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// signHex signs the body as Polaris, Notify and Protocol do.
func signHex(header string) func(*http.Request, []byte, string) {
	return func(r *http.Request, body []byte, secret string) {
		r.Header.Set(header, hex.EncodeToString(hmacSHA256(secret, body)))
	}
}

// signPolytomic sends the token, as Polytomic does; nothing is signed.
func signPolytomic(r *http.Request, _ []byte, secret string) {
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Polytomic-Signature-Timestamp", time.Now().UTC().Format(time.RFC3339))
}

// signPolar signs id, time and body as Standard Webhooks, with the whole secret as the key, as Polar does.
func signPolar(r *http.Request, body []byte, secret string) {
	const id = "7f0c1b5e-7b1f-4c8e-9f3f-0c7ad3f0a001"
	at := strconv.FormatInt(time.Now().Unix(), 10)
	sum := hmacSHA256(secret, []byte(id+"."+at+"."), body)
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", at)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(sum))
}
