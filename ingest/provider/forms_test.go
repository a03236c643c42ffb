package provider

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// sampleFor is the sample of a sender.
func sampleFor(t testing.TB, sender string) sample {
	t.Helper()
	for _, s := range samples() {
		if s.sender == sender {
			return s
		}
	}
	t.Fatalf("no sample of %s", sender)
	return sample{}
}

// bound is a request of the sample's sender, and a receiver that takes it.
func (s sample) bound(t testing.TB) (*Request, *Receiver) {
	t.Helper()
	row, found := Lookup(s.sender)
	if !found {
		t.Fatalf("no sender %q", s.sender)
	}
	rc, err := row.Bind(Binding{Secrets: []string{s.secrets[0]}, Keys: s.keys})
	if err != nil {
		t.Fatal(err)
	}
	return s.send(s.secrets[0], s.body, at), rc
}

// TestNoDowngrade changes what a request's stronger signature covers, and leaves its weaker one right.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sender string
		weaken func(r *Request, secret string)
	}{
		"GitHub's SHA-1 beside a wrong SHA-256": {"github", func(r *Request, secret string) {
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(macOf(makers["hex1"].hash, []byte(secret), string(r.Body))))
			r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		}},
		"GitHub's SHA-1 alone": {"github", func(r *Request, secret string) {
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(macOf(makers["hex1"].hash, []byte(secret), string(r.Body))))
			r.Header.Del("X-Hub-Signature-256")
		}},
		"SHA-1 where Bitbucket has SHA-256": {"bitbucket", func(r *Request, secret string) {
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(macOf(makers["hex1"].hash, []byte(secret), string(r.Body))))
		}},
		"Stripe's v0": {"stripe", func(r *Request, secret string) {
			r.Header.Set("Stripe-Signature", strings.ReplaceAll(r.Header.Get("Stripe-Signature"), "v1=", "v0="))
		}},
		"Standard Webhooks' v1 under a later version": {"standard-webhooks", func(r *Request, _ string) {
			r.Header.Set("Webhook-Signature", strings.ReplaceAll(r.Header.Get("Webhook-Signature"), "v1,", "v2,"))
		}},
		"Hook0's v0 beside a wrong v1": {"hook0", func(r *Request, secret string) {
			sum := hex.EncodeToString(sha256MAC([]byte(secret), fill("{s}.", "", "", at)+string(r.Body)))
			r.Header.Set("X-Hook0-Signature", fill("t={s},v0=", "", "", at)+sum+",h=x-event-id,v1="+strings.Repeat("0", 64))
		}},
		"Hook0's v0 beside an empty v1": {"hook0", func(r *Request, secret string) {
			sum := hex.EncodeToString(sha256MAC([]byte(secret), fill("{s}.", "", "", at)+string(r.Body)))
			r.Header.Set("X-Hook0-Signature", fill("t={s},v0=", "", "", at)+sum+",v1=")
		}},
		"EasyPost's signature without a time": {"easypost-v2", func(r *Request, secret string) {
			r.Header.Del("X-Hmac-Signature-V2")
			r.Header.Set("X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(sha256MAC([]byte(secret), string(r.Body))))
		}},
		"v0 alone where the type is in a header": {"coinbase-cdp", func(r *Request, secret string) {
			sum := hex.EncodeToString(sha256MAC([]byte(secret), fill("{s}.", "", "", at)+string(r.Body)))
			r.Header.Set("X-Hook0-Signature", fill("t={s},v0=", "", "", at)+sum)
		}},
		"HubSpot's v1 beside a wrong v3": {"hubspot", func(r *Request, secret string) {
			r.Header.Set("X-Hubspot-Signature", hexSum(secret+string(r.Body)))
			r.Header.Set("X-Hubspot-Signature-V3", base64.StdEncoding.EncodeToString(make([]byte, 32)))
		}},
		"GitLab's token beside a wrong signature": {"gitlab-signing", func(r *Request, secret string) {
			r.Header.Set("X-Gitlab-Token", secret)
			r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sampleFor(t, test.sender)
			r, rc := s.bound(t)
			test.weaken(r, s.secrets[0])
			if outcome, err := rc.Receive(r, at); err == nil {
				t.Errorf("taken: %+v", outcome)
			}
		})
	}
}

