package provider

import "time"

// timedRows are senders of an HMAC over the body together with a time, and often more.
var timedRows = []Sender{
	{
		// "buildkite-token" is for a webhook that sends its token instead.
		Name: "buildkite", Title: "Buildkite", Docs: "https://buildkite.com/docs/apis/webhooks/pipelines",
		Secret: "the webhook's token", Scheme: pairsMAC("X-Buildkite-Signature", Pairs(",", "signature", "timestamp"), ".", Seconds, minute5),
		Type:    Header("X-Buildkite-Event"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "calendly", Title: "Calendly", Docs: "https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures",
		Secret: signingSecret, Scheme: pairsMAC("Calendly-Webhook-Signature", Pairs(",", "v1", "t"), ".", Seconds, 3*time.Minute),
		Type: JSON("event"), ID: JSON("payload.uri"),
		// The URI is the invitee's, who comes, cancels and stays away.
		StoredID: Apart(JSON("payload.uri"), JSON("event"), JSON("created_at")),
		Success:  success200, Refusal: refusal401,
	},
	{
		// The type stands in a header, so a signature that leaves the headers out does not do.
		Name: "coinbase-cdp", Title: "Coinbase Developer Platform", Docs: "https://docs.cdp.coinbase.com/webhooks/verify-signatures",
		Caveat: "of the headers those that the signature names",
		Secret: "the subscription's secret", Scheme: Hook0{From: Header("X-Hook0-Signature"), NeedsHeaders: true, Tolerance: minute5},
		Type: Header("x-event-type"), ID: Header("x-event-id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Each request has this signature and that of "easypost", which signs the body alone. The path is what the header says.
		Name: "easypost-v2", Title: "EasyPost (v2 signature)", Docs: "https://support.easypost.com/hc/en-us/articles/39826034964237-Webhook-HMAC-Validation",
		Secret: sharedSecret,
		Scheme: HMAC{Key: NFKDKey, Signature: Signature{
			From: []Value{Header("X-Hmac-Signature-V2")}, Format: Prefixed("hmac-sha256-hex="),
			Content:   []Value{Header("X-Timestamp"), Method(), Header("X-Path"), Body()},
			Timestamp: Timestamp{From: Header("X-Timestamp"), Unit: RFC2822, Tolerance: minute5},
		}},
		Type: JSON("description"), ID: JSON("id"),
		Success: success200, Refusal: refusal401, Wait: 7 * time.Second,
	},
	{
		// v0 is what this sender has, and not an older one.
		Name: "elevenlabs", Title: "ElevenLabs", Docs: "https://elevenlabs.io/docs/product-guides/administration/webhooks",
		Secret: sharedSecret, Scheme: pairsMAC("ElevenLabs-Signature", Pairs(",", "v0", "t"), ".", Seconds, 30*time.Minute),
		Type:    JSON("type"),
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		// A contact point that is set to sign a time too.
		Name: "grafana-ts", Title: "Grafana alerting (with timestamp)",
		Docs:   "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
		Secret: "the contact point's HMAC secret", OwnHeader: true,
		Scheme: HMAC{Signature: Signature{
			From:      []Value{Header("X-Grafana-Alerting-Signature")},
			Content:   []Value{Header("X-Grafana-Alerting-Timestamp"), Const(":"), Body()},
			Timestamp: Timestamp{From: Header("X-Grafana-Alerting-Timestamp"), Unit: Seconds, Tolerance: minute5},
		}},
		Type:    JSON("status"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "hook0", Title: "Hook0", Docs: "https://documentation.hook0.com/tutorials/webhook-authentication",
		Caveat: "of the headers those that the signature names",
		Secret: "the subscription's secret", Scheme: Hook0{From: Header("X-Hook0-Signature"), Tolerance: minute5},
		Type: JSON("event"), ID: Header("x-event-id"),
		StoredType: FirstOf(JSON("event"), Header("x-event-type")),
		Success:    success200, Refusal: refusal401,
	},
	{
		// The body is not signed. Its pages don't say for how long it retries, nor whether with the same time.
		Name: "mailomat", Title: "Mailomat", Docs: "https://api.mailomat.swiss/docs/#tag/webhook",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("X-MOM-Webhook-Signature")}, Format: Prefixed("sha256="),
			Content: []Value{
				Header("X-MOM-Webhook-ID"), Const("."), Header("X-MOM-Webhook-Event"), Const("."), Header("X-MOM-Webhook-Timestamp"),
			},
			Timestamp: Timestamp{From: Header("X-MOM-Webhook-Timestamp"), Unit: Seconds, Tolerance: minute5, Retries: day},
		}},
		Type: Header("X-MOM-Webhook-Event"), ID: Header("X-MOM-Webhook-ID"),
		StoredID: Apart(Header("X-MOM-Webhook-ID"), JSON("id"), JSON("eventType")),
		Success:  success200, Refusal: refusal401,
	},
	{
		Name: "mux", Title: "Mux", Docs: "https://www.mux.com/docs/core/verify-webhook-signatures",
		Secret: signingSecret, Scheme: pairsMAC("Mux-Signature", Pairs(",", "v1", "t"), ".", Seconds, minute5),
		Type: JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "paddle", Title: "Paddle Billing", Docs: "https://developer.paddle.com/webhooks/signature-verification",
		Secret: "the endpoint's secret key", Scheme: pairsMAC("Paddle-Signature", Pairs(";", "h1", "ts"), ":", Seconds, minute5),
		Type: JSON("event_type"), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// Milliseconds, and base64 for addresses without padding.
		Name: "sanity", Title: "Sanity", Docs: "https://www.sanity.io/docs/webhooks",
		Secret: sharedSecret, Scheme: sanity(),
		Type: Header("sanity-operation"), ID: Header("idempotency-key"),
		StoredID: Apart(Header("idempotency-key"), Header("sanity-webhook-id"), Header("sanity-document-id")),
		Success:  success200, Refusal: refusal401,
	},
	{
		// Signed on request; else "shippo-url-token".
		Name: "shippo", Title: "Shippo", Docs: "https://docs.goshippo.com/docs/tracking/webhooksecurity/",
		Secret: sharedSecret, Scheme: pairsMAC("Shippo-Auth-Signature", Pairs(",", "v1", "t"), ".", Seconds, minute5),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401, Wait: 3 * time.Second,
	},
	{
		// Commands and clicks are forms, without a type here.
		Name: "slack", Title: "Slack", Docs: "https://docs.slack.dev/authentication/verifying-requests-from-slack",
		BodySecrets: []string{"token", "response_url"},
		Secret:      "the app's signing secret", SecretForm: hexSecret, Scheme: versionedMAC("X-Slack-Signature", "X-Slack-Request-Timestamp"),
		Type: JSON("event.type"), ID: JSON("event_id"),
		Handshakes: []Handshake{slackCertificate, slackURL},
		StoredType: FirstOf(JSON("event.type"), JSON("type"), Form("command"), FormJSON("payload", "type")),
		Success:    success200, Refusal: refusal401, Wait: 3 * time.Second,
		// A menu asks for what to offer. Its choice comes as another event.
		Others: []Other{
			{At: FormJSON("payload", "type"), Is: "block_suggestion", Answer: jsonAnswer(`{"options":[]}`)},
			{At: FormJSON("payload", "type"), Is: "dialog_suggestion", Answer: jsonAnswer(`{"options":[]}`)},
		},
	},
	{
		// The secret signs as it is, whsec_ included. v0 does not count.
		Name: "stripe", Title: "Stripe", Docs: "https://docs.stripe.com/webhooks/signature",
		BodySecrets: []string{"data.object.client_secret"},
		Secret:      "the endpoint's signing secret", SecretForm: stripeSecret, Scheme: pairsMAC("Stripe-Signature", Pairs(",", "v1", "t"), ".", Seconds, minute5),
		Type: JSON("type"), ID: JSON("id"),
		Success: success202, Refusal: refusal401,
	},
	{
		Name: "twitch", Title: "Twitch EventSub", Docs: "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
		Secret: "the subscription's secret",
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("Twitch-Eventsub-Message-Signature")}, Format: Prefixed("sha256="),
			Content:   []Value{Header("Twitch-Eventsub-Message-Id"), Header("Twitch-Eventsub-Message-Timestamp"), Body()},
			Timestamp: Timestamp{From: Header("Twitch-Eventsub-Message-Timestamp"), Unit: RFC3339, Tolerance: 10 * time.Minute},
		}},
		Type: Header("Twitch-Eventsub-Subscription-Type"), ID: Header("Twitch-Eventsub-Message-Id"),
		Handshakes: []Handshake{twitchCallback},
		StoredType: FirstOf(When(Header("Twitch-Eventsub-Message-Type"), "revocation"), Header("Twitch-Eventsub-Subscription-Type")),
		Success:    success202, Refusal: refusal401,
	},
	{
		Name: "webflow", Title: "Webflow", Docs: "https://developers.webflow.com/data/docs/working-with-webhooks",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{
			From:      []Value{Header("x-webflow-signature")},
			Content:   []Value{Header("x-webflow-timestamp"), Const(":"), Body()},
			Timestamp: Timestamp{From: Header("x-webflow-timestamp"), Unit: Milliseconds, Tolerance: minute5},
		}},
		Type:    JSON("triggerType"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Milliseconds, and a space after the comma. Actions are signed the same way, but want a signed answer.
		Name: "workos", Title: "WorkOS", Docs: "https://workos.com/docs/events/data-syncing/webhooks",
		Secret: sharedSecret, Scheme: pairsMAC("WorkOS-Signature", Pairs(",", "v1", "t"), ".", Milliseconds, 3*time.Minute),
		Type: JSON("event"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The secret looks like base64 and is not. Nothing stands between time and body.
		Name: "zendesk", Title: "Zendesk", Docs: "https://developer.zendesk.com/documentation/webhooks/verifying/",
		Secret: signingSecret,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("X-Zendesk-Webhook-Signature")}, Encoding: Base64,
			Content:   []Value{Header("X-Zendesk-Webhook-Signature-Timestamp"), Body()},
			Timestamp: Timestamp{From: Header("X-Zendesk-Webhook-Signature-Timestamp"), Unit: RFC3339, Tolerance: minute5},
		}},
		Caveat: "without a body nothing of the address is",
		Type:   FirstOf(JSON("type"), Form("type")), ID: Header("X-Zendesk-Webhook-Invocation-Id"),
		Methods:  []string{"GET", "PUT", "PATCH", "DELETE"},
		StoredID: Apart(Header("X-Zendesk-Webhook-Invocation-Id"), Header("X-Zendesk-Account-Id")),
		Success:  success200, Refusal: refusal401, Wait: 12 * time.Second,
	},
	{
		Name: "zoom", Title: "Zoom", Docs: "https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events",
		BodySecrets: []string{"download_token"},
		Secret:      "the app's secret token", Scheme: versionedMAC("x-zm-signature", "x-zm-request-timestamp"),
		Type: JSON("event"), Handshakes: []Handshake{zoomURL},
		Dated:   true,
		Success: success200, Refusal: refusal401, Wait: 3 * time.Second,
	},
}

// versionedMAC is how Slack and Zoom sign: v0=, over v0, time and body with colons between.
func versionedMAC(header, timestamp string) HMAC {
	return HMAC{Signature: Signature{
		From: []Value{Header(header)}, Format: Prefixed("v0="),
		Content:   []Value{Const("v0:"), Header(timestamp), Const(":"), Body()},
		Timestamp: Timestamp{From: Header(timestamp), Unit: Seconds, Tolerance: minute5},
	}}
}

func sanity() HMAC {
	s := pairsMAC("sanity-webhook-signature", Pairs(",", "v1", "t"), ".", Milliseconds, minute5)
	s.Encoding = Base64URL
	return s
}
