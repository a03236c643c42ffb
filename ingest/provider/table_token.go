package provider

import "time"

// tokenRows are senders that show a secret with each request and sign nothing.
var tokenRows = []Sender{
	{
		Name: "alertmanager", Title: "Prometheus Alertmanager", Docs: "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
		Secret: ownToken, Scheme: bearer(),
		Type:    JSON("status"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "alertmanager-basic", Title: "Prometheus Alertmanager (basic)", Docs: "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
		Secret: ownLogin, Scheme: Basic{},
		Type:    JSON("status"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "auth0", Title: "Auth0 event streams", Docs: "https://auth0.com/docs/customize/events/create-an-event-stream",
		Secret: ownToken, Scheme: bearer(),
		Type: JSON("type"), ID: JSON("id"),
		// Unique for a source, as CloudEvents are.
		StoredID: Apart(JSON("id"), JSON("source")),
		Success:  success202, Refusal: refusal401,
	},
	{
		// The handshakes must be answered with 200.
		Name: "azure-event-grid", Title: "Azure Event Grid", Docs: "https://learn.microsoft.com/en-us/azure/event-grid/secure-webhook-delivery",
		Secret: "a token of your own, in the address as ?token=", Scheme: Token{From: Query("token")},
		Type:       FirstOf(JSON("0.eventType"), JSON("0.type"), JSON("eventType"), JSON("type")),
		ID:         FirstOf(JSON("0.id"), JSON("id")),
		Batch:      &Batch{Type: FirstOf(JSON("eventType"), JSON("type")), ID: Apart(JSON("id"), JSON("topic"), JSON("source"))},
		Handshakes: []Handshake{eventGridValidation, cloudEventsOptions},
		// The publisher chooses the id: it is unique for a topic.
		StoredID: Apart(JSON("id"), JSON("topic"), JSON("source")),
		Success:  success200, Refusal: refusal401, Wait: 30 * time.Second,
	},
	{
		// "buildkite" is for a webhook that signs.
		Name: "buildkite-token", Title: "Buildkite (token)", Docs: "https://buildkite.com/docs/apis/webhooks/pipelines",
		Secret: "the webhook's token", Scheme: Token{From: Header("X-Buildkite-Token")},
		Type:    Header("X-Buildkite-Event"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "chargebee", Title: "Chargebee", Docs: "https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings",
		Secret: ownLogin, Scheme: Basic{},
		Type: JSON("event_type"), ID: JSON("id"),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "cloudevents", Title: "CloudEvents webhooks", Docs: "https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md",
		Secret: ownToken,
		Scheme: Token{From: Header(authorization), Prefix: "Bearer ", Or: Query("access_token")},
		Type:   FirstOf(Header("ce-type"), JSON("type")), ID: FirstOf(Header("ce-id"), JSON("id")),
		Handshakes: []Handshake{cloudEventsOptions},
		// An id is unique for a source: https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md#id
		StoredID: FirstOf(Apart(Header("ce-id"), Header("ce-source")), Apart(JSON("id"), JSON("source"))),
		Success:  success202, Refusal: refusal401,
	},
	{
		Name: "cloudflare", Title: "Cloudflare notifications", Docs: "https://developers.cloudflare.com/notifications/get-started/configure-webhooks/",
		Secret: "the destination's secret", Scheme: Token{From: Header("cf-webhook-auth")},
		Type: JSON("alert_type"), ID: JSON("alert_correlation_id"),
		// The id groups the alerts of one incident.
		StoredID: Apart(JSON("alert_correlation_id"), JSON("alert_event"), JSON("policy_id"), JSON("ts")),
		Success:  success200, Refusal: refusal401,
	},
	{
		// The header is the one that its webhook is given by hand.
		Name: "datadog", Title: "Datadog", Docs: "https://docs.datadoghq.com/integrations/webhooks/",
		Secret: ownToken, Scheme: Token{From: Header("X-Webhook-Token")}, OwnHeader: true,
		Type: JSON("event_type"), ID: JSON("id"),
		// Its users write the body: with $ALERT_ID an alert and its end have one id.
		StoredID: Apart(JSON("id"), BodyHash()),
		Success:  success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		// Signs nothing and has no header to set: a token in the address is all there can be.
		Name: "docker-hub", Title: "Docker Hub", Docs: "https://docs.docker.com/docker-hub/repos/manage/webhooks/",
		BodySecrets: []string{"callback_url"},
		Secret:      "a token of your own, in the address as ?token=", Scheme: Token{From: Query("token")}, Unsigned: true,
		Type:    Const("push"),
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "docker-hub-url-token", Title: "Docker Hub (same as docker-hub)", Docs: "https://docs.docker.com/docker-hub/repos/manage/webhooks/",
		BodySecrets: []string{"callback_url"},
		Secret:      "a token of your own, in the address as ?token=", Scheme: Token{From: Query("token")},
		Type:    Const("push"),
		Dated:   true,
		Success: success200, Refusal: refusal401,
	},
	{
		// Says that all but 200 is an error.
		Name: "figma", Title: "Figma", Docs: "https://developers.figma.com/docs/rest-api/webhooks-security/",
		BodySecrets: []string{"passcode"},
		Secret:      "the webhook's passcode", Scheme: Token{From: JSON("passcode")},
		Type:  JSON("event_type"),
		Dated: true,
		// The body counts the tries, so that a hash of it is another one each time.
		StoredID: figmaID,
		Success:  success200, Refusal: refusal401,
	},
	{
		// "gitlab-signing" is for a webhook that signs.
		// Sends up to 25 MB: https://docs.gitlab.com/administration/instance_limits/#webhook-limits
		Name: "gitlab", Title: "GitLab", LargestBody: 25 << 20, Docs: "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Secret: "the webhook's secret token", Scheme: Token{From: Header("X-Gitlab-Token")},
		Type: Header("X-Gitlab-Event"), ID: Header("Idempotency-Key"),
		// Before 17.4 there is no key, and all events of one action share the UUID.
		StoredID: FirstOf(Header("Idempotency-Key"), Join(Header("X-Gitlab-Event-UUID"), BodyHash())),
		Success:  success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		// Each notification has the client state. 202 is what its pages recommend.
		Name: "microsoft-graph", Title: "Microsoft Graph", Docs: "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
		BodySecrets: []string{"value[].clientState"},
		Secret:      "the subscription's clientState", Scheme: Token{From: JSON("clientState"), Each: "value"},
		Type: JSON("value.0.changeType"), ID: JSON("value.0.id"),
		// The id is optional. What happens to the subscription itself is no change.
		Batch: &Batch{
			Items: []string{"value"}, Type: FirstOf(JSON("changeType"), JSON("lifecycleEvent")), ID: Apart(JSON("id"), JSON("subscriptionId")),
		},
		Handshakes: []Handshake{graphValidation},
		Success:    success202, Refusal: refusal401, Wait: 3 * time.Second,
	},
	{
		Name: "okta", Title: "Okta event hooks", Docs: "https://developer.okta.com/docs/concepts/event-hooks/",
		Secret: "the hook's authentication secret", Scheme: Token{From: Header(authorization)}, OwnHeader: true,
		Type: JSON("data.events.0.eventType"), ID: JSON("eventId"),
		Batch:      &Batch{Items: []string{"data.events"}, Type: JSON("eventType"), ID: JSON("uuid"), Request: JSON("eventId")},
		Handshakes: []Handshake{oktaChallenge},
		Success:    success200, Refusal: refusal401, Wait: 3 * time.Second,
	},
	{
		// The token looks like a JWT and is not one to us: it is documented as a fixed text. Says 200 alone
		// is a success, and advises to refuse what is more than a few minutes old. It sends no event id.
		Name: "polytomic", Title: "Polytomic",
		Docs:   "https://apidocs.polytomic.com/guides/configuring-your-connections/syncing-to-custom-webhooks",
		Secret: "the connection's secret", Compresses: true,
		Scheme: Token{
			From: Header(authorization), Prefix: "Bearer ",
			Timestamp: Timestamp{From: Header("Polytomic-Signature-Timestamp"), Unit: RFC3339, Tolerance: minute5},
		},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401,
	},
	{
		// 403 would stop its retries.
		// An inbound message has up to 35 MB of attachments: https://postmarkapp.com/support/article/1056-what-are-the-attachment-and-email-size-limits
		Name: "postmark", Title: "Postmark", LargestBody: 35 << 20, Docs: "https://postmarkapp.com/developer/webhooks/webhooks-overview",
		Secret: ownLogin, Scheme: Basic{},
		Type: JSON("RecordType"), ID: JSON("MessageID"),
		// The id is the message's, in all that happens to it and of all that it went to.
		StoredID: Apart(JSON("MessageID"), JSON("RecordType"), FirstOf(JSON("Recipient"), JSON("Email")),
			FirstOf(JSON("ReceivedAt"), JSON("DeliveredAt"), JSON("BouncedAt"), JSON("ChangedAt")), FirstOf(JSON("ID"), JSON("OriginalLink"))),
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "shippo-url-token", Title: "Shippo (token in the address)", Docs: "https://docs.goshippo.com/docs/tracking/webhooksecurity/",
		Secret: "a token of your own, in the address as ?token=", Scheme: Token{From: Query("token")},
		Type:    JSON("event"),
		Success: success200, Refusal: refusal401, Wait: 3 * time.Second,
	},
	{
		Name: "telegram", Title: "Telegram Bot API", Docs: "https://core.telegram.org/bots/api#setwebhook",
		Secret: "the webhook's secret_token", Scheme: Token{From: Header("X-Telegram-Bot-Api-Secret-Token")},
		Type: Const("update"), ID: JSON("update_id"),
		// Each bot counts by itself.
		StoredID: Apart(JSON("update_id"), BodyHash()),
		Success:  success200, Refusal: refusal401,
	},
}

// figmaID tells a library's publication apart by what it lists: it is told in several events of one time.
var figmaID = Apart(Join(JSON("webhook_id"), JSON("event_type"), JSON("timestamp")),
	JSON("file_key"), JSON("version_id"), JSON("comment_id"),
	JSON("created_components.0.key"), JSON("modified_components.0.key"), JSON("deleted_components.0.key"),
	JSON("created_styles.0.key"), JSON("modified_styles.0.key"), JSON("deleted_styles.0.key"),
	JSON("created_variables.0.key"), JSON("modified_variables.0.key"), JSON("deleted_variables.0.key"))
