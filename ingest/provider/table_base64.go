package provider

import "time"

// base64Rows are senders of an HMAC in base64 over the body and nothing else.
var base64Rows = []Sender{
	{
		// Platform, management and banking webhooks; "adyen" is the older standard notification. The key is hex.
		Name: "adyen-platform", Title: "Adyen (platform)", Docs: "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
		Secret:  "the webhook's HMAC key, hex",
		Scheme:  HMAC{Key: HexKey, Signature: Signature{From: []Value{Header("HmacSignature")}, Encoding: Base64}},
		Type:    JSON("type"),
		Dated:   true,
		Success: success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// One header for each key that is active: any may match.
		Name: "docusign", Title: "DocuSign Connect", Docs: "https://developers.docusign.com/platform/webhooks/connect/validate/",
		Secret: "a Connect HMAC key",
		Scheme: base64MAC(
			"X-DocuSign-Signature-1", "X-DocuSign-Signature-2", "X-DocuSign-Signature-3", "X-DocuSign-Signature-4", "X-DocuSign-Signature-5",
			"X-DocuSign-Signature-6", "X-DocuSign-Signature-7", "X-DocuSign-Signature-8", "X-DocuSign-Signature-9", "X-DocuSign-Signature-10"),
		Type:  JSON("event"),
		Dated: true,
		// The body counts the tries, so that a hash of it is another one each time.
		StoredID: Apart(Join(JSON("data.envelopeId"), JSON("event"), JSON("generatedDateTime")), JSON("configurationId"), JSON("data.recipientId")),
		Success:  success200, Refusal: refusal401, Wait: 100 * time.Second,
	},
	{
		Name: "heroku", Title: "Heroku", Docs: "https://devcenter.heroku.com/articles/app-webhooks",
		Secret: sharedSecret, Scheme: base64MAC("Heroku-Webhook-Hmac-SHA256"),
		Type: JSON("resource"), ID: JSON("webhook_metadata.event.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// CloudEvents in a list; the older form is an object with eventNotifications.
		Name: "intuit", Title: "Intuit QuickBooks", Docs: "https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks",
		Secret: "the verifier token", Scheme: base64MAC("intuit-signature"),
		Type: JSON("0.type"), ID: JSON("0.id"),
		Batch: &Batch{
			Items: []string{"eventNotifications"},
			Type:  FirstOf(JSON("type"), JSON("dataChangeEvent.entities.0.name")), ID: Apart(JSON("id"), JSON("source")),
		},
		Dated:   true,
		Success: success200, Refusal: refusal401, Wait: 3 * time.Second,
	},
	{
		// An empty list is the Verify button.
		Name: "line", Title: "LINE", Docs: "https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
		Secret: "the channel secret", Scheme: base64MAC("x-line-signature"),
		Type: JSON("events.0.type"), ID: JSON("events.0.webhookEventId"),
		Batch:   &Batch{Items: []string{"events"}, Type: JSON("type"), ID: JSON("webhookEventId")},
		Success: success200, Refusal: refusal401,
	},
	{
		// The newer Events API leaves X- out of its headers.
		Name: "shopify", Title: "Shopify", Docs: "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
		Secret: clientSecret, Scheme: base64MAC("X-Shopify-Hmac-Sha256", "shopify-hmac-sha256"),
		Type: Header("X-Shopify-Topic", "shopify-topic"), ID: Header("X-Shopify-Webhook-Id", "shopify-webhook-id"),
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "typeform", Title: "Typeform", Docs: "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{From: []Value{Header("Typeform-Signature")}, Format: Prefixed("sha256="), Encoding: Base64}},
		Type:   JSON("event_type"), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401, Wait: 30 * time.Second,
	},
	{
		Name: "woocommerce", Title: "WooCommerce", Docs: "https://woocommerce.com/document/webhooks/",
		Secret: sharedSecret, Scheme: base64MAC("X-WC-Webhook-Signature"),
		Type: Header("X-WC-Webhook-Topic"), ID: Header("X-WC-Webhook-Delivery-ID"),
		Handshakes: []Handshake{wooPing},
		// The id is a hash of the webhook and a time in seconds. It never tries again.
		StoredID: Apart(Header("X-WC-Webhook-Delivery-ID"), Header("X-WC-Webhook-Source"), Header("X-WC-Webhook-ID"), Header("X-WC-Webhook-Topic"), BodyHash()),
		Success:  success200, Refusal: refusal401,
	},
	{
		// The same key signs the tokens of its checks.
		Name: "x-twitter", Title: "X (Twitter)", Docs: "https://docs.x.com/x-api/webhooks/quickstart",
		Secret: "the app's consumer secret",
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("x-twitter-webhooks-signature")}, Format: Prefixed("sha256="), Encoding: Base64, Object: true,
		}},
		Type: Const("account_activity"), Handshakes: []Handshake{xCRC},
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		// Tries an address with empty lists, some of them with bad signatures: 200 and 401, both without a body. The
		// key looks like base64 and is not.
		Name: "xero", Title: "Xero", Docs: "https://developer.xero.com/documentation/guides/webhooks/overview/",
		Secret: "the webhooks key", Scheme: base64MAC("x-xero-signature"),
		Type:    JSON("events.0.eventCategory"),
		Batch:   &Batch{Items: []string{"events"}, Type: JSON("eventCategory")},
		Dated:   true,
		Success: Answer{Status: 200, Empty: true}, Refusal: Answer{Status: 401, Empty: true}, Wait: 5 * time.Second,
	},
}
