package provider

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// samples are how every sender of the table sends.
func samples() []sample {
	all := [][]sample{standardSamples(), plainSamples(), timedSamples(), tokenSamples(), specialSamples(), paymentSamples(), developerSamples(), businessSamples()}
	var flat []sample
	for _, s := range all {
		flat = append(flat, s...)
	}
	return flat
}

func standardSamples() []sample {
	var list []sample
	for _, sender := range []string{"standard-webhooks", "liveblocks", "openai", "render"} {
		list = append(list, standardSample(sender, "webhook", whsec))
	}
	for _, sender := range []string{"svix", "clerk", "resend"} {
		list = append(list, standardSample(sender, "svix", whsec))
	}
	gitlab := standardSample("gitlab-signing", "webhook", whsec).event("Push Hook", "msg_1")
	return append(list,
		standardSample("brex", "webhook", whsec).with(`{"event_type":"TRANSFER","id":"evt_1"}`).event("TRANSFER", "msg_1"),
		standardSample("replicate", "webhook", whsec).with(`{"status":"succeeded","id":"evt_1"}`).event("succeeded", "msg_1"),
		standardSample("supabase-auth-hook", "webhook", whsec).
			of("v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").event("auth-hook", "msg_1"),
		standardSample("polar", "webhook", raw).of("polar_whs_one", "polar_whs_two"),
		gitlab.changed(func(r *Request) { r.Header.Set("X-Gitlab-Event", "Push Hook") }),
	)
}

