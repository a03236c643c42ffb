package provider

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"math/big"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"
)

// testKeys are two keys of each kind: the sender's, and a stranger's.
type testKeys struct {
	ed  [2]ed25519.PrivateKey
	ec  [2]*ecdsa.PrivateKey
	rsa [2]*rsa.PrivateKey
}

var keys = sync.OnceValue(func() (k testKeys) {
	for i := range 2 {
		var err error
		_, k.ed[i], err = ed25519.GenerateKey(rand.Reader)
		must(err)
		k.ec[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		k.rsa[i], err = rsa.GenerateKey(rand.Reader, 2048)
		must(err)
	}
	return k
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// which is the number of the key that a secret stands for.
func (s sample) which(secret string) int {
	if secret == s.secrets[1] {
		return 1
	}
	return 0
}

const keyID = "key-1"

// published is the key set of the senders that have one, and a certificate at each of the addresses.
func published(certs ...string) StaticKeys {
	k := keys()
	e := big.NewInt(int64(k.rsa[0].E)).Bytes()
	point, err := k.ec[0].PublicKey.Bytes()
	must(err)
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kty": "unheard of", "kid": keyID},
		map[string]any{"kty": "oct", "kid": keyID, "k": b64([]byte("everyone can read this, so it signs nothing"))},
		map[string]any{"kty": "RSA", "kid": keyID, "n": b64(k.rsa[0].N.Bytes()), "e": b64(e), "alg": "RS256", "use": "sig"},
		map[string]any{"kty": "EC", "kid": keyID, "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]), "alg": "ES256"},
	}})
	must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.rsa[0].Public(), k.rsa[0])
	must(err)
	source := StaticKeys{JWKS: set, Certs: map[string][]byte{}}
	for _, address := range certs {
		source.Certs[address] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return source
}

func signRSA(key *rsa.PrivateKey, hash crypto.Hash, content string) []byte {
	h := hash.New()
	h.Write([]byte(content))
	signature, err := rsa.SignPKCS1v15(nil, key, hash, h.Sum(nil))
	must(err)
	return signature
}

// compact is a JSON Web Signature of the claims.
func compact(header map[string]any, claims any, sign func(content string) []byte) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		must(err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	content := part(header) + "." + part(claims)
	return content + "." + base64.RawURLEncoding.EncodeToString(sign(content))
}

func hs256(secret string) func(string) []byte {
	return func(content string) []byte { return sha256MAC([]byte(secret), content) }
}

func es256(key *ecdsa.PrivateKey) func(string) []byte {
	return func(content string) []byte {
		sum := sha256.Sum256([]byte(content))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		must(err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
}

func sha256MAC(key []byte, content string) []byte { return macOf(makers["hex"].hash, key, content) }

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func specialSamples() []sample {
	return []sample{
		ed25519Sample("discord-interactions", "X-Signature-Ed25519", "X-Signature-Timestamp").with(`{"type":2,"id":"evt_1"}`).event("2", "evt_1").at("X-Signature-Timestamp", 0),
		ed25519Sample("discord-events", "X-Signature-Ed25519", "X-Signature-Timestamp").with(`{"type":1,"event":{"type":"APPLICATION_AUTHORIZED"},"x":"evt_1"}`).event("APPLICATION_AUTHORIZED", "").
			at("X-Signature-Timestamp", 10*time.Minute),
		standardEd25519(), sendgridSample(), shipstationSample(), paypalSample(), snsSample("1"), snsSample("2"),
		netlifySample(), vonageSample(), plaidSample(), pubsubSample(),
		adyenSample(), braintreeSample(), contentfulSample(), dropboxSignSample(), mailgunSample(), segmentSample(),
		formSample("twilio", "X-Twilio-Signature", "MessageStatus=delivered&To=%2B1800&x=evt_1").event("delivered", ""),
		formSample("mandrill", "X-Mandrill-Signature", "mandrill_events="+url.QueryEscape(`[{"event":"send","_id":"evt_1","ts":1}]`)).event("send", "evt_1"),
		digestSample("hubspot-v1", "{secret}{body}"), digestSample("hubspot-v2", "{secret}POST{url}{body}"),
	}
}

func ed25519Sample(sender, signature, timestamp string) sample {
	public := func(i int) string { return hex.EncodeToString(keys().ed[i].Public().(ed25519.PublicKey)) }
	s := token(sender).of(public(0), public(1)).proven(signature, "!!!!")
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		ts := fill("{s}", "", "", sent)
		r.Header.Set(timestamp, ts)
		r.Header.Set(signature, hex.EncodeToString(ed25519.Sign(keys().ed[s.which(secret)], []byte(ts+body))))
		return r
	}
	return s
}

func standardEd25519() sample {
	public := func(i int) string {
		return "whpk_" + base64.StdEncoding.EncodeToString(keys().ed[i].Public().(ed25519.PublicKey))
	}
	s := token("standard-webhooks-ed25519").of(public(0), public(1)).proven("Webhook-Signature", "v1,!!!!").event("order.created", "msg_1")
	s.timed, s.tolerance = "Webhook-Timestamp", 5*time.Minute
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		ts := fill("{s}", "", "", sent)
		r.Header.Set("Webhook-Id", "msg_1")
		r.Header.Set("Webhook-Timestamp", ts)
		signature := ed25519.Sign(keys().ed[s.which(secret)], []byte("msg_1."+ts+"."+body))
		r.Header.Set("Webhook-Signature", "v1,AAAA v1a,"+base64.StdEncoding.EncodeToString(signature))
		return r
	}
	return s
}

func sendgridSample() sample {
	public := func(i int) string {
		der, err := x509.MarshalPKIXPublicKey(keys().ec[i].Public())
		must(err)
		return base64.StdEncoding.EncodeToString(der)
	}
	const signature, timestamp = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"
	s := token("sendgrid").of(public(0), public(1)).proven(signature, "!!!!").
		with("[{\"event\":\"open\",\"sg_event_id\":\"evt_1\"}]\r\n").event("open", "evt_1").at(timestamp, 24*time.Hour)
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		r.Header.Set(timestamp, fill("{s}", "", "", sent))
		sum := sha256.Sum256([]byte(r.Header.Get(timestamp) + body))
		der, err := ecdsa.SignASN1(rand.Reader, keys().ec[s.which(secret)], sum[:])
		must(err)
		r.Header.Set(signature, base64.StdEncoding.EncodeToString(der))
		return r
	}
	return s
}

