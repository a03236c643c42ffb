package provider

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"hash"
	"net/url"
	"time"
)

// also is how much further back the time may lie, where the sender's tries may have that of the first one.
func (s sample) also(retries time.Duration) sample { s.retries = retries; return s }

func paymentSamples() []sample {
	const body = "{body}"
	standard := func(sender, member, eventType string) sample {
		return standardSample(sender, "webhook", whsec).with(`{"`+member+`":"`+eventType+`","id":"evt_1"}`).event(eventType, "msg_1")
	}
	return []sample{
		signed("airwallex", "hex", "{ms}{body}", "x-timestamp: {ms}", "x-signature: {sig}").also(72*time.Hour).with(`{"name":"payment_intent.succeeded","id":"evt_1"}`).event("payment_intent.succeeded", "evt_1"),
		standardSample("bigcommerce", "webhook", raw).of("secret one", "secret two").with(`{"scope":"store/order/statusUpdated","hash":"evt_1"}`).event("store/order/statusUpdated", "msg_1"),
		signed("btcpay", "hex", body, "BTCPay-Sig: sha256={sig}").with(`{"deliveryId":"d-2","originalDeliveryId":"evt_1","type":"InvoiceSettled"}`).event("InvoiceSettled", "evt_1"),
		signed("cashfree", "base64", "{ms}{body}", "x-webhook-timestamp: {ms}", "x-webhook-signature: {sig}").also(24*time.Hour).event("order.created", ""),
		standard("dodo-payments", "type", "payment.succeeded"),
		signed("dwolla", "hex", body, "X-Request-Signature-SHA-256: {sig}").with(`{"topic":"transfer_completed","id":"evt_1"}`).event("transfer_completed", "evt_1"),
		standard("increase", "category", "account.created"),
		signed("lago", "base64", body, "X-Lago-Unique-Key: u-1", "X-Lago-Signature-Algorithm: hmac", "X-Lago-Signature: {sig}").with(`{"webhook_type":"invoice.created","x":"evt_1"}`).event("invoice.created", "u-1"),
		standard("lithic", "event_type", "card.created"),
		mercadoPagoSample(),
		signed("modern-treasury", "hex", body, "X-Signature: {sig}").event("order.created", ""),
		signed("moov", "hex512", "{rfc3339}|n-1|w-1", "X-Timestamp: {rfc3339}", "X-Nonce: n-1", "X-Webhook-ID: w-1", "X-Signature: {sig}").also(24*time.Hour).with(`{"type":"transfer.updated","eventID":"evt_1"}`).event("transfer.updated", "evt_1"),
		signed("onfido", "hex", body, "X-SHA2-Signature: {sig}").with(`{"payload":{"action":"check.completed","object":{"id":"evt_1"}}}`).event("check.completed", ""),
		signed("orb", "hex", "v1:{utc}:{body}", "X-Orb-Timestamp: {utc}", "X-Orb-Signature: v1={sig}").event("order.created", "evt_1"),
		signed("persona", "hex", "{s}.{body}", "Persona-Signature: t={s},v1={sig}").with(`{"data":{"type":"event","id":"evt_1","attributes":{"name":"inquiry.completed"}}}`).event("inquiry.completed", "evt_1"),
		signed("recurly", "hex", "{ms}.{body}", "recurly-signature: {ms},{sig}").with(`{"id":"evt_1","object_type":"account","event_type":"created"}`).event("account-created", ""),
		token("revenuecat", "Authorization: {secret}").with(`{"event":{"id":"evt_1","type":"TEST"}}`).event("TEST", "evt_1"),
		signed("rewardful", "hex", body, "X-Rewardful-Signature: {sig}").with(`{"event":{"id":"evt_1","type":"referral.created"}}`).event("referral.created", "evt_1"),
		signed("unit", "base64-1", body, "X-Unit-Signature: {sig}").with(`{"data":[{"id":"evt_1","type":"application.approved"}]}`).event("application.approved", "evt_1"),
		rsaKeySample("wise", "X-Signature-Sha256", crypto.SHA256, func(r *Request) { r.Header.Set("X-Delivery-Id", "d-1") }).with(`{"event_type":"transfers#state-change","x":"evt_1"}`).event("transfers#state-change", "d-1"),
		token("xendit", "webhook-id: w-1", "x-callback-token: {secret}").event("order.created", "w-1"),
		signed("zoho-payments", "hex", "{ms}.{body}", "X-Zoho-Webhook-Signature: t={ms},v={sig}").with(`{"event_type":"payment.succeeded","event_id":"evt_1"}`).event("payment.succeeded", "evt_1"),
	}
}