// plainSamples sign the body alone.
func plainSamples() []sample {
	const body, typed = "{body}", "order.created"
	hexed := func(sender, header string) sample {
		return signed(sender, "hex", body, header+": {sig}").event(typed, "evt_1")
	}
	base64ed := func(sender, header string) sample {
		return signed(sender, "base64", body, header+": {sig}").event(typed, "evt_1")
	}
	hub := func(sender, header string, more ...string) sample {
		return signed(sender, "hex", body, append(more, header+": sha256={sig}")...)
	}
	return []sample{
		signed("airtable", "hex", body).keyed("hex", body, whsec, "X-Airtable-Content-MAC: hmac-sha256={sig}").of("c2VjcmV0LW9uZQ==", "c2VjcmV0LXR3bw==").event("notification", "").proven("X-Airtable-Content-Mac", "hmac-sha256=!!!!"),
		hexed("asana", "X-Hook-Signature").with(`{"events":[{"action":"changed","id":"evt_1"}]}`).event("changed", ""),
		hub("bitbucket", "X-Hub-Signature", "X-Event-Key: repo:push", "X-Request-UUID: u-1").event("repo:push", "u-1"),
		signed("circleci", "hex", body, "circleci-event-type: workflow-completed", "circleci-signature: v1={sig},v2=00").event("workflow-completed", "evt_1"),
		hexed("coinbase-commerce", "X-CC-Webhook-Signature").with(`{"event":{"type":"charge:created","id":"evt_1"}}`).event("charge:created", "evt_1"),
		hexed("dropbox", "X-Dropbox-Signature").event("file-changes", ""),
		signed("easypost", "hex", body).keyed("hex", body, func(s string) []byte { return []byte(strings.ReplaceAll(s, "\u00e9", "e\u0301")) }, "X-Hmac-Signature: hmac-sha256-hex={sig}").
			of("s\u00e9cret", "other").with(`{"description":"tracker.updated","id":"evt_1"}`).event("tracker.updated", "evt_1").proven("X-Hmac-Signature", "hmac-sha256-hex=!!!!"),
		signed("forgejo", "hex", body, "X-Forgejo-Event: push", "X-Forgejo-Delivery: d-1", "X-Forgejo-Signature: {sig}").event("push", "d-1"),
		signed("gitea", "hex", body, "X-Gitea-Event: push", "X-Gitea-Delivery: d-1", "X-Gitea-Signature: {sig}").event("push", "d-1"),
		hub("github", "X-Hub-Signature-256", "X-GitHub-Event: push", "X-GitHub-Delivery: d-1").event("push", "d-1"),
		hexed("gocardless", "Webhook-Signature").with(`{"events":[{"id":"EV1","resource_type":"payments"}],"meta":{"webhook_id":"evt_1"}}`).event("payments", "evt_1"),
		hexed("grafana", "X-Grafana-Alerting-Signature").with(`{"status":"firing","id":"evt_1"}`).event("firing", ""),
		signed("intercom", "hex1", body, "X-Hub-Signature: sha1={sig}").with(`{"topic":"user.created","id":"evt_1"}`).event("user.created", "evt_1"),
		hub("jira", "X-Hub-Signature", "X-Atlassian-Webhook-Identifier: w-1").with(`{"webhookEvent":"jira:issue_updated","id":"evt_1"}`).event("jira:issue_updated", "w-1"),
		signed("lemon-squeezy", "hex", body, "X-Event-Name: order_created", "X-Signature: {sig}").event("order_created", ""),
		signed("linear", "hex", body, "Linear-Event: Issue", "Linear-Delivery: d-1", "Linear-Signature: {sig}").event("Issue", "d-1"),
		hexed("mailersend", "Signature").with(`{"type":"activity.sent","data":{"id":"evt_1"}}`).event("activity.sent", "evt_1"),
		hub("meta", "X-Hub-Signature-256").with(`{"object":"page","id":"evt_1"}`).event("page", ""),
		hub("mollie", "X-Mollie-Signature").event(typed, "evt_1").looking(""),
		hexed("notify", "x-notify-signature").with(`{"event":"connection.created","event_id":"evt_1"}`).event("connection.created", "evt_1"),
		hub("notion", "X-Notion-Signature").event(typed, "evt_1"),
		signed("pagerduty", "hex", body, "X-PagerDuty-Signature: v1=00,v1={sig}").with(`{"event":{"event_type":"incident.triggered","id":"evt_1"}}`).event("incident.triggered", "evt_1"),
		signed("paystack", "hex512", body, "x-paystack-signature: {sig}").with(`{"event":"charge.success","data":{"id":7},"x":"evt_1"}`).event("charge.success", "7"),
		hexed("polaris", "x-polaris-signature"),
		hexed("protocol", "x-protocol-signature"),
		signed("razorpay", "hex", body, "x-razorpay-event-id: e-1", "X-Razorpay-Signature: {sig}").event(typed, "e-1"),
		signed("sentry", "hex", body, "Sentry-Hook-Resource: issue", "Request-ID: q-1", "Sentry-Hook-Signature: {sig}").event("issue", "q-1"),
		signed("vercel", "hex1", body, "x-vercel-signature: {sig}").event(typed, "evt_1"),
		hexed("viber", "X-Viber-Content-Signature").with(`{"event":"message","message_token":4912661846655238145,"x":"evt_1"}`).event("message", "4912661846655238145"),

		signed("adyen-platform", "base64", body).keyed("base64", body, func(s string) []byte { b, _ := hex.DecodeString(s); return b }, "HmacSignature: {sig}").
			of("11223344D785FBAE710E7F943F307971", "00223344d785fbae710e7f943f307971").event(typed, "").proven("Hmacsignature", "!!!!"),
		base64ed("docusign", "X-DocuSign-Signature-3").event(typed, ""),
		base64ed("heroku", "Heroku-Webhook-Hmac-SHA256").with(`{"resource":"api:release","webhook_metadata":{"event":{"id":"evt_1"}}}`).event("api:release", "evt_1"),
		base64ed("intuit", "intuit-signature").with(`[{"type":"qbo.customer.created.v1","id":"evt_1"}]`).event("qbo.customer.created.v1", "evt_1"),
		base64ed("line", "x-line-signature").with(`{"events":[{"type":"message","webhookEventId":"evt_1"}]}`).event("message", "evt_1"),
		signed("shopify", "base64", body, "X-Shopify-Topic: orders/create", "X-Shopify-Webhook-Id: w-1", "X-Shopify-Hmac-Sha256: {sig}").event("orders/create", "w-1"),
		signed("typeform", "base64", body, "Typeform-Signature: sha256={sig}").with(`{"event_type":"form_response","event_id":"evt_1"}`).event("form_response", "evt_1"),
		signed("woocommerce", "base64", body, "X-WC-Webhook-Topic: order.created", "X-WC-Webhook-Delivery-ID: d-1", "X-WC-Webhook-Signature: {sig}").event(typed, "d-1"),
		signed("x-twitter", "base64", body, "x-twitter-webhooks-signature: sha256={sig}").event("account_activity", ""),
		base64ed("xero", "x-xero-signature").with(`{"events":[{"eventCategory":"INVOICE","resourceId":"evt_1"}]}`).event("INVOICE", ""),
	}
}

func (s sample) proven(header, garbage string) sample { s.proof, s.garbage = header, garbage; return s }