func shipstationSample() sample {
	const signature, timestamp = "X-Shipengine-Rsa-Sha256-Signature", "X-Shipengine-Timestamp"
	s := token("shipstation").proven(signature, "!!!!").with(`{"resource_type":"API_BATCH","x":"evt_1"}`).event("API_BATCH", "")
	s.keys, s.single = published(), true
	s.timed, s.tolerance = timestamp, 5*time.Minute
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		r.Header.Set(timestamp, fill("{rfc3339}", "", "", sent))
		r.Header.Set("X-Shipengine-Rsa-Sha256-Key-Id", keyID)
		r.Header.Set(signature, base64.StdEncoding.EncodeToString(signRSA(keys().rsa[s.which(secret)], crypto.SHA256, r.Header.Get(timestamp)+"."+body)))
		return r
	}
	return s
}

func paypalSample() sample {
	const cert = "https://api.paypal.com/v1/notifications/certs/CERT-1"
	s := token("paypal").of("WEBHOOK1", "WEBHOOK2").proven("Paypal-Transmission-Sig", "!!!!").
		with(`{"event_type":"PAYMENT.SALE.COMPLETED","id":"evt_1"}`).event("PAYMENT.SALE.COMPLETED", "evt_1").spoiled("evt_1", "evt_2").
		at("Paypal-Transmission-Time", 72*time.Hour)
	s.keys = published(cert)
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		at := fill("{rfc3339}", "", "", sent)
		for name, value := range map[string]string{"Transmission-Id": "t-1", "Transmission-Time": at, "Cert-Url": cert, "Auth-Algo": "SHA256withRSA"} {
			r.Header.Set("Paypal-"+name, value)
		}
		content := fmt.Sprintf("t-1|%s|%s|%d", at, secret, crc32.ChecksumIEEE([]byte(body)))
		r.Header.Set("Paypal-Transmission-Sig", base64.StdEncoding.EncodeToString(signRSA(keys().rsa[0], crypto.SHA256, content)))
		return r
	}
	return s
}

func snsSample(version string) sample {
	const cert = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
	s := token("aws-sns").of("arn:aws:sns:eu-west-1:1:one", "arn:aws:sns:eu-west-1:1:two").with("hello evt_1").event("Notification", "m-1").at("", time.Hour)
	s.keys = published(cert)
	s.send = func(secret, body string, sent time.Time) *Request {
		published := sent.UTC().Format("2006-01-02T15:04:05.000Z")
		hash := map[string]crypto.Hash{"1": crypto.SHA1, "2": crypto.SHA256}[version]
		content := "Message\n" + body + "\nMessageId\nm-1\nSubject\nabout\nTimestamp\n" + published + "\nTopicArn\n" + secret + "\nType\nNotification\n"
		text, err := json.Marshal(map[string]string{
			"Type": "Notification", "MessageId": "m-1", "TopicArn": secret, "Subject": "about", "Message": body, "Timestamp": published,
			"SignatureVersion": version, "SigningCertURL": cert,
			"Signature": base64.StdEncoding.EncodeToString(signRSA(keys().rsa[0], hash, content)),
		})
		must(err)
		return request(string(text))
	}
	return s
}

