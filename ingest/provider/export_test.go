package provider

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/url"
	"strings"
)

// What the tests of package provider_test, which are about more packages than this one, need of its samples.

// SampleURL is the address that the samples are sent to, and SampleTime when.
const SampleURL = sampleURL

var SampleTime = at

// Forgery is a sender of the table, and how a stranger makes requests of its own who knows a part of its secret.
type Forgery struct {
	Sender Sender
	// Secret has the form that the sender's pages say. Key is what it signs with.
	Secret, Key string
	Keys        KeySource
	// Genuine is a request of the sender.
	Genuine func() *Request
	// Forge is one by somebody who takes those bytes for the key.
	Forge func(key string) *Request
}

// anyText is a secret of the many senders that let their users choose: it has all that may be taken for a separator.
const anyText = "pa,rt:one;two|three.four_five six-seven"

// documentedSecrets are of the senders that have a form for it.
var documentedSecrets = map[string]string{
	"supabase-auth-hook": "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"gitlab-signing":     "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
	"polar":              "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK",
	"stripe":             "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
	"airtable":           "c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItYWlydGE=",
	"adyen":              "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00",
	"adyen-platform":     "11223344D785FBAE710E7F943F307971BB61B21281C98C9129B3D4018A57B2EB",
	"slack":              "8f742231b10e8888abcd99eeeaaa85a5",
	"twilio":             "0123456789abcdef0123456789abcdef",
	"shopify":            "shpss_0123456789abcdef0123456789abcdef",
	"asana":              "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81",
	"notion":             "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl",
	"coinbase-commerce":  "30291a20-0bd1-4267-9b0f-e6e7b123c0bf",
	"mailgun":            "key-0p6mqbf74lb20gzq9f4dhpn9rg3zyk26",
	"pagerduty":          "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK",
	"zendesk":            "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
	"telegram":           "tg_secret-Token_1",
	"polytomic":          "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJ3ZWJob29rIn0.FBSU_fC1YFyWhMSPErRono4BPfkIeT3M",
	"alertmanager-basic": "user:long,er:secret", "chargebee": "user:long,er:secret", "postmark": "user:long,er:secret",
	"meta":          "0123456789abcdef0123456789abcdef:my,verify.token",
	"braintree":     "integration_public_key:integration_private_key",
	"aws-sns":       "arn:aws:sns:us-west-2:123456789012:MyTopic",
	"paypal":        "1JE4291016473214C",
	"google-pubsub": "push@p.iam.gserviceaccount.com",
	"plaid":         "client_id:the,secret_of_plaid",
}

// Forgeries returns one for each sender of the table that has a secret.
func Forgeries() []Forgery {
	var all []Forgery
	done := map[string]bool{}
	for _, s := range samples() {
		row, _ := Lookup(s.sender)
		if done[s.sender] || !row.NeedsSecret() {
			continue
		}
		done[s.sender] = true
		all = append(all, s.forgery(row))
	}
	return all
}

func (s sample) forgery(row Sender) Forgery {
	secret := documentedSecrets[s.sender]
	switch row.Scheme.(type) {
	case Ed25519, ECDSA, RSAKey: // what the sample has a key for
		secret = s.secrets[0]
	}
	if h, ok := row.Scheme.(HMAC); secret == "" && ok && h.Key != RawKey && h.Key != NFKDKey {
		secret = s.secrets[0]
	}
	if secret == "" {
		secret = anyText
	}
	f := Forgery{Sender: row, Secret: secret, Key: secret, Keys: s.keys}
	f.Forge = func(key string) *Request { return s.send(key, s.body, at) }
	if s.sign != nil {
		f.Forge = func(key string) *Request { return s.sign([]byte(key), s.body, at) }
		f.Key = string(keyOf(s.sender, secret))
	}
	f.Genuine = func() *Request { return f.Forge(f.Key) }
	if special := s.forge(secret); special != nil {
		f.Forge = special
	}
	switch s.sender {
	case "adyen":
		f.Key = string(keyOf(s.sender, secret))
	case "braintree":
		_, f.Key, _ = strings.Cut(secret, ":")
	case "plaid", "sendgrid", "standard-webhooks-ed25519", "discord-events", "discord-interactions", "telnyx", "wise", "postal", "travis-ci": // signed by a key of the sender's
		f.Key = "no part of the secret"
		f.Genuine = func() *Request { return s.send(s.secrets[0], s.body, at) }
	}
	return f
}

