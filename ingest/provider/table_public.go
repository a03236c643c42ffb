package provider

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// publicRows are senders that sign with a key of their own, or send a signed token.
var publicRows = []Sender{
	{
		Name: "aws-sns", Title: "Amazon SNS", Docs: "https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
		Caveat: "not the message attributes", BodySecrets: []string{"UnsubscribeURL", "Token"},
		Secret: "the topic's ARN", SecretForm: topicARN, Scheme: SNS{},
		Type: JSON("Type"), ID: JSON("MessageId"), Handshakes: []Handshake{snsConfirm},
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		// Probes with bad signatures, which must get 401. Events are taken with 204 alone.
		Name: "discord-events", Title: "Discord webhook events", Docs: "https://docs.discord.com/developers/events/webhook-events",
		Secret: "the app's public key", Scheme: discord(10 * time.Minute),
		Type: JSON("event.type"), Handshakes: []Handshake{discordEventPing},
		Dated:   true,
		Success: success204, Refusal: refusal401, Wait: 3 * time.Second,
	},
	{
		// An interaction wants its answer at once. This one says that it follows, which whoever takes the event must
		// do within 15 minutes, with the interaction's token.
		Name: "discord-interactions", Title: "Discord interactions", Docs: "https://docs.discord.com/developers/interactions/overview",
		BodySecrets: []string{"token"},
		Secret:      "the app's public key", Scheme: discord(0),
		Type: JSON("type"), ID: JSON("id"), Handshakes: []Handshake{discordPing},
		Success: jsonAnswer(`{"type":5}`), Refusal: refusal401, Wait: 3 * time.Second,
		// Who types in a field with suggestions can't be answered later.
		Others: []Other{{At: JSON("type"), Is: "4", Answer: jsonAnswer(`{"type":8,"data":{"choices":[]}}`)}},
	},
	{
		// The token says who sends and to whom, not what.
		Name: "google-pubsub", Title: "Google Cloud Pub/Sub push", Docs: "https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
		Caveat: "who sends and to whom is, for an hour",
		Secret: "the push subscription's service account, by e-mail address", SecretForm: serviceAccount, NeedsURL: true,
		Scheme: JWT{
			From: Header(authorization), Prefix: "Bearer ", Algorithm: jose.RS256,
			Keys:    keySetAt("https://www.googleapis.com/oauth2/v3/certs"),
			Issuers: []string{"https://accounts.google.com", "accounts.google.com"}, Account: true,
		},
		Type: JSON("message.attributes.eventType"), ID: JSON("message.messageId"),
		// Unique for a topic. An unwrapped message has headers for it.
		StoredID: FirstOf(
			Apart(JSON("message.messageId"), JSON("subscription")),
			Apart(Header("X-Goog-Pubsub-Message-Id"), Header("X-Goog-Pubsub-Subscription-Name")),
		),
		StoredType: FirstOf(JSON("message.attributes.eventType"), JSON("message.attributes.ce-type")),
		Success:    success200, Refusal: refusal401,
	},
	{
		Name: "netlify", Title: "Netlify", Docs: "https://docs.netlify.com/deploy/deploy-notifications/",
		Secret: "the notification's JWS secret",
		Scheme: JWT{From: Header("X-Webhook-Signature"), Algorithm: jose.HS256, Issuers: []string{"netlify"}, BodyHash: "sha256"},
		Type:   Header("X-Netlify-Event"), ID: JSON("id"),
		// The id is the deploy's.
		StoredID: Apart(JSON("id"), Header("X-Netlify-Event"), JSON("state"), FirstOf(JSON("updated_at"), JSON("created_at"))),
		Success:  success200, Refusal: refusal401,
	},
	{
		// Of the body only a CRC is signed, which another body can be made to have.
		Name: "paypal", Title: "PayPal", Docs: "https://developer.paypal.com/api/rest/webhooks/rest/",
		Caveat: "a CRC of it is, which other bodies have too",
		Secret: "the webhook's id", SecretForm: paypalID,
		Scheme: RSA{
			Signature: Signature{
				From: []Value{Header("Paypal-Transmission-Sig")}, Encoding: Base64,
				Content: []Value{
					Header("Paypal-Transmission-Id"), Const("|"), Header("Paypal-Transmission-Time"), Const("|"), secretText(), Const("|"), BodyCRC(),
				},
				// Retried 25 times over three days: https://developer.paypal.com/api/rest/webhooks/
				Timestamp: Timestamp{From: Header("Paypal-Transmission-Time"), Unit: RFC3339, Tolerance: minute5, Retries: 3 * day},
			},
			Certificate: Header("Paypal-Cert-Url"),
			Addresses:   regexp.MustCompile(`^https://api(-m)?(\.sandbox)?\.paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]+$`),
			Require:     []Requirement{{Header("Paypal-Auth-Algo"), "SHA256withRSA"}},
		},
		Type: JSON("event_type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "plaid", Title: "Plaid", Docs: "https://plaid.com/docs/api/webhooks/webhook-verification/",
		Secret: "client_id:secret of the API, or sandbox:client_id:secret",
		Scheme: JWT{
			From: Header("Plaid-Verification"), Algorithm: jose.ES256, Keys: plaidKey,
			MaxAge: minute5, BodyHash: "request_body_sha256",
		},
		Type:       JSON("webhook_code"),
		StoredType: FirstOf(Dotted(JSON("webhook_type"), JSON("webhook_code")), JSON("webhook_code")),
		Success:    success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// The body ends with CRLF. Retried for 24 hours: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/troubleshooting
		Name: "sendgrid", Title: "SendGrid Event Webhook", Docs: "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features",
		Secret: "the webhook's verification key",
		Scheme: ECDSA{Signature{
			From: []Value{Header("X-Twilio-Email-Event-Webhook-Signature")}, Encoding: Base64,
			Content:   []Value{Header("X-Twilio-Email-Event-Webhook-Timestamp"), Body()},
			Timestamp: Timestamp{From: Header("X-Twilio-Email-Event-Webhook-Timestamp"), Unit: Seconds, Tolerance: minute5, Retries: day},
		}},
		Type: JSON("0.event"), ID: JSON("0.sg_event_id"),
		Batch:   &Batch{Type: JSON("event"), ID: JSON("sg_event_id")},
		Success: success200, Refusal: refusal401,
	},
	{
		// The keys are those of all its customers: they say that ShipStation sent it, and not for whom.
		Name: "shipstation", Title: "ShipStation and ShipEngine", Docs: "https://docs.shipstation.com/apis/docs/guides/webhooks-validation",
		Caveat: "for which of its customers is not",
		Scheme: RSA{
			Signature: Signature{
				From: []Value{Header("x-shipengine-rsa-sha256-signature")}, Encoding: Base64,
				Content:   []Value{Header("x-shipengine-timestamp"), Const("."), Body()},
				Timestamp: Timestamp{From: Header("x-shipengine-timestamp"), Unit: RFC3339, Tolerance: minute5},
			},
			KeySet: "https://api.shipengine.com/jwks", KeyID: Header("x-shipengine-rsa-sha256-key-id"),
		},
		Type:    JSON("resource_type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The hash of the body may be left out. Messages are retried for 24 hours.
		Name: "vonage", Title: "Vonage", Docs: "https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks",
		Caveat: "where the token has a payload_hash it is",
		Secret: "the account's signature secret",
		Scheme: JWT{
			From: Header(authorization), Prefix: "Bearer ", Algorithm: jose.HS256,
			BodyHash: "payload_hash", BodyHashOptional: true, MaxAge: minute5, Retries: day,
		},
		Type: JSON("status"), ID: JSON("message_uuid"),
		// The id is the message's or the call's.
		StoredID:   vonageID,
		StoredType: FirstOf(JSON("status"), JSON("message_type"), JSON("type")),
		Success:    success200, Refusal: refusal401,
	},
}

var vonageID = FirstOf(
	Apart(JSON("message_uuid"), JSON("status"), JSON("timestamp")),
	Apart(FirstOf(JSON("uuid"), JSON("conversation_uuid")), JSON("status"), JSON("type"), JSON("timestamp")),
	Apart(FirstOf(JSON("messageId"), JSON("request_id")), JSON("status"), JSON("type"), JSON("message-timestamp")))

// discord is shared by its two kinds of webhooks: an interaction is sent once, an event again for some minutes.
func discord(retries time.Duration) Ed25519 {
	timestamp := Header("X-Signature-Timestamp")
	return Ed25519{Signature: Signature{
		From:      []Value{Header("X-Signature-Ed25519")},
		Content:   []Value{timestamp, Body()},
		Timestamp: Timestamp{From: timestamp, Unit: Seconds, Tolerance: minute5, Retries: retries},
	}}
}

// plaidKey asks for one key by its id, which takes the API's credentials.
func plaidKey(secrets []string, id string) KeyRequest {
	host, account := "production", ""
	if len(secrets) > 0 {
		account = secrets[0]
	}
	if rest, found := strings.CutPrefix(account, "sandbox:"); found {
		host, account = "sandbox", rest
	}
	client, secret, _ := strings.Cut(account, ":")
	body, _ := json.Marshal(map[string]string{"client_id": client, "secret": secret, "key_id": id}) // strings always can be
	return KeyRequest{URL: "https://" + host + ".plaid.com/webhook_verification_key/get", Body: body}
}
