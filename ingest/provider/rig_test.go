package provider

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// at is when the samples are sent.
var at = time.Unix(1_790_000_000, 0)

// sample is how one sender sends, made without this package's code.
type sample struct {
	sender string
	// secrets are what the sender may be set up with: the sender signs with one, and the other is another's.
	secrets [2]string
	// send returns a request with that body, sent at that time, by who has that secret.
	send func(secret, body string, sent time.Time) *Request
	// sign is send by who has that key; nil where the secret is no key as it is, or none at all.
	sign func(key []byte, body string, sent time.Time) *Request
	body string
	keys KeySource
	// single says that the secret is not what signs, so that there are no two of them to try.
	single bool
	// proof is the header with the signature or token, garbage what it never looks like.
	proof, garbage string
	// timed is the header with the time, and tolerance how far that may be off: zero if it does not matter. Retries is how
	// much further it may lie back.
	timed              string
	tolerance, retries time.Duration
	// spoils are changes of the body or the query, from what is there to something else, that must be refused.
	spoils [][2]string
	// eventType and eventID are those of the request.
	eventType, eventID string
}

const (
	sampleURL  = "https://hooks.example.com/in/sender?a=1&b=2"
	sampleBody = `{"type":"order.created","event":"order.created","id":"evt_1"}`
)

// makers are the forms of signatures: the hash, and how its sum is written.
var makers = map[string]struct {
	hash   func() hash.Hash
	encode func([]byte) string
}{
	"hex":       {sha256.New, hex.EncodeToString},
	"hex1":      {sha1.New, hex.EncodeToString},
	"hex512":    {sha512.New, hex.EncodeToString},
	"base64":    {sha256.New, base64.StdEncoding.EncodeToString},
	"base64-1":  {sha1.New, base64.StdEncoding.EncodeToString},
	"base64url": {sha256.New, base64.RawURLEncoding.EncodeToString},
}

// signed is a sender of an HMAC over content. Content and headers, each as NAME: VALUE, are templates of {body},
// {url}, {secret}, {s}, {ms}, {rfc3339}, {rfc2822}, {utc} and {sig}.
func signed(sender, maker, content string, headers ...string) sample {
	s := sample{sender: sender, secrets: [2]string{"secret one", "secret two"}, body: sampleBody}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if strings.Contains(value, "{sig}") {
			s.proof, s.garbage = http.CanonicalHeaderKey(name), fill(strings.ReplaceAll(value, "{sig}", "!!!!"), "", "", at)
		}
		if strings.Contains(value, "{s}") || strings.Contains(value, "{ms}") || strings.Contains(value, "{rfc3339}") || strings.Contains(value, "{utc}") || strings.Contains(value, "{rfc2822}") {
			s.timed, s.tolerance = http.CanonicalHeaderKey(name), 5*time.Minute
		}
	}
	return s.keyed(maker, content, func(secret string) []byte { return []byte(secret) }, headers...)
}

// keyed has the key made from the secret.
func (s sample) keyed(maker, content string, key func(string) []byte, headers ...string) sample {
	m := makers[maker]
	sign := func(key []byte, body string, sent time.Time) *Request {
		sum := macOf(m.hash, key, fill(content, "", body, sent))
		r := request(body)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, strings.ReplaceAll(fill(value, "", body, sent), "{sig}", m.encode(sum)))
		}
		return r
	}
	s.sign = sign
	s.send = func(secret, body string, sent time.Time) *Request { return sign(key(secret), body, sent) }
	return s
}

func request(body string) *Request {
	_, query, _ := strings.Cut(sampleURL, "?")
	return &Request{
		Method: "POST", URL: sampleURL, Query: query, Body: []byte(body),
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

func fill(template, secret, body string, sent time.Time) string {
	return strings.NewReplacer(
		"{body}", body, "{url}", sampleURL, "{secret}", secret,
		"{s}", strconv.FormatInt(sent.Unix(), 10), "{ms}", strconv.FormatInt(sent.UnixMilli(), 10),
		"{rfc3339}", sent.UTC().Format(time.RFC3339), "{utc}", sent.UTC().Format("2006-01-02T15:04:05"), "{rfc2822}", sent.UTC().Format(time.RFC1123Z),
	).Replace(template)
}

// token is a sender that shows its secret in a header, as NAME: VALUE with {secret}.
func token(sender string, headers ...string) sample {
	s := sample{sender: sender, secrets: [2]string{"token-one", "token-two"}, body: sampleBody}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if prefix, _, found := strings.Cut(value, "{secret}"); found {
			s.proof = http.CanonicalHeaderKey(name)
			if prefix != "" {
				s.garbage = "Digest x"
			}
		}
		if value == "{rfc3339}" {
			s.timed, s.tolerance = http.CanonicalHeaderKey(name), 5*time.Minute
		}
	}
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, fill(value, secret, body, sent))
		}
		return r
	}
	return s
}

// queried is a sender that shows its secret in the query.
func queried(sender, parameter string) sample {
	s := token(sender)
	s.send = func(secret, body string, _ time.Time) *Request {
		r := request(body)
		r.Query = parameter + "=" + secret
		return r
	}
	return s.spoiled(parameter+"=", "t=").spoiled("=token-one", "=").spoiled("=token-one", "=token-one&"+parameter+"=token-one").spoiled("one", "one%00")
}

func (s sample) of(one, two string) sample         { s.secrets = [2]string{one, two}; return s }
func (s sample) within(d time.Duration) sample     { s.tolerance = d; return s }
func (s sample) event(eventType, id string) sample { s.eventType, s.eventID = eventType, id; return s }
func (s sample) with(body string) sample           { s.body = body; return s }
func (s sample) looking(garbage string) sample     { s.garbage = garbage; return s }
func (s sample) spoiled(from, to string) sample {
	s.spoils = append(s.spoils, [2]string{from, to})
	return s
}

// at has the time in a header, or somewhere in the body if that is empty; the sender's tries may have the first one's.
func (s sample) at(header string, retries time.Duration) sample {
	s.timed, s.tolerance, s.retries = header, 5*time.Minute, retries
	return s
}

func (s sample) changed(f func(r *Request)) sample {
	send := s.send
	s.send = func(secret, body string, sent time.Time) *Request {
		r := send(secret, body, sent)
		f(r)
		return r
	}
	return s
}

// standardSample is a sender of Standard Webhooks, under either family of names.
func standardSample(sender, prefix string, key func(string) []byte) sample {
	headers := []string{prefix + "-id: msg_1", prefix + "-timestamp: {s}", prefix + "-signature: v1,{sig}"}
	const content = "msg_1.{s}.{body}"
	s := signed(sender, "base64", content, headers...)
	return s.keyed("base64", content, key, headers...).of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").event("order.created", "msg_1")
}

func whsec(secret string) []byte {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimPrefix(secret, "v1,"), "whsec_"))
	if err != nil {
		panic(err)
	}
	return key
}

func raw(secret string) []byte { return []byte(secret) }

func macOf(h func() hash.Hash, key []byte, content string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(content))
	return m.Sum(nil)
}