func netlifySample() sample {
	s := token("netlify").proven("X-Webhook-Signature", "a.b").event("deploy_created", "evt_1")
	s.send = func(secret, body string, _ time.Time) *Request {
		r := request(body)
		r.Header.Set("X-Netlify-Event", "deploy_created")
		claims := map[string]any{"iss": "netlify", "sha256": hexSum(body)}
		r.Header.Set("X-Webhook-Signature", compact(map[string]any{"alg": "HS256", "typ": "JWT"}, claims, hs256(secret)))
		return r
	}
	return s
}

func vonageSample() sample {
	s := token("vonage").proven("Authorization", "Bearer a.b").with(`{"status":"delivered","message_uuid":"evt_1"}`).event("delivered", "evt_1").at("", 24*time.Hour)
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		claims := map[string]any{"iss": "Vonage", "iat": sent.Unix(), "payload_hash": hexSum(body)}
		r.Header.Set("Authorization", "Bearer "+compact(map[string]any{"alg": "HS256"}, claims, hs256(secret)))
		return r
	}
	return s
}

func plaidSample() sample {
	s := token("plaid").of("client:one", "client:two").proven("Plaid-Verification", "a.b").
		with("{\n  \"webhook_code\": \"DEFAULT_UPDATE\",\n  \"x\": \"evt_1\"\n}").event("DEFAULT_UPDATE", "")
	s.keys, s.single = published(), true
	s.tolerance = 5 * time.Minute
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		claims := map[string]any{"iat": sent.Unix(), "request_body_sha256": hexSum(body)}
		r.Header.Set("Plaid-Verification", compact(map[string]any{"alg": "ES256", "kid": keyID}, claims, es256(keys().ec[s.which(secret)])))
		return r
	}
	return s
}

func pubsubSample() sample {
	s := token("google-pubsub").of("push@p.iam.gserviceaccount.com", "other@p.iam.gserviceaccount.com").proven("Authorization", "Bearer a.b").
		with(`{"message":{"messageId":"evt_1","attributes":{"eventType":"OBJECT_FINALIZE"}}}`).event("OBJECT_FINALIZE", "evt_1")
	s.keys = published()
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		claims := map[string]any{
			"iss": "https://accounts.google.com", "aud": sampleURL, "email": secret, "email_verified": true,
			"iat": sent.Unix(), "exp": sent.Add(time.Hour).Unix(),
		}
		sign := func(content string) []byte { return signRSA(keys().rsa[0], crypto.SHA256, content) }
		r.Header.Set("Authorization", "Bearer "+compact(map[string]any{"alg": "RS256", "kid": keyID}, claims, sign))
		return r
	}
	return s
}

func adyenSample() sample {
	s := token("adyen").of("AABB01", "AABB02").event("AUTHORISATION", "psp-1").
		spoiled(`"psp-2"`, `"psp-3"`).spoiled(`"value":1000`, `"value":1`).spoiled(`"notificationItems":[`, `"notificationItems":[],"x":[`)
	s.send = func(secret, _ string, _ time.Time) *Request {
		key, err := hex.DecodeString(secret)
		must(err)
		item := func(psp string) string {
			sum := sha256MAC(key, psp+"::merchant:ref:1000:EUR:AUTHORISATION:true")
			return `{"NotificationRequestItem":{"pspReference":"` + psp + `","merchantAccountCode":"merchant","merchantReference":"ref",` +
				`"amount":{"value":1000,"currency":"EUR"},"eventCode":"AUTHORISATION","success":"true",` +
				`"additionalData":{"hmacSignature":"` + base64.StdEncoding.EncodeToString(sum) + `"}}}`
		}
		return request(`{"live":"false","notificationItems":[` + item("psp-1") + "," + item("psp-2") + `]}`)
	}
	return s
}

func braintreeSample() sample {
	s := token("braintree").of("pub1:private1", "pub1:private2").
		with("<notification><timestamp>2026</timestamp><kind>subscription_canceled</kind><x>evt_1</x></notification>").event("subscription_canceled", "")
	s.send = func(secret, body string, _ time.Time) *Request {
		public, private, _ := strings.Cut(secret, ":")
		key := sha1.Sum([]byte(private))
		payload := base64.StdEncoding.EncodeToString([]byte(body)) + "\n"
		form := url.Values{"bt_payload": {payload}, "bt_signature": {"other|00&" + public + "|" + hex.EncodeToString(macOf(sha1.New, key[:], payload))}}
		return formRequest(form.Encode())
	}
	return s
}