func developerSamples() []sample {
	const body, typed = "{body}", "order.created"
	return []sample{
		signed("alchemy", "hex", body, "X-Alchemy-Signature: {sig}").event(typed, "evt_1"),
		standardSample("anthropic", "webhook", whsec).with(`{"type":"event","id":"evt_1","data":{"type":"agent.created"}}`).event("agent.created", "msg_1"),
		queried("apify", "token").with(`{"eventType":"ACTOR.RUN.SUCCEEDED"}`).event("ACTOR.RUN.SUCCEEDED", ""),
		signed("appwrite", "base64-1", "{url}{body}", "X-Appwrite-Webhook-Signature: {sig}"),
		token("deepgram", "dg-token: {secret}").with(`{"metadata":{"request_id":"evt_1"}}`).event("callback", "evt_1"),
		e2bSample(),
		signed("expo", "hex1", body, "expo-signature: sha1={sig}").with(`{"id":"evt_1","status":"errored"}`).event("errored", "evt_1-errored"),
		signed("flagsmith", "hex", body, "X-Flagsmith-Signature: {sig}").with(`{"event_type":"FLAG_UPDATED","data":"evt_1"}`).event("FLAG_UPDATED", ""),
		hashedJWT("fusionauth", "X-Fusionauth-Signature-Jwt", "", "request_body_sha256", base64.StdEncoding, nil).with(`{"event":{"type":"user.create","id":"evt_1"}}`).event("user.create", "evt_1"),
		signed("getstream", "hex", body, "X-Webhook-Id: w-1", "X-Signature: {sig}").event(typed, "w-1"),
		signed("gogs", "hex", body, "X-Gogs-Event: push", "X-Gogs-Delivery: d-1", "X-Gogs-Signature: {sig}").event("push", "d-1"),
		signed("growthbook", "hex", body, "X-GrowthBook-Signature: {sig}").event(typed, ""),
		standardSample("growthbook-sdk", "webhook", raw).of("wk_secret one", "wk_secret two"),
		token("hugging-face", "X-Webhook-Secret: {secret}").with(`{"event":{"action":"update","scope":"repo.content"}}`).event("repo.content-update", ""),
		signed("knock", "base64", "{ms}.{body}", "x-knock-signature: t={ms},s={sig}").event(typed, ""),
		signed("launchdarkly", "hex", body, "X-LD-Signature: {sig}").with(`{"_id":"evt_1","kind":"flag"}`).event("flag", "evt_1"),
		hashedJWT("livekit", "Authorization", "", "sha256", base64.StdEncoding, map[string]any{"iss": "APIkey"}).event(typed, "evt_1"),
		signed("logto", "hex", body, "logto-signature-sha-256: {sig}").event(typed, ""),
		signed("nango", "hex", body, "X-Nango-Hmac-Sha256: {sig}").event(typed, ""),
		signed("netbox", "hex512", body, "X-Hook-Signature: {sig}").event(typed, ""),
		token("ory", "Authorization: {secret}"),
		signed("outpost", "hex", body, "x-outpost-topic: user.created", "x-outpost-event-id: e-1", "x-outpost-signature: v0=00,{sig}").event("user.created", "e-1").looking("v0="),
		signed("pusher", "hex", body, "X-Pusher-Key: key", "X-Pusher-Signature: {sig}").with(`{"time_ms":1,"events":[{"name":"channel_occupied","channel":"evt_1"}]}`).event("channel_occupied", ""),
		hashedJWT("qstash", "Upstash-Signature", "", "body", base64.RawURLEncoding, map[string]any{"iss": "Upstash", "sub": sampleURL}).with("evt_1").event("", "").
			changed(func(r *Request) { r.Header.Set("Upstash-Message-Id", "m-1") }),
		signed("retell", "hex", "{body}{ms}", "x-retell-signature: v={ms},d={sig}").event(typed, ""),
		signed("snyk", "hex", body, "X-Snyk-Event: project_snapshot/v0", "X-Snyk-Transport-ID: t-1", "X-Hub-Signature: sha256={sig}").event("project_snapshot/v0", "t-1"),
		token("strapi", "Authorization: Bearer {secret}").event(typed, ""),
		signed("tailscale", "hex", "{s}.{body}", "Tailscale-Webhook-Signature: t={s},v1={sig}").with(`[{"type":"nodeCreated","data":{"nodeID":"evt_1"}}]`).event("nodeCreated", ""),
		signed("terraform", "hex512", body, "X-TFE-Notification-Signature: {sig}").with(`{"run_id":"evt_1","notifications":[{"trigger":"run:errored"}]}`).event("run:errored", ""),
		travisSample(),
		token("vapi", "Authorization: Bearer {secret}").with(`{"message":{"type":"end-of-call-report"}}`).event("end-of-call-report", ""),
		signed("zitadel", "hex", "{s}.{body}", "ZITADEL-Signature: t={s},v1={sig}").with(`{"event_type":"user.human.added","x":"evt_1"}`).event("user.human.added", ""),
	}
}

