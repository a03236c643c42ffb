package attempt

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
	"jethook/publish/event"
)

// Headers of a delivery.
const (
	headerWebhookID        = "Webhook-Id"
	headerWebhookTimestamp = "Webhook-Timestamp"
	headerAttempt          = "Jethook-Attempt"
	headerType             = "Jethook-Type"
	headerContentType      = "Content-Type"
	headerTraceparent      = "Traceparent"
	headerUserAgent        = "User-Agent"
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
	if r.Endpoint.Format != endpoint.FormatCloudEvents { // which has them in the body
		for name, value := range r.Header {
			if name = textproto.CanonicalMIMEHeaderKey(name); endpoint.CheckEventHeader(name, value) == nil {
				h[name] = []string{value}
			}
		}
	}
	for name, value := range r.Endpoint.Headers {
		h.Set(name, value)
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	h[headerWebhookID] = []string{r.EventID}
	h[headerWebhookTimestamp] = []string{timestamp}
	h[headerAttempt] = []string{strconv.Itoa(r.Attempt)}
	h[headerType] = []string{event.HeaderValue(r.EventType)}
	h[headerContentType] = []string{event.HeaderValue(contentType)}
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

// sign adds what the endpoint's schemes want. One with room for one signature uses the newest secret.
func sign(h http.Header, r *Request, timestamp string, body []byte, now time.Time) error {
	if len(r.Endpoint.Secrets) == 0 {
		return errNoSecret
	}
	if err := signBy(h, r, &r.Endpoint.Signature, timestamp, body, now); err != nil || r.Endpoint.Second == nil {
		return err
	}
	return signBy(h, r, r.Endpoint.Second, timestamp, body, now)
}

func signBy(h http.Header, r *Request, signature *signing.Signature, timestamp string, body []byte, now time.Time) error {
	secrets := r.Endpoint.Secrets
	switch signature.Scheme {
	case signing.SchemeStandard, "":
		h[signing.HeaderStandard] = []string{standardSignature(secrets, r.EventID, timestamp, body, now)}
	case signing.SchemeHMAC:
		value, err := hmacSignature(secrets[0].Key(signing.SchemeHMAC), signature, r, timestamp, body)
		if err != nil {
			return err
		}
		h.Set(signature.Header, value)
		if signature.Timestamp != "" {
			h.Set(signature.Timestamp, timestamp)
		}
	case signing.SchemeBearer:
		h[signing.HeaderAuthorization] = []string{"Bearer " + secrets[0].Value.Reveal()}
		if signature.Header != "" {
			h.Set(signature.Header, now.UTC().Format(time.RFC3339))
		}
	default:
		return errBadScheme
	}
	return nil
}

// hashes are those of an HMAC, by their names.
var hashes = map[string]func() hash.Hash{"": sha256.New, "sha1": sha1.New, "sha512": sha512.New}

// hmacSignature is the value of the header of scheme hmac.
func hmacSignature(key []byte, s *signing.Signature, r *Request, timestamp string, body []byte) (string, error) {
	algorithm, ok := hashes[s.Algorithm]
	if !ok {
		return "", errBadScheme
	}
	places := strings.NewReplacer(signing.PlaceTimestamp, timestamp, signing.PlaceID, r.EventID, signing.PlaceURL, r.Endpoint.URL)
	before, after, _ := strings.Cut(s.Signed, signing.PlaceBody)
	mac := hmac.New(algorithm, key)
	mac.Write([]byte(places.Replace(before)))
	mac.Write(body)
	mac.Write([]byte(places.Replace(after)))
	var text string
	switch sum := mac.Sum(nil); s.Encoding {
	case "":
		text = hex.EncodeToString(sum)
	case "base64":
		text = base64.StdEncoding.EncodeToString(sum)
	case "base64url":
		text = base64.RawURLEncoding.EncodeToString(sum)
	default:
		return "", errBadScheme
	}
	if s.Template == "" {
		return s.Prefix + text, nil
	}
	return strings.NewReplacer(signing.PlaceSignature, text, signing.PlaceTimestamp, timestamp, signing.PlaceID, r.EventID).Replace(s.Template), nil
}

// standardSignature is the value of webhook-signature: for each live secret "v1," and the base64 HMAC-SHA256 of
// id.timestamp.body, or "v1a," and its base64 Ed25519 signature, with spaces between them.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func standardSignature(secrets []signing.Secret, id, timestamp string, body []byte, now time.Time) string {
	prefix := []byte(id + "." + timestamp + ".")
	var out, sum []byte
	for _, secret := range secrets {
		if !secret.Live(now) {
			continue
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		if private := secret.PrivateKey(); private != nil {
			out = append(out, "v1a,"...)
			out = base64.StdEncoding.AppendEncode(out, ed25519.Sign(private, slices.Concat(prefix, body)))
			continue
		}
		mac := hmac.New(sha256.New, secret.Key(signing.SchemeStandard))
		mac.Write(prefix)
		mac.Write(body)
		sum = mac.Sum(sum[:0])
		out = append(out, "v1,"...)
		out = base64.StdEncoding.AppendEncode(out, sum)
	}
	return string(out)
}
