package provider

import "time"

// paymentRows are senders of payments, banking and commerce.
var paymentRows = []Sender{
	{
		// The time's unit is not said. Retried for three days, and 200 alone is a success.
		Name: "airwallex", Title: "Airwallex", Docs: "https://www.airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events",
		Secret: "the notification URL's secret", Scheme: stampedMAC("x-signature", "x-timestamp", "", Epoch, 3*day),
		Type: JSON("name"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The key is the bytes of the secret, which its samples encode for a library that decodes it. The body's hash is no
		// id: equal events have the same.
		Name: "bigcommerce", Title: "BigCommerce", Docs: "https://developer.bigcommerce.com/docs/integrations/webhooks/https-webhook-overview",
		Secret: "the API account's client secret", Scheme: standardWebhooks(RawKey),
		Type: JSON("scope"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// deliveryId is another on every try.
		Name: "btcpay", Title: "BTCPay Server", Docs: "https://docs.btcpayserver.org/API/Greenfield/v1/",
		Secret: sharedSecret, Scheme: prefixedMAC("BTCPay-Sig", "sha256="),
		Type: JSON("type"), ID: JSON("originalDeliveryId"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The time's unit is not said, nor for how long it retries.
		Name: "cashfree", Title: "Cashfree Payments", Docs: "https://www.cashfree.com/docs/api-reference/prepaid-payment-instruments/webhook-signature-verification",
		Secret: clientSecret, Scheme: base64Stamped("x-webhook-signature", Header("x-webhook-timestamp"), Body()),
		Type:    JSON("type"),
		Success: success200, Refusal: refusal401,
	},
	{
		// A retry has the object as it is by then: the same id, and perhaps another body.
		Name: "dodo-payments", Title: "Dodo Payments", Docs: "https://docs.dodopayments.com/developer-resources/webhooks",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("type"), ID: standardID,
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		Name: "dwolla", Title: "Dwolla", Docs: "https://developers.dwolla.com/docs/balance/webhooks/process-validate",
		Secret: "the webhook subscription's secret", Scheme: hexMAC("X-Request-Signature-SHA-256"),
		Type: JSON("topic"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The body's type is always event.
		Name: "increase", Title: "Increase", Docs: "https://increase.com/documentation/webhooks",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("category"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// Webhooks that are set to sign with the HMAC key. The id is the stored webhook's, which is sent again.
		Name: "lago", Title: "Lago", Docs: "https://docs.getlago.com/api-reference/webhooks/format---signature",
		Secret: "the organization's HMAC key", Scheme: base64MAC("X-Lago-Signature"),
		Type: JSON("webhook_type"), ID: Header("X-Lago-Unique-Key"),
		Success: success200, Refusal: refusal401, Wait: 30 * time.Second,
	},
	{
		Name: "lithic", Title: "Lithic", Docs: "https://docs.lithic.com/docs/events-api",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("event_type"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// Of the event the address's data.id is signed. The body's id may be the payment's, in all of its events. Notifications about QR codes are not signed, and are refused.
		Name: "mercado-pago", Title: "Mercado Pago", Docs: "https://www.mercadopago.com/developers/en/docs/your-integrations/notifications/webhooks",
		Caveat: "the address's data.id is",
		Secret: "the application's secret signature",
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("x-signature")}, Format: Pairs(",", "v1", "ts"),
			Content:   []Value{Const("id:"), Query("data.id"), Const(";request-id:"), Header("x-request-id"), Const(";ts:"), Stamp(), Const(";")},
			Timestamp: Timestamp{Unit: Epoch, Tolerance: minute5, Retries: day},
		}},
		Type: JSON("action"), ID: Header("x-request-id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "modern-treasury", Title: "Modern Treasury", Docs: "https://docs.moderntreasury.com/docs/verifying-webhooks",
		Secret: "the webhook's key", Scheme: hexMAC("X-Signature"),
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// A time, a nonce and the webhook's id are signed, the event is not. Its pages don't say for how long it retries.
		Name: "moov", Title: "Moov", Docs: "https://docs.moov.io/guides/webhooks/",
		Secret: signingSecret,
		Scheme: HMAC{Hash: SHA512, Signature: Signature{
			From:      []Value{Header("X-Signature")},
			Content:   []Value{Header("X-Timestamp"), Const("|"), Header("X-Nonce"), Const("|"), Header("X-Webhook-ID")},
			Timestamp: Timestamp{From: Header("X-Timestamp"), Unit: RFC3339, Tolerance: minute5, Retries: day},
		}},
		Type: JSON("type"), ID: JSON("eventID"),
		Success: success200, Refusal: refusal401,
	},
	{
		// object.id is that of the check, in all of its events.
		Name: "onfido", Title: "Onfido (Entrust)", Docs: "https://documentation.identity.entrust.com/api/manual-webhook-signature-verification/",
		Secret: "the webhook's token", Scheme: hexMAC("X-SHA2-Signature"),
		Type:    JSON("payload.action"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The time has no zone.
		Name: "orb", Title: "Orb", Docs: "https://docs.withorb.com/guides/integrations-and-exports/webhooks",
		Secret: sharedSecret,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("X-Orb-Signature")}, Format: Prefixed("v1="),
			Content:   []Value{Const("v1:"), Header("X-Orb-Timestamp"), Const(":"), Body()},
			Timestamp: Timestamp{From: Header("X-Orb-Timestamp"), Unit: UTC, Tolerance: minute5},
		}},
		Type: JSON("type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// A key that is replaced goes on signing for a while, beside the new one and after a space.
		Name: "persona", Title: "Persona", Docs: "https://docs.withpersona.com/webhooks-best-practices",
		Secret: sharedSecret, Scheme: pairsMAC("Persona-Signature", Pairs(", ", "v1", "t"), ".", Seconds, minute5),
		Type: JSON("data.attributes.name"), ID: JSON("data.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The secret looks like hex and signs as it is. Notifications in XML are not signed. The id is the object's.
		Name: "recurly", Title: "Recurly", Docs: "https://docs.recurly.com/recurly-subscriptions/docs/signature-verification",
		Secret: "the endpoint's secret key", Scheme: pairsMAC("recurly-signature", StampFirst(), ".", Milliseconds, minute5),
		Type:    Join(JSON("object_type"), JSON("event_type")),
		Success: success200, Refusal: refusal401,
	},
	{
		// 200 alone is a success.
		Name: "revenuecat", Title: "RevenueCat", Docs: "https://www.revenuecat.com/docs/integrations/webhooks",
		Secret: "the authorization header's value, as set at the sender", Scheme: Token{From: Header(authorization)},
		Type: JSON("event.type"), ID: JSON("event.id"),
		Success: success200, Refusal: refusal401, Wait: time.Minute,
	},
	{
		Name: "rewardful", Title: "Rewardful", Docs: "https://developers.rewardful.com/webhooks/signed-webhooks",
		Secret: "the endpoint's signing secret", Scheme: hexMAC("X-Rewardful-Signature"),
		Type: JSON("event.type"), ID: JSON("event.id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// SHA-1.
		Name: "unit", Title: "Unit", Docs: "https://docs.unit.co/webhooks/",
		Secret: "the webhook's token",
		Scheme: HMAC{Hash: SHA1, Signature: Signature{From: []Value{Header("X-Unit-Signature")}, Encoding: Base64}},
		Type:   JSON("data.0.type"), ID: JSON("data.0.id"),
		Batch:   &Batch{Items: []string{"data"}, Type: JSON("type"), ID: JSON("id")},
		Success: success200, Refusal: refusal401,
	},
	{
		// The secret is the public key of the sandbox or of production, which its pages show. The body has no id.
		Name: "wise", Title: "Wise", Docs: "https://docs.wise.com/guides/developer/webhooks/event-handling",
		Secret: publicSecret + ", base64 or PEM", Scheme: RSAKey{Signature: Signature{From: []Value{Header("X-Signature-SHA256")}, Encoding: Base64}},
		Type: JSON("event_type"), ID: Header("X-Delivery-Id"),
		Success: success200, Refusal: refusal401,
	},
	{
		// The older callbacks have no type.
		Name: "xendit", Title: "Xendit", Docs: "https://docs.xendit.co/webhook/getting-started/",
		Secret: "the account's webhook verification token", Scheme: Token{From: Header("x-callback-token")},
		Type: JSON("event"), ID: standardID,
		Success: success200, Refusal: refusal401, Wait: 30 * time.Second,
	},
	{
		Name: "zoho-payments", Title: "Zoho Payments", Docs: "https://www.zoho.com/in/payments/developerdocs/webhooks/verification",
		Secret: "the webhook's signing key", Scheme: pairsMAC("X-Zoho-Webhook-Signature", Pairs(",", "v", "t"), ".", Milliseconds, minute5),
		Type: JSON("event_type"), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
}

// stampedMAC is HMAC-SHA256, in hex, of a time and the body with something between. Each stands in a header of its own.
func stampedMAC(signature, timestamp, between string, unit Unit, retries time.Duration) HMAC {
	return HMAC{Signature: Signature{
		From:      []Value{Header(signature)},
		Content:   []Value{Header(timestamp), Const(between), Body()},
		Timestamp: Timestamp{From: Header(timestamp), Unit: unit, Tolerance: minute5, Retries: retries},
	}}
}

// base64Stamped is HMAC-SHA256, in base64, of the content, of which the first header is a time. Its pages say neither the
// unit nor whether a retry has the time of the first try.
func base64Stamped(signature string, timestamp Value, content ...Value) HMAC {
	return HMAC{Signature: Signature{
		From: []Value{Header(signature)}, Encoding: Base64,
		Content:   append([]Value{timestamp}, content...),
		Timestamp: Timestamp{From: timestamp, Unit: Epoch, Tolerance: minute5, Retries: day},
	}}
}