// timedSamples sign a time with the body.
func timedSamples() []sample {
	const typed = "order.created"
	pairs := func(sender, content, header string) sample {
		return signed(sender, "hex", content, header).event(typed, "evt_1")
	}
	return []sample{
		signed("buildkite", "hex", "{s}.{body}", "X-Buildkite-Event: build.finished", "X-Buildkite-Signature: timestamp={s},signature={sig}").event("build.finished", ""),
		pairs("calendly", "{s}.{body}", "Calendly-Webhook-Signature: t={s},v1={sig}").within(3*time.Minute).
			with(`{"event":"invitee.created","payload":{"uri":"evt_1"}}`).event("invitee.created", "evt_1"),
		signed("coinbase-cdp", "hex", "{s}.x-event-id x-event-type.e-1.onchain.{body}",
			"X-Event-Id: e-1", "X-Event-Type: onchain", "X-Hook0-Signature: t={s},v0=00,h=x-event-id x-event-type,v1={sig}").event("onchain", "e-1"),
		signed("easypost-v2", "hex", "{rfc2822}POST/in/sender{body}", "X-Path: /in/sender", "X-Timestamp: {rfc2822}", "X-Hmac-Signature-V2: hmac-sha256-hex={sig}").
			with(`{"description":"tracker.updated","id":"evt_1"}`).event("tracker.updated", "evt_1"),
		pairs("elevenlabs", "{s}.{body}", "ElevenLabs-Signature: t={s},v0={sig}").within(30*time.Minute).event(typed, ""),
		signed("grafana-ts", "hex", "{s}:{body}", "X-Grafana-Alerting-Timestamp: {s}", "X-Grafana-Alerting-Signature: {sig}").
			with(`{"status":"firing","id":"evt_1"}`).event("firing", ""),
		signed("hook0", "hex", "{s}.x-event-id.e-1.{body}", "X-Event-Id: e-1", "X-Hook0-Signature: t={s},h=x-event-id,v1={sig}").event(typed, "e-1"),
		signed("mailomat", "hex", "m-1.delivered.{s}", "X-MOM-Webhook-ID: m-1", "X-MOM-Webhook-Event: delivered", "X-MOM-Webhook-Timestamp: {s}",
			"X-MOM-Webhook-Signature: sha256={sig}").event("delivered", "m-1").at("X-Mom-Webhook-Timestamp", 24*time.Hour),
		pairs("mux", "{s}.{body}", "Mux-Signature: t={s},v1={sig}"),
		pairs("paddle", "{s}:{body}", "Paddle-Signature: ts={s};h1={sig}").with(`{"event_type":"transaction.paid","event_id":"evt_1"}`).event("transaction.paid", "evt_1"),
		signed("sanity", "base64url", "{ms}.{body}", "sanity-operation: create", "idempotency-key: k-1", "sanity-webhook-signature: t={ms},v1={sig}").event("create", "k-1"),
		pairs("shippo", "{s}.{body}", "Shippo-Auth-Signature: t={s},v1={sig}").event(typed, ""),
		signed("slack", "hex", "v0:{s}:{body}", "X-Slack-Request-Timestamp: {s}", "X-Slack-Signature: v0={sig}").
			with(`{"event":{"type":"message"},"event_id":"evt_1"}`).event("message", "evt_1"),
		pairs("stripe", "{s}.{body}", "Stripe-Signature: t={s},v1={sig},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"),
		signed("twitch", "hex", "m-1{rfc3339}{body}", "Twitch-Eventsub-Message-Id: m-1", "Twitch-Eventsub-Subscription-Type: channel.follow",
			"Twitch-Eventsub-Message-Timestamp: {rfc3339}", "Twitch-Eventsub-Message-Signature: sha256={sig}").within(10*time.Minute).event("channel.follow", "m-1"),
		signed("webflow", "hex", "{ms}:{body}", "x-webflow-timestamp: {ms}", "x-webflow-signature: {sig}").with(`{"triggerType":"form_submission","id":"evt_1"}`).event("form_submission", ""),
		pairs("workos", "{ms}.{body}", "WorkOS-Signature: t={ms}, v1={sig}").within(3 * time.Minute),
		signed("zendesk", "base64", "{rfc3339}{body}", "X-Zendesk-Webhook-Invocation-Id: i-1", "X-Zendesk-Webhook-Signature-Timestamp: {rfc3339}",
			"X-Zendesk-Webhook-Signature: {sig}").event(typed, "i-1"),
		signed("zoom", "hex", "v0:{s}:{body}", "x-zm-request-timestamp: {s}", "x-zm-signature: v0={sig}").event(typed, ""),

		signed("hubspot", "base64", "POST{url}{body}{ms}", "X-HubSpot-Request-Timestamp: {ms}", "X-HubSpot-Signature-v3: {sig}").
			with(`[{"subscriptionType":"contact.creation","eventId":7,"x":"evt_1"}]`).event("contact.creation", "7"),
		signed("square", "base64", "{url}{body}", "x-square-hmacsha256-signature: {sig}").with(`{"type":"payment.updated","event_id":"evt_1"}`).event("payment.updated", "evt_1"),
		signed("trello", "base64-1", "{body}{url}", "X-Trello-Webhook: {sig}").with(`{"action":{"type":"updateCard","id":"evt_1"}}`).event("updateCard", "evt_1"),
	}
}

