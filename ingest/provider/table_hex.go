package provider

import "time"

// hexRows are senders of an HMAC in hex over the body and nothing else.
var hexRows = []Sender{
	{
		// A notification says only that there is something to fetch. The secret is in base64.
		Name: "airtable", Title: "Airtable", Docs: "https://airtable.com/developers/web/api/webhooks-overview",
		Secret: "the webhook's macSecretBase64",
		Scheme: HMAC{Key: Base64Key, Signature: Signature{From: []Value{Header("X-Airtable-Content-MAC")}, Format: Prefixed("hmac-sha256=")}},
		Type:   Const("notification"),
		// 200 or 204, without a body.
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		// The secret comes in the handshake, another for each webhook. Empty lists are heartbeats.
		Name: "asana", Title: "Asana", Docs: "https://developers.asana.com/docs/webhooks-guide",
		Secret: "comes in the handshake", Scheme: hexMAC("X-Hook-Signature"),
		Type:       JSON("events.0.action"),
		Batch:      &Batch{Items: []string{"events"}, Type: JSON("action")},
		Handshakes: []Handshake{asanaSecret},
		Dated:      true,
		Success:    success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// The name of its header is that of GitHub's older SHA-1.
		Name: "bitbucket", Title: "Bitbucket Cloud", Docs: "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
		Secret: sharedSecret, Scheme: prefixedMAC("X-Hub-Signature", "sha256="),
		Type: Header("X-Event-Key"), ID: Header("X-Request-UUID"),
		StoredID: Apart(Header("X-Request-UUID"), Header("X-Hook-UUID")),
		Success:  success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// Of the versions in the list, v1 is the newest there is.
		Name: "circleci", Title: "CircleCI", Docs: "https://circleci.com/docs/guides/integration/outbound-webhooks/",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{From: []Value{Header("circleci-signature")}, Format: Pairs(",", "v1", "")}},
		Type:   Header("circleci-event-type"), ID: JSON("id"),
		Success: success202, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		Name: "coinbase-commerce", Title: "Coinbase Commerce", Docs: "https://docs.cdp.coinbase.com/commerce/api-arcitecture/webhooks-security",
		Secret: "the webhook's shared secret", Scheme: hexMAC("X-CC-Webhook-Signature"),
		Type: JSON("event.type"), ID: JSON("event.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// A request lists accounts whose files changed, without a type or an id.
		Name: "dropbox", Title: "Dropbox", Docs: "https://www.dropbox.com/developers/reference/webhooks",
		Secret: "the app's secret", Scheme: hexMAC("X-Dropbox-Signature"),
		Type:       Const("file-changes"),
		Handshakes: []Handshake{dropboxChallenge},
		Success:    success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// The secret is normalised (NFKD) before it signs. "easypost-v2" is the newer signature, with a time.
		Name: "easypost", Title: "EasyPost", Docs: "https://docs.easypost.com/guides/webhooks-guide",
		Secret: sharedSecret,
		Scheme: HMAC{Key: NFKDKey, Signature: Signature{From: []Value{Header("X-Hmac-Signature")}, Format: Prefixed("hmac-sha256-hex=")}},
		Type:   JSON("description"), ID: JSON("id"),
		Success: success200, Refusal: refusal401, Wait: 7 * time.Second,
	},
	{
		// With the form content type the signature is over the payload field, not over the body.
		Name: "forgejo", Title: "Forgejo", Docs: "https://forgejo.org/docs/latest/user/webhooks/",
		Secret: sharedSecret, Scheme: payloadMAC("X-Forgejo-Signature"),
		Type: Header("X-Forgejo-Event"), ID: Header("X-Forgejo-Delivery"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "gitea", Title: "Gitea", Docs: "https://docs.gitea.com/usage/repository/webhooks",
		Secret: sharedSecret, Scheme: payloadMAC("X-Gitea-Signature"),
		Type: Header("X-Gitea-Event"), ID: Header("X-Gitea-Delivery"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// The SHA-1 in X-Hub-Signature beside it does not count.
		// Sends up to 25 MB, and never again: https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
		Name: "github", Title: "GitHub", LargestBody: 25 << 20, Docs: "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
		Secret: sharedSecret, Scheme: prefixedMAC("X-Hub-Signature-256", "sha256="),
		Type: Header("X-GitHub-Event"), ID: Header("X-GitHub-Delivery"),
		// All hooks that an event has tell it under one GUID.
		StoredID: Apart(Header("X-GitHub-Delivery"), Header("X-GitHub-Hook-ID")),
		Success:  success202, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// Hex, under the name that Standard Webhooks has for something else.
		Name: "gocardless", Title: "GoCardless", Docs: "https://developer.gocardless.com/getting-started/staying-up-to-date-with-webhooks",
		Secret: "the webhook endpoint's secret", Scheme: hexMAC("Webhook-Signature"),
		Type: JSON("events.0.resource_type"), ID: JSON("meta.webhook_id"),
		Batch:   &Batch{Items: []string{"events"}, Type: JSON("resource_type"), ID: JSON("id"), Request: JSON("meta.webhook_id")},
		Success: success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		Name: "grafana", Title: "Grafana alerting",
		Docs:   "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
		Secret: "the contact point's HMAC secret", Scheme: hexMAC("X-Grafana-Alerting-Signature"), OwnHeader: true,
		Type:    JSON("status"),
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1, and probes the address when the webhook is set up.
		Name: "intercom", Title: "Intercom", Docs: "https://developers.intercom.com/docs/webhooks/webhook-notifications",
		Secret: clientSecret,
		Scheme: HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("X-Hub-Signature")}, Format: Prefixed("sha1=")}},
		Type:   JSON("topic"), ID: JSON("id"),
		Handshakes: []Handshake{setupProbe},
		Success:    success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "jira", Title: "Jira Cloud", Docs: "https://developer.atlassian.com/cloud/jira/platform/webhooks/",
		Secret: sharedSecret, Scheme: prefixedMAC("X-Hub-Signature", "sha256="),
		Type: JSON("webhookEvent"), ID: Header("X-Atlassian-Webhook-Identifier"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "lemon-squeezy", Title: "Lemon Squeezy", Docs: "https://docs.lemonsqueezy.com/help/webhooks/signing-requests",
		Secret: signingSecret, Scheme: hexMAC("X-Signature"),
		Type:    Header("X-Event-Name"),
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		// The time stands in the signed body, as milliseconds.
		Name: "linear", Title: "Linear", Docs: "https://linear.app/developers/webhooks",
		Secret: signingSecret,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("Linear-Signature")},
			Timestamp: Timestamp{
				From: FirstOf(JSON("webhookTimestamp"), Header("Linear-Timestamp")), Unit: Milliseconds,
				Tolerance: time.Minute, Optional: true,
			},
		}},
		Type: Header("Linear-Event"), ID: Header("Linear-Delivery"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "mailersend", Title: "MailerSend", Docs: "https://developers.mailersend.com/api/v1/webhooks.html",
		Secret: signingSecret, Scheme: hexMAC("Signature"),
		Type: JSON("type"), ID: JSON("data.id"),
		// The id is the mail's in all that happens to it.
		StoredID: Apart(JSON("data.id"), JSON("type"), JSON("webhook_id"), FirstOf(JSON("data.morph.id"), JSON("created_at"))),
		Success:  success200, Refusal: refusal401,
	},
	{
		// Facebook, Instagram and WhatsApp. The verify token is another secret than the app's, and may follow it.
		Name: "meta", Title: "Meta (Facebook, Instagram, WhatsApp)",
		Docs:   "https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
		Secret: "app secret:verify token",
		Scheme: HMAC{Key: FirstPartKey, Signature: Signature{From: []Value{Header("X-Hub-Signature-256")}, Format: Prefixed("sha256=")}},
		Type:   JSON("object"), Handshakes: []Handshake{metaSubscribe},
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		// While a secret rotates the header is there twice, and a proxy may join the two. The prefix may be missing.
		Name: "mollie", Title: "Mollie", Docs: "https://docs.mollie.com/reference/webhooks-new",
		Secret: signingSecret,
		Scheme: HMAC{Signature: Signature{From: []Value{Header("X-Mollie-Signature")}, Format: MaybePrefixed("sha256=")}},
		Type:   JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		// Says 200 alone is a success.
		Name: "notify", Title: "Notify",
		Secret: sharedSecret, Scheme: hexMAC("x-notify-signature"),
		Type: JSON("event"), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The secret is the token that comes in the handshake.
		Name: "notion", Title: "Notion", Docs: "https://developers.notion.com/reference/webhooks",
		Secret: "comes in the handshake", Scheme: prefixedMAC("X-Notion-Signature", "sha256="),
		Type: JSON("type"), ID: JSON("id"), Handshakes: []Handshake{notionToken},
		StoredID: Apart(JSON("id"), JSON("subscription_id")),
		Success:  success200, Refusal: refusal401,
	},
	{
		// A 4xx stops redelivery.
		Name: "pagerduty", Title: "PagerDuty", Docs: "https://developer.pagerduty.com/docs/verifying-webhook-signatures",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{From: []Value{Header("X-PagerDuty-Signature")}, Format: Pairs(",", "v1", "")}},
		Type:   JSON("event.event_type"), ID: JSON("event.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "paystack", Title: "Paystack", Docs: "https://paystack.com/docs/payments/webhooks/",
		Secret: "the API's secret key",
		Scheme: HMAC{Hash: SHA512, Signature: Signature{From: []Value{Header("x-paystack-signature")}}},
		Type:   JSON("event"), ID: JSON("data.id"),
		Dated: true,
		// The id is the object's, and of each kind of object they count from one.
		StoredID: Apart(JSON("data.id"), BodyHash()),
		Success:  success200, Refusal: refusal401,
	},
	{
		Name: "polaris", Title: "Polaris", Docs: "https://docs.polaris.revlv.com/webhooks",
		Secret: sharedSecret, Scheme: hexMAC("x-polaris-signature"),
		Type: JSON("type"), ID: JSON("id"),
		Success: success202, Refusal: refusal401,
	},
	{
		Name: "protocol", Title: "Protocol", Docs: "https://protocol.tailwindui.com/webhooks",
		Secret: sharedSecret, Scheme: hexMAC("x-protocol-signature"),
		Type: JSON("type"), ID: JSON("id"),
		Success: success202, Refusal: refusal401,
	},
	{
		Name: "razorpay", Title: "Razorpay", Docs: "https://razorpay.com/docs/webhooks/validate-test/",
		Secret: sharedSecret, Scheme: hexMAC("X-Razorpay-Signature"),
		Type: JSON("event"), ID: Header("x-razorpay-event-id"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// Unsubscribes an address that is often slower than a second.
		Name: "sentry", Title: "Sentry", Docs: "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
		Secret: "the integration's client secret", Scheme: hexMAC("Sentry-Hook-Signature"),
		Type: Header("Sentry-Hook-Resource"), ID: Header("Request-ID"),
		Success: success200, Refusal: refusal401, Wait: time.Second,
	},
	{
		Name: "vercel", Title: "Vercel", Docs: "https://vercel.com/docs/webhooks/webhooks-api",
		Secret: "the webhook's secret, or the integration's client secret",
		Scheme: HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("x-vercel-signature")}}},
		Type:   JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401, Wait: 30 * time.Second,
	},
	{
		Name: "viber", Title: "Viber", Docs: "https://developers.viber.com/docs/api/rest-bot-api/#callbacks",
		Secret: "the bot's authentication token",
		Scheme: HMAC{Signature: Signature{From: []Value{Header("X-Viber-Content-Signature"), Query("sig")}}},
		Type:   JSON("event"), ID: JSON("message_token"),
		// The token is the message's: delivered and seen have it too.
		StoredID: Apart(JSON("message_token"), JSON("event"), JSON("timestamp"), FirstOf(JSON("user_id"), JSON("user.id"), JSON("sender.id"))),
		Success:  success200, Refusal: refusal401,
	},
}

// payloadMAC is hexMAC over the payload field where the body is a form.
func payloadMAC(header string) HMAC {
	s := hexMAC(header)
	s.Content = []Value{BodyOrField("payload")}
	return s
}