// TestTokenAlgorithms shows that a token's word for its algorithm and key counts for nothing.
func TestTokenAlgorithms(t *testing.T) {
	t.Parallel()
	public := published().JWKS
	point, err := keys().ec[0].PublicKey.Bytes()
	must(err)
	const oct = "everyone can read this, so it signs nothing"
	for name, test := range map[string]struct {
		sender string
		header map[string]any
		sign   func(string) []byte
		want   error
	}{
		"none":                         {"plaid", map[string]any{"alg": "none", "kid": keyID}, func(string) []byte { return nil }, ErrBadSignature},
		"None":                         {"plaid", map[string]any{"alg": "None", "kid": keyID}, func(string) []byte { return nil }, ErrBadSignature},
		"HMAC by the public point":     {"plaid", map[string]any{"alg": "HS256", "kid": keyID}, hs256(string(point)), ErrBadSignature},
		"HMAC by the key set":          {"plaid", map[string]any{"alg": "HS256", "kid": keyID}, hs256(string(public)), ErrBadSignature},
		"HMAC by a published key":      {"plaid", map[string]any{"alg": "HS256", "kid": keyID}, hs256(oct), ErrBadSignature},
		"ES256 said, HMAC made":        {"plaid", map[string]any{"alg": "ES256", "kid": keyID}, hs256(oct), ErrBadSignature},
		"a key in the token":           {"plaid", map[string]any{"alg": "ES256", "kid": keyID, "jwk": json.RawMessage(`{"kty":"EC"}`)}, es256(keys().ec[1]), ErrMalformedHeader},
		"a key that is not published":  {"plaid", map[string]any{"alg": "ES256", "kid": "key-2"}, es256(keys().ec[0]), ErrUnknownKey},
		"no key id":                    {"plaid", map[string]any{"alg": "ES256"}, es256(keys().ec[0]), ErrMalformedHeader},
		"another algorithm's key":      {"google-pubsub", map[string]any{"alg": "ES256", "kid": keyID}, es256(keys().ec[0]), ErrBadSignature},
		"RS512 for RS256":              {"google-pubsub", map[string]any{"alg": "RS512", "kid": keyID}, func(c string) []byte { return signRSA(keys().rsa[0], crypto.SHA512, c) }, ErrBadSignature},
		"HMAC by nothing":              {"netlify", map[string]any{"alg": "HS256"}, hs256(""), ErrBadSignature},
		"none where a secret is known": {"netlify", map[string]any{"alg": "none"}, func(string) []byte { return nil }, ErrBadSignature},
		"a critical extension":         {"netlify", map[string]any{"alg": "HS256", "crit": []string{"x"}, "x": 1}, hs256("token-one"), ErrBadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sampleFor(t, test.sender)
			r, rc := s.bound(t)
			claims := map[string]any{
				"iss": "netlify", "sha256": hexSum(string(r.Body)), "request_body_sha256": hexSum(string(r.Body)), "iat": at.Unix(),
				"aud": sampleURL, "email": s.secrets[0], "email_verified": true,
			}
			prefix := ""
			if s.proof == "Authorization" {
				prefix = "Bearer "
			}
			r.Header.Set(s.proof, prefix+compact(test.header, claims, test.sign))
			if _, err := rc.Receive(r, at); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

func TestTokenClaims(t *testing.T) {
	t.Parallel()
	s := sampleFor(t, "google-pubsub")
	sign := func(content string) []byte { return signRSA(keys().rsa[0], crypto.SHA256, content) }
	for name, test := range map[string]struct {
		claim string
		value any
		want  error
	}{
		"all right":           {"iss", "accounts.google.com", nil},
		"another audience":    {"aud", "https://elsewhere.example.com", ErrBadClaim},
		"several audiences":   {"aud", []string{"x", sampleURL}, nil},
		"no audience":         {"aud", []string{}, ErrBadClaim},
		"another issuer":      {"iss", "https://accounts.example.com", ErrBadClaim},
		"another account":     {"email", "stranger@example.com", ErrBadClaim},
		"an unproven account": {"email_verified", false, ErrBadClaim},
		"expired":             {"exp", at.Unix() - 1, ErrTooOld},
		"expired just now":    {"exp", at.Unix(), ErrTooOld},
		"without an end":      {"exp", nil, ErrMalformedHeader},
		"not yet":             {"nbf", at.Unix() + 61, ErrTooNew},
		"a time as text":      {"exp", "tomorrow", ErrMalformedHeader},
	} {
		r, rc := s.bound(t)
		claims := map[string]any{"iss": "https://accounts.google.com", "aud": sampleURL, "email": s.secrets[0], "email_verified": true, "exp": at.Unix() + 10}
		claims[test.claim] = test.value
		r.Header.Set("Authorization", "Bearer "+compact(map[string]any{"alg": "RS256", "kid": keyID}, claims, sign))
		if _, err := rc.Receive(r, at); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	r, rc := s.bound(t)
	r.URL = ""
	if _, err := rc.Receive(r, at); !errors.Is(err, ErrNoURL) {
		t.Errorf("without any audience to want: %v", err)
	}
}

// TestCertificateHosts shows that no certificate is fetched from, or used of, a host that is not the sender's.
func TestCertificateHosts(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"http://api.paypal.com/v1/notifications/certs/CERT-1", "https://api.paypal.com.evil.example/c", "https://evil.example/api.paypal.com",
		"https://api.paypal.com@evil.example/c", "https://evil@api.paypal.com/c", "https://api.paypal.com:444/c", "https://api.paypal.com#@evil.example/",
		"https://api.paypal.com/v1/oauth2/token", "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1", "https://api.paypal.com/v1/notifications/certs/../x",
		"https://API.PAYPAL.COM\\@evil.example/c", "//api.paypal.com/c", "file:///etc/passwd", "", "https:api.paypal.com/c", "https://api.paypal.com\n.evil.example/",
	} {
		s := sampleFor(t, "paypal")
		s.keys = published(address)
		r, rc := s.bound(t)
		r.Header.Set("Paypal-Cert-Url", address)
		if _, err := rc.Receive(r, at); !errors.Is(err, ErrMalformedHeader) && !errors.Is(err, ErrMissingHeader) {
			t.Errorf("PayPal %q: %v", address, err)
		}
	}
	for _, address := range []string{
		"http://sns.eu-west-1.amazonaws.com/c.pem", "https://sns.eu-west-1.amazonaws.com.evil.example/c.pem", "https://sns.evil.example/c.pem",
		"https://sns.eu-west-1.amazonaws.com/c.txt", "https://bucket.s3.amazonaws.com/c.pem", "https://sns.a.b.amazonaws.com/c.pem", "https://sns.x.amazonaws.com/c.pem",
		"https://sns.eu-west-1.amazonaws.com/?Action=GetEndpointAttributes&x=.pem", "https://sns.eu-west-1.amazonaws.com/c.pem?x=.pem",
		"https://sns.eu-west-1.amazonaws.com/a/../c.pem", "https://sns.eu-west-1.amazonaws.com/c.pem#.pem",
		"https://xsns.eu-west-1.amazonaws.com/c.pem", "https://sns.eu-west-1.amazonaws.com:8443/c.pem", "https://u@sns.eu-west-1.amazonaws.com/c.pem",
	} {
		s := sampleFor(t, "aws-sns")
		s.keys = published(address)
		r, rc := s.bound(t)
		r.Body = []byte(strings.ReplaceAll(string(r.Body), "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem", address))
		if _, err := rc.Receive(r, at); !errors.Is(err, ErrMalformedBody) {
			t.Errorf("SNS %q: %v", address, err)
		}
	}
}

// TestSNSFieldsAreCutOnce: Amazon signs names and texts of fields without saying where each ends. What it signed of a
// stranger's topic must not be taken for another message, whose topic is known.
func TestSNSFieldsAreCutOnce(t *testing.T) {
	t.Parallel()
	const stranger, known = "arn:aws:sns:eu-west-1:2:stranger", "arn:aws:sns:eu-west-1:1:one"
	s := snsSample("1")
	signed := s.send(stranger, "forged\nMessageId\nm-2\nTimestamp\nnow\nTopicArn\n"+known+"\nType\nX", at)
	var message map[string]string
	if err := json.Unmarshal(signed.Body, &message); err != nil {
		t.Fatal(err)
	}
	delete(message, "Subject")
	message["Message"], message["MessageId"], message["TopicArn"] = "forged", "m-2", known
	message["Type"] = "X\nMessageId\nm-1\nSubject\nabout\nTimestamp\nnow\nTopicArn\n" + stranger + "\nType\nNotification"
	body, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	_, rc := s.bound(t)
	if _, err := rc.Receive(request(string(body)), at); !errors.Is(err, ErrMalformedBody) {
		t.Errorf("a message cut out of a stranger's: %v", err)
	}
}

// TestKeysUnavailable shows that a fault in fetching is told from a bad request.
func TestKeysUnavailable(t *testing.T) {
	t.Parallel()
	for _, sender := range []string{"paypal", "aws-sns", "plaid", "google-pubsub", "shipstation"} {
		for name, source := range map[string]KeySource{"nothing": nil, "nothing given": StaticKeys{}, "rubbish": StaticKeys{
			JWKS: []byte("rubbish"), Certs: map[string][]byte{
				"https://api.paypal.com/v1/notifications/certs/CERT-1":                []byte("rubbish"),
				"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
			},
		}} {
			s := sampleFor(t, sender)
			s.keys = source
			r, rc := s.bound(t)
			if _, err := rc.Receive(r, at); !errors.Is(err, ErrKeyUnavailable) {
				t.Errorf("%s with %s: %v", sender, name, err)
			}
		}
	}
}

// rotating is a KeySource whose kept document is old.
type rotating struct{ kept, newer []byte }

func (k rotating) Fetch(r KeyRequest) ([]byte, error) {
	if r.Newer {
		return k.newer, nil
	}
	return k.kept, nil
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	s := sampleFor(t, "google-pubsub")
	s.keys = rotating{[]byte(`{"keys":[]}`), published().JWKS}
	r, rc := s.bound(t)
	if _, err := rc.Receive(r, at); err != nil {
		t.Error(err)
	}
}

func TestPlaidKeyRequest(t *testing.T) {
	t.Parallel()
	for secret, host := range map[string]string{"client:secret": "production", "sandbox:client:secret": "sandbox"} {
		got := plaidKey([]string{secret}, "key-1")
		if got.URL != "https://"+host+".plaid.com/webhook_verification_key/get" || string(got.Body) != `{"client_id":"client","key_id":"key-1","secret":"secret"}` {
			t.Errorf("%s: %s %s", secret, got.URL, got.Body)
		}
	}
}

// TestPlaidKeys: one key instead of a set, and one that is withdrawn.
func TestPlaidKeys(t *testing.T) {
	t.Parallel()
	const key = `{"key":{"kty":"EC","crv":"P-256","kid":"k","alg":"ES256","x":"xxaVg-74ot6nUtwy9r1vxHeeV6mB1DQbZDDEhfUVq5Q","y":"zP_VJHg_EM1EjFGEQQjtpD7_P_ApCM96WSGqfnxPJ5w","expired_at":null}}`
	for document, want := range map[string]error{
		key: nil, strings.Replace(key, "null", "1790000000", 1): ErrUnknownKey, strings.Replace(key, "ES256", "ES384", 1): ErrUnknownKey,
	} {
		set := keySet{source: StaticKeys{JWKS: []byte(document)}}
		if _, err := set.key(KeyRequest{}, "k", "ES256"); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", document, err, want)
		}
	}
}

// TestTwilioAddresses: https://www.twilio.com/docs/usage/security#validating-requests
func TestTwilioAddresses(t *testing.T) {
	t.Parallel()
	row, _ := Lookup("twilio")
	rc, err := row.Bind(Binding{Secrets: []string{"12345"}})
	must(err)
	sign := func(content string) http.Header {
		return http.Header{"X-Twilio-Signature": {base64.StdEncoding.EncodeToString(macOf(makers["hex1"].hash, []byte("12345"), content))}}
	}
	json := `{"a":1}`
	sum := "?bodySHA256=" + hexSum(json)
	for name, test := range map[string]struct {
		url, signed, body, contentType string
		want                           error
	}{
		"as it is":             {"https://a.example/in", "https://a.example/inb1", "b=1", "form", nil},
		"port signed":          {"https://a.example/in", "https://a.example:443/inb1", "b=1", "form", nil},
		"port not signed":      {"https://a.example:8443/in", "https://a.example/inb1", "b=1", "form", nil},
		"http":                 {"http://a.example/in", "http://a.example:80/inb1", "b=1", "form", nil},
		"another port":         {"https://a.example/in", "https://a.example:8443/inb1", "b=1", "form", ErrBadSignature},
		"credentials":          {"https://u:p@a.example/in", "https://u:p@a.example:443/inb1", "b=1", "form", nil},
		"without credentials":  {"https://u:p@a.example/in", "https://a.example/inb1", "b=1", "form", ErrBadSignature},
		"IPv6":                 {"https://[::1]/in", "https://[::1]:443/inb1", "b=1", "form", nil},
		"same value twice":     {"https://a.example/in", "https://a.example/inb1b2c3", "c=3&b=2&b=1&b=2", "form", nil},
		"JSON":                 {"https://a.example/in" + sum, "https://a.example/in" + sum, json, "json", nil},
		"JSON changed":         {"https://a.example/in" + sum, "https://a.example/in" + sum, `{"a":2}`, "json", ErrBadSignature},
		"JSON without its sum": {"https://a.example/in", "https://a.example/in", json, "json", ErrMalformedBody},
		"a form of rubbish":    {"https://a.example/in", "https://a.example/in", "%zz", "form", ErrMalformedBody},
		"no address":           {"", "b1", "b=1", "form", ErrNoURL},
	} {
		r := &Request{Method: "POST", URL: test.url, Header: sign(test.signed), Body: []byte(test.body)}
		_, r.Query, _ = strings.Cut(test.url, "?")
		r.Header.Set("Content-Type", map[string]string{"form": "application/x-www-form-urlencoded", "json": "application/json"}[test.contentType])
		if _, err := rc.Receive(r, at); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	get := &Request{Method: "GET", URL: "https://a.example/in", Query: "To=1", Header: sign("https://a.example/in?To=1")}
	if _, err := rc.Receive(get, at); err != nil {
		t.Errorf("GET: %v", err)
	}
}

// TestForms are forms of requests beside the samples' that senders are documented to send.
func TestForms(t *testing.T) {
	t.Parallel()
	key := []byte("secret one")
	hexed := func(content string) string { return hex.EncodeToString(sha256MAC(key, content)) }
	for name, test := range map[string]struct {
		sender string
		change func(r *Request)
	}{
		"Gitea's form signs its payload": {"gitea", func(r *Request) {
			r.Body = []byte("payload=" + url.QueryEscape(`{"ref":"x"}`))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Gitea-Signature", hexed(`{"ref":"x"}`))
		}},
		"GitHub's form signs the body": {"github", func(r *Request) {
			r.Body = []byte("payload=" + url.QueryEscape(`{"ref":"x"}`))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Hub-Signature-256", "sha256="+hexed(string(r.Body)))
		}},
		"Mollie without a prefix": {"mollie", func(r *Request) { r.Header.Set("X-Mollie-Signature", hexed(string(r.Body))) }},
		"Mollie's two in one line": {"mollie", func(r *Request) {
			r.Header.Set("X-Mollie-Signature", "sha256="+strings.Repeat("0", 64)+", sha256="+hexed(string(r.Body)))
		}},
		"Shopify's newer names": {"shopify", func(r *Request) {
			r.Header = http.Header{"Shopify-Hmac-Sha256": r.Header["X-Shopify-Hmac-Sha256"], "Shopify-Topic": {"orders/create"}, "Shopify-Webhook-Id": {"w-1"}}
		}},
		"Viber in the query": {"viber", func(r *Request) {
			r.Query = "sig=" + r.Header.Get("X-Viber-Content-Signature")
			r.Header.Del("X-Viber-Content-Signature")
		}},
		"Linear's time in a header": {"linear", func(r *Request) { r.Header.Set("Linear-Timestamp", fill("{ms}", "", "", at)) }},
		"Svix by its own headers": {"svix", func(r *Request) {
			for _, name := range []string{"Id", "Timestamp", "Signature"} {
				r.Header["Webhook-"+name] = r.Header["Svix-"+name]
				r.Header.Del("Svix-" + name)
			}
		}},
		"OpenAI without a version": {"openai", func(r *Request) {
			r.Header.Set("Webhook-Signature", strings.TrimPrefix(r.Header.Get("Webhook-Signature"), "v1,"))
		}},
		"Supabase's two": {"supabase-auth-hook", func(r *Request) {
			r.Header.Set("Webhook-Signature", r.Header.Get("Webhook-Signature")+", v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
		}},
		"pairs the other way round": {"stripe", func(r *Request) {
			parts := strings.Split(r.Header.Get("Stripe-Signature"), ",")
			r.Header.Set("Stripe-Signature", parts[2]+" , "+parts[1]+" ,x, "+parts[0])
		}},
		"CloudEvents in the query": {"cloudevents", func(r *Request) {
			r.Query = "access_token=token-one"
			r.Header.Del("Authorization")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sampleFor(t, test.sender)
			r, rc := s.bound(t)
			test.change(r)
			outcome, err := rc.Receive(r, at)
			if err != nil || len(outcome.Events) != 1 {
				t.Errorf("%+v %v", outcome, err)
			}
		})
	}
}

func TestTwoTimesInOneHeader(t *testing.T) {
	t.Parallel()
	r, rc := sampleFor(t, "stripe").bound(t)
	signature := r.Header.Get("Stripe-Signature")
	for _, other := range []string{"t=1," + signature, signature + ",t=1"} {
		r.Header.Set("Stripe-Signature", other)
		if _, err := rc.Receive(r, at); !errors.Is(err, ErrMalformedHeader) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// TestRepeatedFields shows that a body in which readers may find two values for one signed name is refused.
func TestRepeatedFields(t *testing.T) {
	t.Parallel()
	for _, extra := range []string{`"Message":"evil"`, `"message":"evil"`, `"\u004dessage":"evil"`} {
		r, rc := sampleFor(t, "aws-sns").bound(t)
		for _, body := range []string{"{" + extra + "," + string(r.Body[1:]), string(r.Body[:len(r.Body)-1]) + "," + extra + "}"} {
			request := &Request{Method: "POST", Header: r.Header, Body: []byte(body)}
			if _, err := rc.Receive(request, at); err == nil {
				t.Errorf("taken: %s", extra)
			}
		}
	}
}

// TestLinearTime shows that a time that may be left out counts where it is there.
func TestLinearTime(t *testing.T) {
	t.Parallel()
	r, rc := sampleFor(t, "linear").bound(t)
	r.Header.Set("Linear-Timestamp", fill("{ms}", "", "", at.Add(-time.Hour)))
	if _, err := rc.Receive(r, at); !errors.Is(err, ErrTooOld) {
		t.Errorf("an old time in a header: %v", err)
	}
}

// TestAdyenFieldsOnce: whoever has seen a notification must not add a second value of a field, which other readers take.
func TestAdyenFieldsOnce(t *testing.T) {
	t.Parallel()
	for before, after := range map[string]string{
		`"amount":{"value":1000,`:          `"amount":{"value":1000,"value":1,`,
		`"eventCode":"AUTHORISATION",`:     `"eventCode":"AUTHORISATION","EventCode":"REFUND",`,
		`"amount":{`:                       `"amount":{"value":1000,"currency":"EUR"},"amount":{`,
		`{"NotificationRequestItem":{`:     `{"notificationRequestItem":{"pspReference":"x"},"NotificationRequestItem":{`,
		`]}`:                               `],"notificationItems":[]}`,
		`"additionalData":{"hmacSignature`: `"additionalData":{"HMACSignature":"x","hmacSignature`,
	} {
		r, rc := adyenSample().bound(t)
		changed := strings.Replace(string(r.Body), before, after, 1)
		if changed == string(r.Body) {
			t.Fatalf("nothing changed by %s", after)
		}
		if _, err := rc.Receive(request(changed), at); !errors.Is(err, ErrMalformedBody) {
			t.Errorf("%s: %v", after, err)
		}
	}
}