func tokenSamples() []sample {
	const typed = "order.created"
	basic := func(sender string) sample {
		s := token(sender, "Authorization: Basic {secret}").of("user:one", "user:two").looking("Bearer x")
		send := s.send
		s.send = func(secret, body string, sent time.Time) *Request {
			return send(base64.StdEncoding.EncodeToString([]byte(secret)), body, sent)
		}
		return s
	}
	passcode := token("figma").event("FILE_UPDATE", "").spoiled(`"passcode"`, `"password"`).spoiled(`"token-one"`, `["token-one"]`)
	passcode.send = func(secret, _ string, _ time.Time) *Request {
		return request(`{"event_type":"FILE_UPDATE","passcode":"` + secret + `"}`)
	}
	graph := token("microsoft-graph").event("created", "n-1").spoiled(`{"clientState":"token-one"}`, `{"id":"n-2"}`).
		spoiled(`{"clientState":"token-one"}`, `{"clientState":"token-two"}`).spoiled(`"value"`, `"values"`)
	graph.send = func(secret, _ string, _ time.Time) *Request {
		return request(`{"value":[{"id":"n-1","changeType":"created","clientState":"` + secret + `"},{"clientState":"` + secret + `"}]}`)
	}
	return []sample{
		token("alertmanager", "Authorization: Bearer {secret}").with(`{"status":"firing"}`).event("firing", ""),
		basic("alertmanager-basic").with(`{"status":"firing"}`).event("firing", ""),
		token("auth0", "Authorization: Bearer {secret}").event(typed, "evt_1"),
		queried("azure-event-grid", "token").with(`[{"eventType":"blob.created","id":"evt_1"}]`).event("blob.created", "evt_1"),
		token("buildkite-token", "X-Buildkite-Event: ping", "X-Buildkite-Token: {secret}").event("ping", ""),
		basic("chargebee").with(`{"event_type":"invoice_generated","id":"evt_1"}`).event("invoice_generated", "evt_1"),
		token("cloudevents", "Ce-Type: com.example", "Ce-Id: c-1", "Authorization: Bearer {secret}").event("com.example", "c-1"),
		token("cloudflare", "cf-webhook-auth: {secret}").with(`{"alert_type":"ssl","alert_correlation_id":"evt_1"}`).event("ssl", "evt_1"),
		token("datadog", "X-Webhook-Token: {secret}").with(`{"event_type":"alert","id":"evt_1"}`).event("alert", "evt_1"),
		queried("docker-hub", "token").event("push", ""),
		queried("docker-hub-url-token", "token").event("push", ""),
		passcode,
		token("gitlab", "X-Gitlab-Event: Push Hook", "Idempotency-Key: k-1", "X-Gitlab-Token: {secret}").event("Push Hook", "k-1"),
		graph,
		token("okta", "Authorization: {secret}").with(`{"eventId":"evt_1","data":{"events":[{"eventType":"user.session.start"}]}}`).event("user.session.start", "evt_1"),
		token("polytomic", "Authorization: Bearer {secret}", "Polytomic-Signature-Timestamp: {rfc3339}").event(typed, ""),
		basic("postmark").with(`{"RecordType":"Bounce","MessageID":"evt_1"}`).event("Bounce", "evt_1"),
		queried("shippo-url-token", "token").event(typed, ""),
		token("telegram", "X-Telegram-Bot-Api-Secret-Token: {secret}").with(`{"update_id":10000}`).event("update", "10000"),
	}
}
