package provider

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

// businessRows are senders of hiring, customers, messages, documents and content.
var businessRows = []Sender{
	{
		Name: "ashby", Title: "Ashby", Docs: "https://developers.ashbyhq.com/docs/authenticating-webhooks",
		Secret: "the webhook's secret token", Scheme: prefixedMAC("Ashby-Signature", "sha256="),
		Type:    JSON("action"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The same signature stands in X-Attio-Signature. The id is the same on retries and redeliveries.
		Name: "attio", Title: "Attio", Docs: "https://docs.attio.com/rest-api/guides/webhooks",
		Secret: sharedSecret, Scheme: hexMAC("Attio-Signature"),
		Type: JSON("events.0.event_type"), ID: Header("Idempotency-Key"),
		Success: success200, Refusal: refusal401,
	},
	{
		// One signature for each of two keys: either may match. The id in the header is another on every try.
		Name: "box", Title: "Box", Docs: "https://developer.box.com/guides/webhooks/v2/signatures-v2",
		Secret: "the app's primary or secondary signature key",
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("BOX-SIGNATURE-PRIMARY"), Header("BOX-SIGNATURE-SECONDARY")}, Encoding: Base64,
			Content:   []Value{Body(), Header("BOX-DELIVERY-TIMESTAMP")},
			Timestamp: Timestamp{From: Header("BOX-DELIVERY-TIMESTAMP"), Unit: RFC3339, Tolerance: 10 * time.Minute},
		}},
		Type: JSON("trigger"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Signs nothing.
		Name: "brevo", Title: "Brevo", Docs: "https://developers.brevo.com/docs/secured-webhooks",
		Secret: ownToken, Scheme: bearer(),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// uid is the booking's, in all of its events.
		Name: "cal-com", Title: "Cal.com", Docs: "https://cal.com/docs/developing/guides/automation/webhooks",
		Secret: sharedSecret, Scheme: hexMAC("X-Cal-Signature-256"),
		Type:    JSON("triggerEvent"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "clickup", Title: "ClickUp", Docs: "https://developer.clickup.com/docs/webhooksignature",
		Secret: sharedSecret, Scheme: hexMAC("X-Signature"),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Accounts that sign with SHA-1, which is what they begin with. Retries are taken for two hours, as its SDKs do.
		Name: "cloudinary", Title: "Cloudinary", Docs: "https://cloudinary.com/documentation/notification_signatures",
		Secret: "the API secret", Scheme: cloudinary(SHA1),
		Type:    JSON("notification_type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Accounts whose signature algorithm is set to SHA-256.
		Name: "cloudinary-sha256", Title: "Cloudinary (SHA-256)", Docs: "https://cloudinary.com/documentation/notification_signatures",
		Secret: "the API secret", Scheme: cloudinary(SHA256),
		Type:    JSON("notification_type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The time's unit is not said, nor for how long it retries.
		Name: "crisp", Title: "Crisp", Docs: "https://docs.crisp.chat/references/web-hooks/v1/",
		Secret: "the hook's signature secret",
		Scheme: HMAC{Signature: Signature{
			From:      []Value{Header("X-Crisp-Signature")},
			Content:   []Value{Const("["), Header("X-Crisp-Request-Timestamp"), Const(";"), Body(), Const("]")},
			Timestamp: Timestamp{From: Header("X-Crisp-Request-Timestamp"), Unit: Epoch, Tolerance: minute5, Retries: day},
		}},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Reporting webhooks; those of campaigns are signed with a key that nobody is given. Retried for a week.
		Name: "customer-io", Title: "Customer.io (reporting)", Docs: "https://docs.customer.io/journeys/webhooks/",
		Secret: "the webhook's signing key", Scheme: customerIO(),
		Type: Join(JSON("object_type"), JSON("metric")), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401, Wait: 4 * time.Second,
	},
	{
		Name: "deel", Title: "Deel", Docs: "https://developer.deel.com/docs/webhooks-get-started",
		Secret:  "the webhook's signing key",
		Scheme:  HMAC{Signature: Signature{From: []Value{Header("x-deel-signature")}, Content: []Value{Const("POST"), Body()}}},
		Type:    JSON("data.meta.event_type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The event's id is another on every try.
		Name: "discourse", Title: "Discourse",
		Docs:   "https://meta.discourse.org/t/configure-webhooks-that-trigger-on-discourse-events-to-integrate-with-external-services/49045",
		Secret: sharedSecret, Scheme: prefixedMAC("X-Discourse-Event-Signature", "sha256="),
		Type:    Header("X-Discourse-Event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The payload's id is the document's, in all of its events.
		Name: "documenso", Title: "Documenso", Docs: "https://docs.documenso.com/docs/developers/webhooks/verification",
		Secret: sharedSecret, Scheme: Token{From: Header("X-Documenso-Secret")},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// The secret signs as it is, whsec_ included.
		Name: "dub", Title: "Dub", Docs: "https://dub.co/docs/concepts/webhooks/verify-webhook-requests",
		Secret: sharedSecret, Scheme: hexMAC("Dub-Signature"),
		Type: JSON("event"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Standard Webhooks under names of its own. The secret is in base64.
		Name: "finch", Title: "Finch", Docs: "https://developer.tryfinch.com/docs/development-guides/Webhooks",
		Secret: "the webhook's secret, base64",
		Scheme: HMAC{Key: Base64Key, Signature: standardSignature("v1", Header("Finch-Event-Id"), Header("Finch-Timestamp"), Header("Finch-Signature"))},
		Type:   JSON("event_type"), ID: Header("Finch-Event-Id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "formbricks", Title: "Formbricks", Docs: "https://formbricks.com/docs/platform/features/integrations/webhooks",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("event"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// The body is what its operator chose of the document.
		Name: "frappe", Title: "Frappe and ERPNext", Docs: "https://docs.frappe.io/framework/user/en/guides/integration/webhooks",
		Secret: sharedSecret, Scheme: base64MAC("X-Frappe-Webhook-Signature"), Methods: []string{"PUT", "DELETE"},
		Type:    Const("document"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// Webhooks of an application; "front-rule" are those of a rule.
		Name: "front", Title: "Front (applications)", Docs: "https://dev.frontapp.com/docs/application-webhooks",
		Secret: "the application's signing key",
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("X-Front-Signature")}, Encoding: Base64,
			Content:   []Value{Header("X-Front-Request-Timestamp"), Const(":"), Body()},
			Timestamp: Timestamp{From: Header("X-Front-Request-Timestamp"), Unit: Milliseconds, Tolerance: minute5},
		}},
		Type: JSON("type"), ID: Join(JSON("payload.id"), JSON("payload.emitted_at")), Handshakes: []Handshake{frontChallenge},
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1.
		Name: "front-rule", Title: "Front (rules)", Docs: "https://dev.frontapp.com/docs/rule-webhooks",
		Secret: "the company's API secret",
		Scheme: HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("X-Front-Signature")}, Encoding: Base64}},
		Type:   JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The body comes before the time. Bodies of older releases say no type.
		Name: "ghost", Title: "Ghost", Docs: "https://docs.ghost.org/webhooks",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("X-Ghost-Signature")}, Format: Pairs(",", "sha256", "t"), Content: []Value{Body(), Stamp()},
			Timestamp: Timestamp{Unit: Milliseconds, Tolerance: minute5},
		}},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401, Wait: 2 * time.Second,
	},
	{
		// A ping that is refused leaves the webhook off. Whether retries keep the id is not said.
		Name: "greenhouse", Title: "Greenhouse Recruiting", Docs: "https://developers.greenhouse.io/webhooks.html",
		Secret: "the webhook's secret key", Scheme: prefixedMAC("Signature", "sha256 "),
		Type: JSON("action"), ID: Header("Greenhouse-Event-ID"),
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1.
		Name: "help-scout", Title: "Help Scout", Docs: "https://developer.helpscout.com/webhooks/",
		Secret:  sharedSecret,
		Scheme:  HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("X-HelpScout-Signature")}, Encoding: Base64}},
		Type:    Header("X-HelpScout-Event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The login stands in the address. 200 alone is a success. MessageID is the message's, in all of its events.
		Name: "mailjet", Title: "Mailjet", Docs: "https://dev.mailjet.com/email/guides/webhooks/",
		Secret: ownLogin, Scheme: Basic{},
		Type: FirstOf(JSON("event"), JSON("0.event")), Batch: &Batch{Type: JSON("event")},
		Success: success200, Refusal: refusal401,
	},
	{
		// The type is the name of the body's first list. The header's name means other things at other senders.
		Name: "mautic", Title: "Mautic", Docs: "https://devdocs.mautic.org/en/latest/webhooks/example_scripts.html",
		Secret: sharedSecret, Scheme: base64MAC("Webhook-Signature"),
		Type:    JSON("@keys.0"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The token is new for each request, and lasts a minute. What each product calls back with has no common type.
		Name: "messagebird", Title: "Bird (MessageBird)", Docs: "https://developers.messagebird.com/docs/verify-http-requests",
		Secret: "the account's signing key", NeedsURL: true,
		Scheme: JWT{
			From: Header("MessageBird-Signature-JWT"), Algorithm: jose.HS256, Issuers: []string{"MessageBird"},
			BodyHash: "payload_hash", URLHash: "url_hash",
		},
		Type: Const("callback"), Methods: []string{"GET"},
		Success: success200, Refusal: refusal401,
	},
	{
		// An outgoing webhook, whose answer Teams shows in the conversation. The secret is in base64.
		Name: "microsoft-teams", Title: "Microsoft Teams (outgoing webhook)",
		Docs:   "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook",
		Secret: "the webhook's security token, base64",
		Scheme: HMAC{Key: Base64Key, Signature: Signature{From: []Value{Header(authorization)}, Format: Prefixed("HMAC "), Encoding: Base64}},
		Type:   JSON("type"), ID: Join(JSON("id"), JSON("timestamp")),
		Success: Answer{Status: 200, Body: `{"type":"message","text":"Received"}`, ContentType: "application/json"}, Refusal: refusal401,
		Wait: 5 * time.Second,
	},
	{
		// The token says who sends, not what. Webhooks that were made by hand on a board come without one, and are refused.
		Name: "monday", Title: "monday.com", Docs: "https://developer.monday.com/apps/docs/authorization-header",
		Caveat: "who sends is, for minutes",
		Secret: "the app's signing secret, or its client secret for events about the app",
		Scheme: JWT{From: Header(authorization), Algorithm: jose.HS256, MaxAge: minute5},
		Type:   JSON("event.type"), ID: JSON("event.triggerUuid"), Handshakes: []Handshake{mondayChallenge},
		Success: success200, Refusal: refusal401,
	},
	{
		// Version 3; in version 2 the secret is the app's client secret.
		Name: "nylas", Title: "Nylas", Docs: "https://developer.nylas.com/docs/v3/notifications/webhooks/",
		Secret: sharedSecret, Scheme: hexMAC("X-Nylas-Signature"),
		Type: JSON("type"), ID: JSON("id"), Handshakes: []Handshake{nylasChallenge},
		Success: success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// The id is the delivery's.
		Name: "outline", Title: "Outline", Docs: "https://www.getoutline.com/developers#tag/webhooks",
		Secret: signingSecret, Scheme: pairsMAC("Outline-Signature", Pairs(",", "s", "t"), ".", Milliseconds, minute5),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// The secret signs as it is, plane_wh_ included. delivery_id is another on every try.
		Name: "plane", Title: "Plane", Docs: "https://developers.plane.so/dev-tools/intro-webhooks",
		Secret: sharedSecret, Scheme: hexMAC("X-Plane-Signature"),
		Type: JSON("event"), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Version 3 of its signatures. CallUUID and MessageUUID are in all events of a call or a message.
		Name: "plivo", Title: "Plivo", Docs: "https://www.plivo.com/docs/voice/concepts/signature-validation",
		Secret: "the account's auth token", Scheme: Plivo{}, NeedsURL: true,
		Type: FirstOf(Form("Event"), Query("Event")), Methods: []string{"GET"},
		Success: success200, Refusal: refusal401,
	},
	{
		// The key is the installation's own. The SHA-1 in X-Postal-Signature beside it does not count.
		Name: "postal", Title: "Postal", Docs: "https://docs.postalserver.io/developer/webhooks",
		Secret: "the installation's public key, base64 or PEM",
		Scheme: RSAKey{Signature: Signature{From: []Value{Header("X-Postal-Signature-256")}, Encoding: Base64}},
		Type:   JSON("event"), ID: JSON("uuid"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The Conversation API; other products of Sinch sign in other ways. The body says its kind by the name of a member.
		Name: "sinch", Title: "Sinch (conversations)", Docs: "https://developers.sinch.com/docs/conversation/callbacks",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("x-sinch-webhook-signature")}, Encoding: Base64,
			Content: []Value{
				Body(), Const("."), Header("x-sinch-webhook-signature-nonce"), Const("."), Header("x-sinch-webhook-signature-timestamp"),
			},
			Timestamp: Timestamp{From: Header("x-sinch-webhook-signature-timestamp"), Unit: Epoch, Tolerance: minute5, Retries: day},
		}},
		Type:    Const("callback"),
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1.
		Name: "taiga", Title: "Taiga", Docs: "https://docs.taiga.io/webhooks.html",
		Secret:  "the webhook's key",
		Scheme:  HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("X-TAIGA-WEBHOOK-SIGNATURE")}}},
		Type:    Join(JSON("type"), JSON("action")),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "telnyx", Title: "Telnyx", Docs: "https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
		Secret: publicSecret + ", base64",
		Scheme: Ed25519{Key: Base64, Signature: Signature{
			From: []Value{Header("telnyx-signature-ed25519")}, Encoding: Base64,
			Content:   []Value{Header("telnyx-timestamp"), Const("|"), Body()},
			Timestamp: Timestamp{From: Header("telnyx-timestamp"), Unit: Seconds, Tolerance: minute5},
		}},
		Type: JSON("data.event_type"), ID: JSON("data.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// Retried for three days, and 200 alone is a success.
		Name: "tiktok", Title: "TikTok for Developers", Docs: "https://developers.tiktok.com/doc/webhooks-verification",
		Secret: clientSecret, Scheme: tiktok(),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The nonce is not signed. The ids are the webhook's and the record's.
		Name: "twenty", Title: "Twenty", Docs: "https://docs.twenty.com/developers/extend/webhooks",
		Secret: sharedSecret, Scheme: stampedMAC("X-Twenty-Webhook-Signature", "X-Twenty-Webhook-Timestamp", ":", Milliseconds, 0),
		Type:    JSON("eventName"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// SHA-1. The body's id is the webhook's.
		Name: "webex", Title: "Cisco Webex", Docs: "https://developer.webex.com/docs/api/guides/webhooks",
		Secret:  sharedSecret,
		Scheme:  HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("X-Spark-Signature")}}},
		Type:    Join(JSON("resource"), JSON("event")),
		Success: success200, Refusal: refusal401,
	},
	{
		// The header is the one that the Zap's step is given by hand.
		Name: "zapier", Title: "Webhooks by Zapier", Docs: "https://help.zapier.com/hc/en-us/articles/8496326446989-Send-webhooks-in-Zaps",
		Secret: ownToken, Scheme: Token{From: Header("X-Webhook-Token")}, OwnHeader: true,
		Type: JSON("type"), Methods: []string{"PUT"},
		Success: success200, Refusal: refusal401,
	},
}

// cloudinary is a plain hash with the secret at its end, so that it can't be carried on.
func cloudinary(hash Hash) Digest {
	timestamp := Header("X-Cld-Timestamp")
	return Digest{Hash: hash, Signature: Signature{
		From: []Value{Header("X-Cld-Signature")}, Content: []Value{Body(), timestamp, secretText()},
		Timestamp: Timestamp{From: timestamp, Unit: Seconds, Tolerance: minute5, Retries: 2 * time.Hour},
	}}
}

func customerIO() HMAC {
	s := stampedMAC("X-CIO-Signature", "X-CIO-Timestamp", ":", Seconds, 7*day)
	s.Content = append([]Value{Const("v0:")}, s.Content...)
	return s
}

func tiktok() HMAC {
	s := pairsMAC("TikTok-Signature", Pairs(",", "s", "t"), ".", Seconds, minute5)
	s.Timestamp.Retries = 3 * day
	return s
}