func businessSamples() []sample {
	const body, typed = "{body}", "order.created"
	login := token("mailjet", "Authorization: Basic {secret}").of("user:one", "user:two").looking("Bearer x").with(`[{"event":"open"},{"event":"click"}]`).event("open", "")
	send := login.send
	login.send = func(secret, body string, sent time.Time) *Request {
		return send(base64.StdEncoding.EncodeToString([]byte(secret)), body, sent)
	}
	return []sample{
		login,
		signed("ashby", "hex", body, "Ashby-Signature: sha256={sig}").with(`{"action":"candidateHire","x":"evt_1"}`).event("candidateHire", ""),
		signed("attio", "hex", body, "Idempotency-Key: k-1", "Attio-Signature: {sig}").with(`{"webhook_id":"w","events":[{"event_type":"record.created","id":"evt_1"}]}`).event("record.created", "k-1"),
		signed("box", "base64", "{body}{rfc3339}", "BOX-DELIVERY-TIMESTAMP: {rfc3339}", "BOX-SIGNATURE-PRIMARY: {sig}").within(10*time.Minute).with(`{"trigger":"FILE.UPLOADED","id":"evt_1"}`).event("FILE.UPLOADED", "evt_1"),
		token("brevo", "Authorization: Bearer {secret}").event(typed, ""),
		signed("cal-com", "hex", body, "X-Cal-Signature-256: {sig}").with(`{"triggerEvent":"BOOKING_CREATED","payload":{"uid":"evt_1"}}`).event("BOOKING_CREATED", ""),
		signed("clickup", "hex", body, "X-Signature: {sig}").event(typed, ""),
		signed("crisp", "hex", "[{ms};{body}]", "X-Crisp-Request-Timestamp: {ms}", "X-Crisp-Signature: {sig}").also(24*time.Hour).event(typed, ""),
		signed("customer-io", "hex", "v0:{s}:{body}", "X-CIO-Timestamp: {s}", "X-CIO-Signature: {sig}").also(7*24*time.Hour).with(`{"event_id":"evt_1","object_type":"email","metric":"opened"}`).event("email-opened", "evt_1"),
		signed("deel", "hex", "POST{body}", "x-deel-signature: {sig}").with(`{"data":{"meta":{"event_type":"contract.created"}},"x":"evt_1"}`).event("contract.created", ""),
		signed("discourse", "hex", body, "X-Discourse-Event: post_created", "X-Discourse-Event-Id: 7", "X-Discourse-Event-Signature: sha256={sig}").event("post_created", ""),
		token("documenso", "X-Documenso-Secret: {secret}").event(typed, ""),
		signed("dub", "hex", body, "Dub-Signature: {sig}").event(typed, "evt_1"),
		signed("finch", "base64", "").keyed("base64", "e-1.{s}.{body}", whsec, "Finch-Event-Id: e-1", "Finch-Timestamp: {s}", "Finch-Signature: v1,{sig}").
			of("5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD").with(`{"event_type":"directory.updated","x":"evt_1"}`).event("directory.updated", "e-1").
			proven("Finch-Signature", "v1,!!!!").at("Finch-Timestamp", 0),
		standardSample("formbricks", "webhook", whsec).with(`{"event":"responseFinished","x":"evt_1"}`).event("responseFinished", "msg_1"),
		signed("frappe", "base64", body, "X-Frappe-Webhook-Signature: {sig}"),
		signed("front", "base64", "{ms}:{body}", "X-Front-Request-Timestamp: {ms}", "X-Front-Signature: {sig}").with(`{"type":"inbound_received","payload":{"id":"evt_1","emitted_at":1.5}}`).event("inbound_received", "evt_1-1.5"),
		signed("front-rule", "base64-1", body, "X-Front-Signature: {sig}").event(typed, "evt_1"),
		signed("ghost", "hex", "{body}{ms}", "X-Ghost-Signature: sha256={sig}, t={ms}").event(typed, ""),
		signed("greenhouse", "hex", body, "Greenhouse-Event-ID: 7", "Signature: sha256 {sig}").with(`{"action":"candidate_stage_change","x":"evt_1"}`).event("candidate_stage_change", "7"),
		signed("help-scout", "base64-1", body, "X-HelpScout-Event: convo.created", "X-HelpScout-Signature: {sig}").event("convo.created", ""),
		signed("mautic", "base64", body, "Webhook-Signature: {sig}").with(`{"mautic.lead_post_save_new":[{"lead":{"id":"evt_1"}}],"timestamp":"x"}`).event("mautic.lead_post_save_new", ""),
		signed("microsoft-teams", "base64", "").keyed("base64", body, whsec, "Authorization: HMAC {sig}").of("vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaA=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").
			with(`{"type":"message","id":"evt_1","timestamp":"t"}`).event("message", "evt_1-t").proven("Authorization", "HMAC !!!!"),
		cloudinarySample("cloudinary", sha1.New), cloudinarySample("cloudinary-sha256", sha256.New),
		mondaySample(), messagebirdSample(), plivoSample(),
		signed("nylas", "hex", body, "X-Nylas-Signature: {sig}").event(typed, "evt_1"),
		signed("outline", "hex", "{ms}.{body}", "Outline-Signature: t={ms},s={sig}").event(typed, ""),
		signed("plane", "hex", body, "X-Plane-Event: workitem.updated", "X-Plane-Signature: {sig}").with(`{"event":"workitem.updated","event_id":"evt_1","delivery_id":"d-2"}`).event("workitem.updated", "evt_1"),
		rsaKeySample("postal", "X-Postal-Signature-256", crypto.SHA256, func(*Request) {}).with(`{"event":"MessageSent","uuid":"evt_1"}`).event("MessageSent", "evt_1"),
		signed("sinch", "base64", "{body}.n-1.{s}", "x-sinch-webhook-signature-nonce: n-1", "x-sinch-webhook-signature-timestamp: {s}", "x-sinch-webhook-signature: {sig}").also(24 * time.Hour),
		signed("taiga", "hex1", body, "X-TAIGA-WEBHOOK-SIGNATURE: {sig}").with(`{"type":"userstory","action":"create","x":"evt_1"}`).event("userstory-create", ""),
		telnyxSample(),
		signed("tiktok", "hex", "{s}.{body}", "TikTok-Signature: t={s},s={sig}").also(72*time.Hour).event(typed, ""),
		signed("twenty", "hex", "{ms}:{body}", "X-Twenty-Webhook-Nonce: n-1", "X-Twenty-Webhook-Timestamp: {ms}", "X-Twenty-Webhook-Signature: {sig}").with(`{"eventName":"person.created","x":"evt_1"}`).event("person.created", ""),
		token("zapier", "X-Webhook-Token: {secret}").event(typed, ""),
		signed("webex", "hex1", body, "X-Spark-Signature: {sig}").with(`{"id":"webhook","resource":"messages","event":"created","data":{"id":"evt_1"}}`).event("messages-created", ""),
	}
}

