package attempt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http/httpguts"

	"jethook/consume/endpoint"
	"jethook/publish"
)

// Headers of a delivery.
const (
	headerWebhookID        = "Webhook-Id"
	headerWebhookTimestamp = "Webhook-Timestamp"
	headerWebhookSignature = "Webhook-Signature"
	headerAttempt          = "Jethook-Attempt"
	headerType             = "Jethook-Type"
	headerContentType      = "Content-Type"
	headerTraceparent      = "Traceparent"
	headerUserAgent        = "User-Agent"
	headerAuthorization    = "Authorization"
	headerIdempotencyKey   = "Idempotency-Key"
)

// Reasons why a request can't be built. They end in Result.Detail.
var (
	errBadURL    = errors.New("the endpoint's URL can't be used")
	errNoSecret  = errors.New("the endpoint has no secret")
	errBadScheme = errors.New("the endpoint's signature scheme is not known to this version")
	errBadHeader = errors.New("the event's id or type, or a header of the endpoint, can't stand in a header")
)

// header returns all headers of an attempt. Every scheme has the event's id and the time, which a receiver
// can deduplicate by.
func (c *Client) header(r *Request, body []byte, contentType string, now time.Time) (http.Header, error) {
	h := make(http.Header, 10+len(r.Endpoint.Headers))
	h[headerUserAgent] = []string{c.userAgent}
	for name, value := range r.Endpoint.Headers {
		h.Set(name, value)
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	h[headerWebhookID] = []string{r.EventID}
	h[headerWebhookTimestamp] = []string{timestamp}
	h[headerAttempt] = []string{strconv.Itoa(r.Attempt)}
	h[headerType] = []string{publish.HeaderValue(r.EventType)}
	h[headerContentType] = []string{publish.HeaderValue(contentType)}
	if r.Traceparent != "" && httpguts.ValidHeaderFieldValue(r.Traceparent) {
		h[headerTraceparent] = []string{r.Traceparent}
	}
	if err := sign(h, r, timestamp, body, now); err != nil {
		return nil, err
	}
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(values[0]) {
			return nil, errBadHeader
		}
	}
	return h, nil
}

// sign adds what the endpoint's scheme wants. A scheme with room for one signature uses the newest secret.
func sign(h http.Header, r *Request, timestamp string, body []byte, now time.Time) error {
	secrets, signature := r.Endpoint.Secrets, r.Endpoint.Signature
	if len(secrets) == 0 {
		return errNoSecret
	}
	newest := secrets[0].Value.Reveal()
	switch signature.Scheme {
	case endpoint.SchemeStandard, "":
		h[headerWebhookSignature] = []string{standardSignature(secrets, r.EventID, timestamp, body, now)}
	case endpoint.SchemeHMAC:
		mac := hmac.New(sha256.New, []byte(newest))
		mac.Write(body)
		h.Set(signature.Header, hex.EncodeToString(mac.Sum(nil)))
	case endpoint.SchemeBearer:
		h[headerAuthorization] = []string{"Bearer " + newest}
		if signature.Header != "" {
			h.Set(signature.Header, now.UTC().Format(time.RFC3339))
		}
	default:
		return errBadScheme
	}
	return nil
}

// standardSignature is the value of webhook-signature: "v1," and the base64 HMAC-SHA256 of id.timestamp.body
// for each live secret, with spaces between them.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func standardSignature(secrets []endpoint.Secret, id, timestamp string, body []byte, now time.Time) string {
	prefix := []byte(id + "." + timestamp + ".")
	var out, sum []byte
	for _, secret := range secrets {
		if !secret.Live(now) {
			continue
		}
		mac := hmac.New(sha256.New, secret.Key())
		mac.Write(prefix)
		mac.Write(body)
		sum = mac.Sum(sum[:0])
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = append(out, "v1,"...)
		out = base64.StdEncoding.AppendEncode(out, sum)
	}
	return string(out)
}