func formRequest(body string) *Request {
	r := request(body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	return r
}

func contentfulSample() sample {
	s := token("contentful").proven("X-Contentful-Signature", "!!!!").event("ContentManagement.Entry.publish", "r-1")
	s.timed, s.tolerance = "X-Contentful-Timestamp", 30*time.Second
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		r.Header.Set("X-Contentful-Topic", "ContentManagement.Entry.publish")
		r.Header.Set("X-Contentful-Webhook-Request-Id", "r-1")
		r.Header.Set("X-Contentful-Timestamp", fill("{ms}", "", "", sent))
		r.Header.Set("X-Contentful-Signed-Headers", "x-contentful-topic,x-contentful-timestamp,x-contentful-signed-headers")
		content := "POST\n/in/sender?a%253D1%2526b%253D2\n" +
			"x-contentful-signed-headers:" + r.Header.Get("X-Contentful-Signed-Headers") + ";x-contentful-timestamp:" + r.Header.Get("X-Contentful-Timestamp") +
			";x-contentful-topic:ContentManagement.Entry.publish\n" + body
		r.Header.Set("X-Contentful-Signature", hex.EncodeToString(sha256MAC([]byte(secret), content)))
		return r
	}
	return s
}

func dropboxSignSample() sample {
	s := token("dropbox-sign").event("signature_request_sent", "").
		spoiled("signature_request_sent", "signature_request_viewed").spoiled("event_hash", "hash").at("", 72*time.Hour)
	s.send = func(secret, _ string, sent time.Time) *Request {
		at := fill("{s}", "", "", sent)
		sum := hex.EncodeToString(sha256MAC([]byte(secret), at+"signature_request_sent"))
		r := request("--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n" +
			`{"event":{"event_time":"` + at + `","event_type":"signature_request_sent","event_hash":"` + sum + `"}}` + "\r\n--b--\r\n")
		r.Header.Set("Content-Type", `multipart/form-data; boundary="b"`)
		return r
	}
	return s
}

func mailgunSample() sample {
	s := token("mailgun").event("opened", "t-1").spoiled("t-1", "t-2").spoiled("1790000000", "1790000001").spoiled(`"token":"t-1",`, "").at("", 9*time.Hour)
	s.send = func(secret, _ string, sent time.Time) *Request {
		at := fill("{s}", "", "", sent)
		sum := hex.EncodeToString(sha256MAC([]byte(secret), at+"t-1"))
		return request(`{"signature":{"timestamp":"` + at + `","token":"t-1","signature":"` + sum + `"},"event-data":{"event":"opened"}}`)
	}
	return s
}

// segmentSample is a list, of which the first element is signed.
func segmentSample() sample {
	s := token("segment").proven("X-Signature", "!!!!").event("track", "m-1")
	s.send = func(secret, _ string, _ time.Time) *Request {
		r := request(` [ {"type": "track", "messageId": "m-1", "n": [1, "é<"]}, {"type":"page"} ]`)
		r.Header.Set("X-Signature", hex.EncodeToString(macOf(sha1.New, []byte(secret), `{"type":"track","messageId":"m-1","n":[1,"é<"]}`)))
		return r
	}
	return s
}

// formSample signs the address and the sorted fields of a form.
func formSample(sender, header, form string) sample {
	s := token(sender).proven(header, "!!!!").with(form)
	s.send = func(secret, body string, _ time.Time) *Request {
		r := formRequest(body)
		fields, err := url.ParseQuery(body)
		must(err)
		var names []string
		for name := range fields {
			names = append(names, name)
		}
		sort.Strings(names)
		var content bytes.Buffer
		content.WriteString(sampleURL)
		for _, name := range names {
			content.WriteString(name + fields.Get(name))
		}
		r.Header.Set(header, base64.StdEncoding.EncodeToString(macOf(sha1.New, []byte(secret), content.String())))
		return r
	}
	return s
}

func digestSample(sender, content string) sample {
	s := token(sender).proven("X-Hubspot-Signature", "!!!!").with(`[{"subscriptionType":"contact.creation","eventId":7,"x":"evt_1"}]`).event("contact.creation", "7")
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		r.Header.Set("X-Hubspot-Signature", hexSum(fill(content, secret, body, sent)))
		return r
	}
	return s
}