// mercadoPagoSample signs a parameter of the address.
func mercadoPagoSample() sample {
	s := token("mercado-pago").proven("X-Signature", "ts=1790000000,v1=!!!!").with(`{"action":"payment.updated","id":"evt_1"}`).event("payment.updated", "q-1").
		spoiled("123456", "123457").spoiled("data.id=123456", "")
	s.tolerance, s.retries = 5*time.Minute, 24*time.Hour
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		r.Query = "data.id=123456&type=payment"
		r.Header.Set("X-Request-Id", "q-1")
		ts := fill("{ms}", "", "", sent)
		sum := sha256MAC([]byte(secret), "id:123456;request-id:q-1;ts:"+ts+";")
		r.Header.Set("X-Signature", "ts="+ts+",v1="+makers["hex"].encode(sum))
		return r
	}
	return s
}

func e2bSample() sample {
	s := token("e2b").proven("E2b-Signature", "!!!!").with(`{"type":"sandbox.lifecycle.created","id":"evt_1"}`).event("sandbox.lifecycle.created", "evt_1")
	s.send = func(secret, body string, _ time.Time) *Request {
		r := request(body)
		sum := sha256.Sum256([]byte(secret + body))
		r.Header.Set("E2b-Signature", base64.RawURLEncoding.EncodeToString(sum[:]))
		return r
	}
	return s
}

