package provider

import "time"

// addressRows are senders that sign the address they were given, or fields of the body.
var addressRows = []Sender{
	{
		// The standard notification; "adyen-platform" are the newer webhooks. Eight fields of each item are signed.
		Name: "adyen", Title: "Adyen (payments)", Docs: "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
		Caveat: "of each item eight fields are", BodySecrets: []string{"additionalData.hmacSignature"},
		Secret: "the webhook's HMAC key, hex", Scheme: AdyenItems{},
		Type: JSON("notificationItems.0.NotificationRequestItem.eventCode"),
		ID:   JSON("notificationItems.0.NotificationRequestItem.pspReference"),
		Batch: &Batch{
			Items: []string{"notificationItems"}, Type: JSON("NotificationRequestItem.eventCode"),
			// A payment has one reference in all of its events, and is refused and authorised by the same code.
			ID: Apart(Join(JSON("NotificationRequestItem.pspReference"), JSON("NotificationRequestItem.eventCode")),
				JSON("NotificationRequestItem.success"), JSON("NotificationRequestItem.eventDate")),
		},
		Success: Answer{Status: 200, Body: "[accepted]", ContentType: "text/plain"}, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		Name: "braintree", Title: "Braintree", Docs: "https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
		Secret: "public key:private key", Scheme: Braintree{},
		Type: FormXML("bt_payload", "kind"), Handshakes: []Handshake{braintreeVerify},
		Dated:   true,
		Success: success200, Refusal: refusal401, Wait: 30 * time.Second,
	},
	{
		Name: "contentful", Title: "Contentful", Docs: "https://www.contentful.com/developers/docs/webhooks/request-verification/",
		Caveat: "of the headers those that the signature names",
		Secret: "the space's signing secret", Scheme: Contentful{Tolerance: 30 * time.Second}, NeedsURL: true,
		Type: contentfulTopic, ID: Header("X-Contentful-Webhook-Request-Id"),
		StoredID: FirstOf(
			Apart(Header("X-Contentful-Idempotency-Key"), Header("X-Contentful-Webhook-Name"), contentfulTopic), Header("X-Contentful-Webhook-Request-Id"),
		),
		Success: success200, Refusal: refusal401,
	},
	{
		// Time and type are signed, nothing else. The answer must have these words in it.
		Name: "dropbox-sign", Title: "Dropbox Sign", Docs: "https://developers.hellosign.com/docs/events/walkthrough",
		BodySecrets: []string{"event.event_hash"},
		Secret:      "the API key",
		Scheme: HMAC{Signature: Signature{
			From:    []Value{MultipartJSON("json", "event.event_hash")},
			Content: []Value{MultipartJSON("json", "event.event_time"), MultipartJSON("json", "event.event_type")},
			// When it happened. Retried for about three days:
			// https://developers.hellosign.com/api/manual-reference-pages/glossary/callbacks-events
			Timestamp: Timestamp{From: MultipartJSON("json", "event.event_time"), Unit: Seconds, Tolerance: minute5, Retries: 3 * day},
		}},
		Type: MultipartJSON("json", "event.event_type"), ID: MultipartJSON("json", "event.event_hash"),
		// The hash is of the type and a time in seconds.
		StoredID: Apart(MultipartJSON("json", "event.event_hash"),
			MultipartJSON("json", "signature_request.signature_request_id"), MultipartJSON("json", "template.template_id"),
			MultipartJSON("json", "account.account_id"), MultipartJSON("json", "event.event_metadata.related_signature_id"),
			MultipartJSON("json", "event.event_metadata.reported_for_account_id"), MultipartJSON("json", "event.event_metadata.reported_for_app_id")),
		Success: Answer{Status: 200, Body: "Hello API Event Received", ContentType: "text/plain"}, Refusal: refusal401,
	},
	{
		Name: "hubspot", Title: "HubSpot (v3 signature)", Docs: "https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests",
		Secret: clientSecret, NeedsURL: true,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("X-HubSpot-Signature-v3")}, Encoding: Base64,
			// Its pages have twelve characters decoded; its own library signs the address as it is.
			Content:   []Value{Method(), DecodedURL(":/?@!$'()*,;"), Body(), Header("X-HubSpot-Request-Timestamp")},
			Or:        []Value{Method(), URL(), Body(), Header("X-HubSpot-Request-Timestamp")},
			Timestamp: Timestamp{From: Header("X-HubSpot-Request-Timestamp"), Unit: Milliseconds, Tolerance: minute5},
		}},
		Type: JSON("0.subscriptionType"), ID: JSON("0.eventId"), Batch: hubspotBatch,
		StoredType: hubspotWorkflow,
		Success:    success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// Who has seen a request can lengthen its body: prefer "hubspot".
		Name: "hubspot-v1", Title: "HubSpot (v1 signature)", Docs: "https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests",
		Caveat: "the hash could be carried on over a longer body, so only whole JSON is taken",
		Secret: clientSecret,
		Scheme: Digest{Signature: Signature{From: []Value{Header("X-HubSpot-Signature")}, Content: []Value{secretText(), Body()}}},
		Type:   JSON("0.subscriptionType"), ID: JSON("0.eventId"), Batch: hubspotBatch,
		StoredType: hubspotWorkflow,
		Success:    success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "hubspot-v2", Title: "HubSpot (v2 signature)", Docs: "https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests",
		Caveat: "the hash could be carried on over a longer body, so only whole JSON is taken",
		Secret: clientSecret, NeedsURL: true,
		Scheme: Digest{Signature: Signature{From: []Value{Header("X-HubSpot-Signature")}, Content: []Value{secretText(), Method(), URL(), Body()}}},
		Type:   JSON("0.subscriptionType"), ID: JSON("0.eventId"), Batch: hubspotBatch,
		StoredType: hubspotWorkflow,
		Success:    success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		// A time and a token are signed, the event is not. Says 200 alone is a success, and gives up at 406.
		Name: "mailgun", Title: "Mailgun", Docs: "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
		BodySecrets: []string{"signature"},
		Secret:      "the HTTP webhook signing key",
		Scheme: HMAC{Signature: Signature{
			From:    []Value{JSON("signature.signature")},
			Content: []Value{JSON("signature.timestamp"), JSON("signature.token")},
			// Retried for 8 hours, and its pages warn of delays of its own:
			// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries
			Timestamp: Timestamp{From: JSON("signature.timestamp"), Unit: Seconds, Tolerance: minute5, Retries: 9 * time.Hour},
		}},
		Type: JSON("event-data.event"), ID: JSON("signature.token"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "mandrill", Title: "Mailchimp Transactional (Mandrill)",
		Docs:   "https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests",
		Secret: "the webhook's key", Scheme: URLForm{From: Header("X-Mandrill-Signature")}, NeedsURL: true,
		Type: FormJSON("mandrill_events", "0.event"), ID: FormJSON("mandrill_events", "0._id"),
		Batch: &Batch{
			Field: "mandrill_events", Type: FirstOf(JSON("event"), JSON("type")),
			// _id is the message's: sent, opened and clicked have the same, and the time is in seconds.
			ID: Apart(Join(FirstOf(JSON("_id"), JSON("msg._id")), JSON("event"), JSON("ts")), JSON("url"), JSON("ip"), JSON("user_agent")),
		},
		Handshakes: []Handshake{headProbe},
		Dated:      true,
		Success:    success200, Refusal: refusal401,
	},
	{
		Name: "segment", Title: "Segment", Docs: "https://www.twilio.com/docs/segment/connections/destinations/catalog/actions-webhook",
		Caveat: "of a list the first element is",
		Secret: "the destination's shared secret", Scheme: Segment{},
		Type: FirstOf(JSON("type"), JSON("0.type")), ID: FirstOf(JSON("messageId"), JSON("0.messageId")),
		Batch:   &Batch{Type: JSON("type"), ID: JSON("messageId")},
		Success: success200, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "square", Title: "Square", Docs: "https://developer.squareup.com/docs/webhooks/step3validate",
		Secret: "the subscription's signature key", NeedsURL: true,
		Scheme: HMAC{Signature: Signature{
			From: []Value{Header("x-square-hmacsha256-signature")}, Encoding: Base64, Content: []Value{URL(), Body()},
		}},
		Type: JSON("type"), ID: JSON("event_id"),
		Success: success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		Name: "trello", Title: "Trello", Docs: "https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
		Secret: "the app's secret", NeedsURL: true,
		Scheme: HMAC{Hash: SHA1, Signature: Signature{
			From: []Value{Header("X-Trello-Webhook")}, Encoding: Base64, Content: []Value{Body(), URL()},
		}},
		Type: JSON("action.type"), ID: JSON("action.id"), Handshakes: []Handshake{headProbe},
		// Each webhook on a board and its cards tells the action.
		StoredID: Apart(JSON("action.id"), FirstOf(JSON("webhook.id"), JSON("model.id"))),
		Success:  success200, Refusal: refusal401,
	},
	{
		// An empty answer with 200 is taken for a document without a type.
		Name: "twilio", Title: "Twilio", Docs: "https://www.twilio.com/docs/usage/security#validating-requests",
		Caveat: "of a body that is no form by its SHA-256 in the address",
		Secret: "the auth token, or a shared key", SecretForm: hexSecret, NeedsURL: true,
		Scheme: URLForm{
			From: Header("X-Twilio-Signature"), Ports: true, BodyParameter: "bodySHA256",
			Settings: Header("X-Twilio-Webhooks-Signature-Settings"),
		},
		Type: FirstOf(Form("MessageStatus"), Form("SmsStatus"), Form("CallStatus")), ID: Header("I-Twilio-Idempotency-Token"),
		Methods: []string{"GET"},
		Success: success204, Refusal: refusal401, Wait: 15 * time.Second,
	},
}

// hubspotBatch are the subscriptions' events, whose ids are documented not to be unique. The number of the try is in them.
var hubspotBatch = &Batch{Type: JSON("subscriptionType"), ID: Apart(JSON("eventId"),
	JSON("portalId"), JSON("appId"), JSON("subscriptionId"), JSON("occurredAt"), JSON("objectId"), JSON("messageId"), JSON("propertyName"))}

// hubspotWorkflow is the type of what a workflow posts: one object, without a type.
var hubspotWorkflow = FirstOf(JSON("0.subscriptionType"), Dotted(Const("workflow"), JSON("objectType")))
