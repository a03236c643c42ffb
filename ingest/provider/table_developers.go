package provider

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

// developerRows are senders of tools and services that developers use.
var developerRows = []Sender{
	{
		// The secret signs as it is, whsec_ included.
		Name: "alchemy", Title: "Alchemy Notify", Docs: "https://docs.alchemy.com/reference/notify-api-quickstart",
		Secret: "the webhook's signing key", Scheme: hexMAC("X-Alchemy-Signature"),
		Type: JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The body's own type is always event.
		Name: "anthropic", Title: "Anthropic", Docs: "https://platform.claude.com/docs/en/managed-agents/webhooks",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("data.type"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// Signs nothing: its pages advise a token in the address.
		Name: "apify", Title: "Apify", Docs: "https://docs.apify.com/platform/integrations/webhooks/actions",
		Secret: "a token of your own, in the address as ?token=", Scheme: Token{From: Query("token")},
		Type: JSON("eventType"), ID: Header("X-Apify-Webhook-Dispatch-Id"),
		Success: success200, Refusal: refusal401, Wait: 2 * time.Minute,
	},
	{
		// SHA-1. What it calls events is a list of patterns and of names with ids in them.
		Name: "appwrite", Title: "Appwrite", Docs: "https://appwrite.io/docs/advanced/platform/webhooks",
		Secret: "the webhook's signature key", NeedsURL: true,
		Scheme: HMAC{Hash: SHA1, Signature: Signature{
			From: []Value{Header("X-Appwrite-Webhook-Signature")}, Encoding: Base64, Content: []Value{URL(), Body()},
		}},
		Type:    Const("event"),
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		// What is shown is the identifier of the API key that made the request. Each request is answered once.
		Name: "deepgram", Title: "Deepgram callbacks", Docs: "https://developers.deepgram.com/docs/callback",
		Caveat: "the token is the API key's identifier, which is shown with the key",
		Secret: "the API key's identifier", Scheme: Token{From: Header("dg-token")},
		Type: Const("callback"), ID: JSON("metadata.request_id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// A plain hash, which could be carried on. The delivery id is another on every try.
		Name: "e2b", Title: "E2B", Docs: "https://e2b.dev/docs/sandbox/lifecycle-events-webhooks",
		Caveat: "the hash could be carried on over a longer body, so only whole JSON is taken",
		Secret: "the webhook's signature secret",
		Scheme: Digest{Signature: Signature{From: []Value{Header("e2b-signature")}, Encoding: Base64URL, Content: []Value{secretText(), Body()}}},
		Type:   JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1. The id is that of the build or submission, which ends once.
		Name: "expo", Title: "Expo Application Services", Docs: "https://docs.expo.dev/eas/webhooks/",
		Secret: sharedSecret,
		Scheme: HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("expo-signature")}, Format: Prefixed("sha1=")}},
		Type:   JSON("status"), ID: Join(JSON("id"), JSON("status")),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "flagsmith", Title: "Flagsmith", Docs: "https://docs.flagsmith.com/administration-and-security/platform-configuration/environment-settings",
		Secret: sharedSecret, Scheme: hexMAC("X-Flagsmith-Signature"),
		Type:    JSON("event_type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Set to sign with an HMAC key.
		Name: "fusionauth", Title: "FusionAuth", Docs: "https://fusionauth.io/docs/extend/events-and-webhooks/signing",
		Secret: "the HMAC key that the webhook signs with",
		Scheme: JWT{From: Header("X-FusionAuth-Signature-JWT"), Algorithm: jose.HS256, BodyHash: "request_body_sha256", HashEncoding: Base64},
		Type:   JSON("event.type"), ID: JSON("event.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The id is the same on retries.
		Name: "getstream", Title: "Stream", Docs: "https://getstream.io/chat/docs/go-golang/webhooks_overview/",
		Secret: "the app's API secret", Scheme: hexMAC("X-Signature"),
		Type: JSON("type"), ID: Header("X-Webhook-Id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// With the form content type the signature is over the payload field, not over the body.
		Name: "gogs", Title: "Gogs", Docs: "https://gogs.io/docs/features/webhook",
		Secret: sharedSecret, Scheme: payloadMAC("X-Gogs-Signature"),
		Type: Header("X-Gogs-Event"), ID: Header("X-Gogs-Delivery"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Event webhooks; "growthbook-sdk" are those of SDK connections. 200 alone is a success.
		Name: "growthbook", Title: "GrowthBook (events)", Docs: "https://docs.growthbook.io/app/webhooks/event-webhooks",
		Secret: sharedSecret, Scheme: hexMAC("X-GrowthBook-Signature"),
		Type: JSON("event"), Methods: []string{"PUT", "PATCH"},
		Success: success200, Refusal: refusal401,
	},
	{
		// The key is the bytes of the whole secret, wk_ included.
		Name: "growthbook-sdk", Title: "GrowthBook (SDK connections)", Docs: "https://docs.growthbook.io/app/webhooks/sdk-webhooks",
		Secret: sharedSecret, Scheme: standardWebhooks(RawKey),
		Type: JSON("type"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "hugging-face", Title: "Hugging Face", Docs: "https://huggingface.co/docs/hub/webhooks",
		Secret: sharedSecret, Scheme: Token{From: Header("X-Webhook-Secret")},
		Type:    Join(JSON("event.scope"), JSON("event.action")),
		Success: success200, Refusal: refusal401,
	},
	{
		// Milliseconds, and base64.
		Name: "knock", Title: "Knock", Docs: "https://docs.knock.app/developer-tools/outbound-webhooks/overview",
		Secret: signingSecret, Scheme: knock(),
		Type:    JSON("type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The id is that of the audit log's entry, one for each change.
		Name: "launchdarkly", Title: "LaunchDarkly", Docs: "https://launchdarkly.com/docs/home/infrastructure/webhooks",
		Secret: sharedSecret, Scheme: hexMAC("X-LD-Signature"),
		Type: JSON("kind"), ID: JSON("_id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "livekit", Title: "LiveKit", Docs: "https://docs.livekit.io/home/server/webhooks/",
		Secret: "the API secret",
		Scheme: JWT{From: Header(authorization), Algorithm: jose.HS256, BodyHash: "sha256", HashEncoding: Base64},
		Type:   JSON("event"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "logto", Title: "Logto", Docs: "https://docs.logto.io/developers/webhooks/secure-webhooks",
		Secret: "the webhook's signing key", Scheme: hexMAC("logto-signature-sha-256"),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The older X-Nango-Signature beside it is no HMAC and does not count.
		Name: "nango", Title: "Nango", Docs: "https://nango.dev/docs/guides/platform/webhooks-from-nango",
		Secret: "the environment's webhook signing key", Scheme: hexMAC("X-Nango-Hmac-Sha256"),
		Type:    JSON("type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// One request of a user makes several events with its request_id.
		Name: "netbox", Title: "NetBox", Docs: "https://netboxlabs.com/docs/netbox/models/extras/webhook/",
		Secret: sharedSecret,
		Scheme: HMAC{Hash: SHA512, Signature: Signature{From: []Value{Header("X-Hook-Signature")}}},
		Type:   JSON("event"), Methods: []string{"PUT", "PATCH", "DELETE"},
		Success: success200, Refusal: refusal401,
	},
	{
		// The body is what its operator wrote, and the answer may change what happens there.
		Name: "ory", Title: "Ory webhooks", Docs: "https://www.ory.com/docs/guides/integrate-with-ory-cloud-through-webhooks",
		Secret: "the webhook's api_key", Scheme: Token{From: Header(authorization)}, OwnHeader: true,
		Type:    Const("hook"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Of the signatures that a rotation has, only the first has a prefix.
		Name: "outpost", Title: "Hookdeck Outpost", Docs: "https://hookdeck.com/docs/outpost/destinations/webhook",
		Secret: "the destination's secret",
		Scheme: HMAC{Signature: Signature{From: []Value{Header("x-outpost-signature")}, Format: MaybePrefixed("v0=")}},
		Type:   Header("x-outpost-topic"), ID: Header("x-outpost-event-id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Several events at once, whose time is the request's: each by itself would be the hash of what comes again.
		Name: "pusher", Title: "Pusher Channels", Docs: "https://pusher.com/docs/channels/server_api/webhooks/",
		Secret: "the app's secret", Scheme: hexMAC("X-Pusher-Signature"),
		Type:    JSON("events.0.name"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The token names the address that it was sent to, which is not looked at.
		Name: "qstash", Title: "Upstash QStash", Docs: "https://upstash.com/docs/qstash/howto/signature",
		Caveat: "for which of the account's addresses is not",
		Secret: "a signing key, the current or the next",
		Scheme: JWT{
			From: Header("Upstash-Signature"), Algorithm: jose.HS256, Issuers: []string{"Upstash"},
			BodyHash: "body", HashEncoding: Base64URL,
		},
		Type: Const("message"), ID: Header("Upstash-Message-Id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The body comes before the time.
		Name: "retell", Title: "Retell AI", Docs: "https://docs.retellai.com/features/secure-webhook",
		Secret: "the API key that has the webhook badge",
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("x-retell-signature")}, Format: Pairs(",", "d", "v"), Content: []Value{Body(), Stamp()},
			Timestamp: Timestamp{Unit: Milliseconds, Tolerance: minute5},
		}},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "snyk", Title: "Snyk", Docs: "https://docs.snyk.io/snyk-api/using-specific-snyk-apis/webhooks-apis/about-webhooks",
		Secret: sharedSecret, Scheme: prefixedMAC("X-Hub-Signature", "sha256="),
		Type: Header("X-Snyk-Event"), ID: Header("X-Snyk-Transport-ID"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "strapi", Title: "Strapi", Docs: "https://docs.strapi.io/cms/backend-customization/webhooks",
		Secret: ownToken, Scheme: bearer(), OwnHeader: true,
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The secret signs as it is, tskey-webhook- included.
		Name: "tailscale", Title: "Tailscale", Docs: "https://tailscale.com/kb/1213/webhooks",
		Secret: sharedSecret, Scheme: pairsMAC("Tailscale-Webhook-Signature", Pairs(",", "v1", "t"), ".", Seconds, minute5),
		Type: JSON("0.type"), Batch: &Batch{Type: JSON("type")},
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-512. Notifications about runs have a list with one of them.
		Name: "terraform", Title: "HCP Terraform", Docs: "https://developer.hashicorp.com/terraform/cloud-docs/api-docs/notification-configurations",
		Secret:  "the notification's token",
		Scheme:  HMAC{Hash: SHA512, Signature: Signature{From: []Value{Header("X-TFE-Notification-Signature")}}},
		Type:    FirstOf(JSON("notifications.0.trigger"), JSON("trigger")),
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1, over the form's payload. A build has the same id from its start to its end.
		Name: "travis-ci", Title: "Travis CI", Docs: "https://docs.travis-ci.com/user/notifications/#verifying-webhook-requests",
		Secret: publicSecret + ", base64 or PEM",
		Scheme: RSAKey{SHA1: true, Signature: Signature{
			From: []Value{Header("Signature")}, Encoding: Base64, Content: []Value{BodyOrField("payload")},
		}},
		Type:    FormJSON("payload", "type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Some messages want more of an answer than that they came.
		Name: "vapi", Title: "Vapi", Docs: "https://docs.vapi.ai/server-url/server-authentication",
		Secret: ownToken, Scheme: bearer(), OwnHeader: true,
		Type:    JSON("message.type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// A target may wait for the answer, which can then change what happens.
		Name: "zitadel", Title: "ZITADEL actions", Docs: "https://zitadel.com/docs/guides/integrate/actions/usage",
		Secret: "the target's signing key", Scheme: pairsMAC("ZITADEL-Signature", Pairs(",", "v1", "t"), ".", Seconds, minute5),
		Type:    JSON("event_type"),
		Success: success200, Refusal: refusal401,
	},
}

func knock() HMAC {
	s := pairsMAC("x-knock-signature", Pairs(",", "s", "t"), ".", Milliseconds, minute5)
	s.Encoding = Base64
	return s
}