// hashedJWT is a sender of a token with the hash of the body in a claim, and other claims beside it.
func hashedJWT(sender, header, prefix, claim string, encoding *base64.Encoding, more map[string]any) sample {
	s := token(sender).proven(header, prefix+"a.b")
	s.send = func(secret, body string, _ time.Time) *Request {
		r := request(body)
		sum := sha256.Sum256([]byte(body))
		claims := map[string]any{claim: encoding.EncodeToString(sum[:])}
		for name, value := range more {
			claims[name] = value
		}
		r.Header.Set(header, prefix+compact(map[string]any{"alg": "HS256", "typ": "JWT"}, claims, hs256(secret)))
		return r
	}
	return s
}

func cloudinarySample(sender string, h func() hash.Hash) sample {
	s := token(sender).proven("X-Cld-Signature", "!!!!").with(`{"notification_type":"upload","public_id":"evt_1"}`).event("upload", "").at("X-Cld-Timestamp", 2*time.Hour)
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		sum := h()
		sum.Write([]byte(body + fill("{s}", "", "", sent) + secret))
		r.Header.Set("X-Cld-Timestamp", fill("{s}", "", "", sent))
		r.Header.Set("X-Cld-Signature", hex.EncodeToString(sum.Sum(nil)))
		return r
	}
	return s
}