// keyOf is the key that a documented secret stands for, made without the package's code.
func keyOf(sender, secret string) []byte {
	switch sender {
	case "adyen", "adyen-platform":
		key, err := hex.DecodeString(secret)
		must(err)
		return key
	case "meta":
		key, _, _ := strings.Cut(secret, ":")
		return []byte(key)
	case "polar", "stripe":
		return []byte(secret)
	}
	if row, _ := Lookup(sender); strings.Contains(secret, "whsec_") || row.keyEncoding() == Base64Key {
		return whsec(secret)
	}
	return []byte(secret)
}

// forge is how those sign that don't take the key as text; nil for all others.
func (s sample) forge(secret string) func(key string) *Request {
	genuine := func() *Request { return s.send(s.secrets[0], s.body, at) }
	ts := fill("{s}", "", "", at)
	b64 := base64.StdEncoding.EncodeToString
	switch row, _ := Lookup(s.sender); s.sender {
	case "adyen":
		return func(key string) *Request { return s.send(hex.EncodeToString([]byte(key)), s.body, at) }
	case "braintree":
		public, _, _ := strings.Cut(secret, ":")
		return func(key string) *Request { return s.send(public+":"+key, s.body, at) }
	case "discord-events", "discord-interactions":
		return func(key string) *Request {
			r := genuine()
			r.Header.Set(s.proof, hex.EncodeToString(ed25519.Sign(edKey(key), []byte(ts+s.body))))
			return r
		}
	case "standard-webhooks-ed25519":
		return func(key string) *Request {
			r := genuine()
			r.Header.Set(s.proof, "v1a,"+b64(ed25519.Sign(edKey(key), []byte("msg_1."+ts+"."+s.body))))
			return r
		}
	case "telnyx":
		return func(key string) *Request {
			r := genuine()
			r.Header.Set(s.proof, b64(ed25519.Sign(edKey(key), []byte(ts+"|"+s.body))))
			return r
		}
	case "wise", "postal", "travis-ci": // who takes the public key for that of an HMAC
		return func(key string) *Request {
			r := genuine()
			r.Header.Set(s.proof, b64(sha256MAC([]byte(key), s.body)))
			return r
		}
	case "sendgrid":
		return func(key string) *Request {
			r := genuine()
			sum := sha256.Sum256([]byte(ts + s.body))
			der, err := ecdsa.SignASN1(rand.Reader, ecKey(key), sum[:])
			must(err)
			r.Header.Set(s.proof, b64(der))
			return r
		}
	case "plaid":
		return func(key string) *Request {
			r := genuine()
			claims := map[string]any{"iat": at.Unix(), "request_body_sha256": hexSum(s.body)}
			r.Header.Set(s.proof, compact(map[string]any{"alg": "ES256", "kid": keyID}, claims, es256(ecKey(key))))
			return r
		}
	default:
		if token, ok := row.Scheme.(Token); ok && token.From.kind == inQuery {
			return func(key string) *Request {
				r := s.send("", s.body, at)
				r.Query += url.QueryEscape(key)
				return r
			}
		}
	}
	return nil
}

func edKey(text string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, text)
	return ed25519.NewKeyFromSeed(seed)
}

// ecKey is the private key with those bytes, or the first of them.
func ecKey(text string) *ecdsa.PrivateKey {
	curve := elliptic.P256()
	d := new(big.Int).SetBytes([]byte(text)[:min(len(text), 31)])
	d.Add(d, big.NewInt(1)) // 0 is no key
	key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, 32)))
	must(err)
	return key
}