func messagebirdSample() sample {
	s := token("messagebird").proven("Messagebird-Signature-Jwt", "a.b").event("callback", "").spoiled("a=1", "a=2")
	s.send = func(secret, body string, _ time.Time) *Request {
		r := request(body)
		claims := map[string]any{"iss": "MessageBird", "jti": "j-1", "url_hash": hexSum(sampleURL), "payload_hash": hexSum(body)}
		r.Header.Set("Messagebird-Signature-Jwt", compact(map[string]any{"alg": "HS256", "typ": "JWT"}, claims, hs256(secret)))
		return r
	}
	return s
}

func plivoSample() sample {
	s := token("plivo").proven("X-Plivo-Signature-V3", "!!!!").with("To=%2B1800&Event=StartApp&x=evt_1").event("StartApp", "").spoiled("a=1", "a=2").spoiled("a=1", "a=1&c=3")
	s.send = func(secret, body string, _ time.Time) *Request {
		r := formRequest(body)
		fields, err := url.ParseQuery(body)
		must(err)
		r.Header.Set("X-Plivo-Signature-V3-Nonce", "n-1")
		sum := sha256MAC([]byte(secret), sampleURL+".Event"+fields.Get("Event")+"To"+fields.Get("To")+"x"+fields.Get("x")+".n-1")
		r.Header.Set("X-Plivo-Signature-V3", base64.StdEncoding.EncodeToString(sum))
		return r
	}
	return s
}

func mondaySample() sample {
	s := token("monday").proven("Authorization", "a.b").with(`{"event":{"type":"create_pulse","triggerUuid":"evt_1"}}`).event("create_pulse", "evt_1").at("", 0)
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		claims := map[string]any{"aud": sampleURL, "iat": sent.Unix(), "exp": sent.Add(10 * time.Minute).Unix()}
		r.Header.Set("Authorization", compact(map[string]any{"alg": "HS256", "typ": "JWT"}, claims, hs256(secret)))
		return r
	}
	return s
}

// publicPEM and publicBase64 are both forms of a public key.
func publicPEM(key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func publicBase64(key *rsa.PrivateKey) string {
	block, _ := pem.Decode([]byte(publicPEM(key)))
	return base64.StdEncoding.EncodeToString(block.Bytes)
}

// rsaKeySample signs the body with RSA.
func rsaKeySample(sender, header string, hash crypto.Hash, change func(r *Request)) sample {
	s := token(sender).of(publicBase64(keys().rsa[0]), publicPEM(keys().rsa[1])).proven(header, "!!!!")
	s.send = func(secret, body string, _ time.Time) *Request {
		r := request(body)
		r.Header.Set(header, base64.StdEncoding.EncodeToString(signRSA(keys().rsa[s.which(secret)], hash, body)))
		change(r)
		return r
	}
	return s
}

// travisSample signs the text of a form's field.
func travisSample() sample {
	s := rsaKeySample("travis-ci", "Signature", crypto.SHA1, func(*Request) {}).with(`{"id":"evt_1","type":"push","state":"passed"}`).event("push", "")
	send := s.send
	s.send = func(secret, body string, sent time.Time) *Request {
		r := formRequest("payload=" + url.QueryEscape(body))
		r.Header.Set("Signature", send(secret, body, sent).Header.Get("Signature"))
		return r
	}
	return s
}

func telnyxSample() sample {
	public := func(i int) string {
		return base64.StdEncoding.EncodeToString(keys().ed[i].Public().(ed25519.PublicKey))
	}
	s := token("telnyx").of(public(0), public(1)).proven("Telnyx-Signature-Ed25519", "!!!!").
		with(`{"data":{"event_type":"message.received","id":"evt_1"}}`).event("message.received", "evt_1").at("Telnyx-Timestamp", 0)
	s.send = func(secret, body string, sent time.Time) *Request {
		r := request(body)
		ts := fill("{s}", "", "", sent)
		r.Header.Set("Telnyx-Timestamp", ts)
		r.Header.Set("Telnyx-Signature-Ed25519", base64.StdEncoding.EncodeToString(ed25519.Sign(keys().ed[s.which(secret)], []byte(ts+"|"+body))))
		return r
	}
	return s
}
