// Package openapi describes the admin API: it fills in what the OpenAPI document does not say of its fields, and makes the page for
// people of it.
package openapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/endpoint/signing"
)

// Tags are the kinds of things that the operations are on, in the order in which people come to need them.
var Tags = []*huma.Tag{
	{Name: "endpoints", Description: "Where deliveries are sent."},
	{Name: "events", Description: "What is stored, and who gets it."},
	{Name: "deliveries", Description: "Events on their way to endpoints, and each attempt."},
	{Name: "dead letters", Description: "Deliveries that failed permanently."},
	{Name: "recoveries", Description: "Redelivery of what an endpoint failed or missed."},
	{Name: "sources", Description: "Senders that webhooks are received from."},
	{Name: "status", Description: "What is stuck."},
	{Name: "audit", Description: "What operators did."},
}

// term describes a field wherever it stands.
type term struct {
	doc     string
	example any
}

// terms are the words of this API: what a field is called means the same in every answer. They fill in what the
// tags of a Go field leave out, by "Schema.field", or by "resource.parameter" for a parameter of a path, or by name;
// and by "Schema" the example of a body, where any one of its fields would not do.
var terms = map[string]term{
	"endpoints.id":  {"the endpoint's id", exampleEndpoint},
	"deliveries.id": {"the delivery's id", exampleDelivery},
	"events.id":     {"the event's id", exampleEvent},
	"recoveries.id": {"the recovery's id", exampleRecovery},
	"dead.id":       {"the delivery's id", exampleDelivery},

	"Endpoint.id":        {"its id", exampleEndpoint},
	"CreatedEndpoint.id": {"its id", exampleEndpoint},
	"Delivery.id":        {"its id: the endpoint's, and the event's source and id", exampleDelivery},
	"RetriedDelivery.id": {"the delivery's id", exampleDelivery},
	"Delivery.status":    {"delivered, waiting or dead", "waiting"},
	"Attempt.missed":     {"how many events retention took while they waited for the endpoint", 12},
	"Attempt.error":      {"why the attempt failed, or why the circuit opened; human-readable", "answered 500 Internal Server Error"},
	"Attempt.status":     {"the response's HTTP status", 500},

	"AuditItem.changes":      {"", map[string]any{"url": map[string]any{"before": "https://example.com/old", "after": "https://example.com/hook"}}},
	"EventDetail.headers":    {"", map[string]any{"Content-Type": []any{"application/json"}}},
	"EventDetail.incomplete": {"some may be missing", false},
	"EventDetail.received":   {"when Jethook received it", exampleTime},
	"StoredEvent.received":   {"when Jethook received it", exampleTime},

	"Recovery.id":    {"its id", exampleRecovery},
	"Recovery.error": {"why it ended early", "the endpoint was removed"},
	"Recovery.since": {"start of the period: events received from this time on", exampleTime},

	"RemoveRequest": {"", map[string]any{"endpoint": exampleEndpoint, "until": "168h"}},
	"ReplayRequest": {"", map[string]any{"endpoint": exampleEndpoint, "since": "24h"}},

	"Source.name":     {"its name, as in JETHOOK_SOURCES", "shop"},
	"Source.received": {"number of stored events", 1200},

	"Status.incomplete":       {"what is missing", []any{"endpoints: this process does not deliver; call one that does"}},
	"StatusEndpoint.id":       {"its id", exampleEndpoint},
	"StatusEndpoint.host":     {"the host of its URL", "example.com"},
	"StatusProcess.endpoints": {"number of endpoints that it knows", 12},
	"StatusProcess.id":        {"identifies this run of the process", exampleProcess},
	"Missing.id":              {"identifies this run of the process", exampleProcess},
	"StatusQueue.name":        {"the consumer's name", "jethook"},
	"StatusSource.name":       {"its name, as in JETHOOK_SOURCES", "shop"},
	"StatusStream.name":       {"its name", "EVENTS"},

	"StatusUnreadable.bucket":    {"the bucket that holds it", "jethook_endpoints"},
	"StatusUnreadable.key":       {"its key, such as an endpoint's id; absent if the whole bucket can't be read", exampleEndpoint},
	"StatusUnreadable.why":       {"what is wrong with it, without a secret", "it is not sealed, and JETHOOK_ENCRYPTION_KEY is set"},
	"StatusUnreadable.processes": {"the processes that can't read it", []any{"consume on worker-1 (pid 7)"}},

	"NewEvent.data": {"any JSON", map[string]any{"order": 7}},
	"SentEvent.id":  {"the event's id", exampleEvent},

	"RejectedDetail.headers": {"", map[string]any{"Content-Type": []any{"application/json"}}},
	"RejectedChoice":         {"", map[string]any{"since": "24h", "reason": "bad_signature"}},

	"name":                    {"a name of your choice", "billing"},
	"url":                     {"where deliveries are sent", "https://example.com/hook"},
	"events":                  {"NATS subject patterns of the events to deliver", []any{"events.order.*"}},
	"secret":                  {"signs deliveries", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
	"format":                  {"the form of the body: raw, slack, discord or cloudevents", "raw"},
	"second_signature":        {"a second signature", nil},
	"secret_type":             {"how the key is read from the secret: text, base64, or ed25519", "base64"},
	"warnings":                {"what to check", []any{"the secret is read as a key in base64"}},
	"Signature.algorithm":     {"hmac: sha256, sha1 or sha512; absent: sha256", "sha512"},
	"Signature.encoding":      {"hmac: hex, base64 or base64url; absent: hex", "base64"},
	"Signature.prefix":        {"hmac: text before the signature, such as sha256=", "sha256="},
	"Signature.template":      {"hmac: the whole header value, with {signature}, {timestamp} and {id}", "t={timestamp},v1={signature}"},
	"Signature.signed":        {"hmac: the text to sign, with {body}, {timestamp}, {id} and {url}; absent: {body}", "{timestamp}.{body}"},
	"Signature.timestamp":     {"hmac: an additional header for the timestamp in Unix seconds", "X-Slack-Request-Timestamp"},
	"SignatureSpec.like":      {"hmac: sign like this sender: " + strings.Join(signing.Likes(), ", ") + "; other fields override it", "github"},
	"SignatureSpec.algorithm": {"hmac: sha256, sha1 or sha512; default: sha256", "sha512"},
	"SignatureSpec.encoding":  {"hmac: hex, base64 or base64url; default: hex", "base64"},
	"SignatureSpec.prefix":    {"hmac: text before the signature, such as sha256=", "sha256="},
	"SignatureSpec.template":  {"hmac: the whole header value, with {signature}, {timestamp} and {id}", "t={timestamp},v1={signature}"},
	"SignatureSpec.signed":    {"hmac: the text to sign, with {body}, {timestamp}, {id} and {url}; default: {body}", "{timestamp}.{body}"},
	"SignatureSpec.timestamp": {"hmac: an additional header for the timestamp in Unix seconds", "X-Slack-Request-Timestamp"},
	"signature":               {"how deliveries are signed", nil},
	"scheme":                  {"standard (Standard Webhooks), hmac or bearer", "hmac"},
	"header":                  {"hmac: the header that carries the signature; bearer: a header for the timestamp", "X-Notify-Signature"},
	"headers":                 {"sent with every delivery", map[string]any{"X-Team": "shop"}},
	"retry_schedule":          {"pauses between attempts; absent: the default", []any{"5m", "30m"}},
	"timeout":                 {"of one attempt; absent: the default", "20s"},
	"ca":                      {"certificates in PEM of the authorities that may vouch for the receiver; absent: the system's", "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"},
	"client_certificate":      {"certificate in PEM that Jethook shows the receiver; absent: none", "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"},
	"client_key":              {"the client certificate's key", "-----BEGIN PRIVATE KEY-----\nMIGH...\n-----END PRIVATE KEY-----\n"},
	"rate_limit":              {"maximum request rate of each process; absent: no limit", "10/s"},
	"concurrency":             {"maximum concurrent requests from each process; absent: the default", 8},
	"ordered":                 {"deliver one event at a time, in stream order", false},
	"disabled":                {"deliver nothing while true", false},
	"disabled_reason":         {"why it is disabled", "disabled on request"},
	"disabled_at":             {"when it was disabled", exampleTime},
	"failing_since":           {"it has failed since this time; absent while it is healthy", exampleTime},
	"created_at":              {"when it was created", exampleTime},
	"updated_at":              {"when it was last changed", exampleTime},

	"id":              {"its id", exampleEvent},
	"endpoint":        {"the endpoint's id", exampleEndpoint},
	"event":           {"an event's id", exampleEvent},
	"event_id":        {"the event's id", exampleEvent},
	"ids":             {"ids", []any{exampleDelivery}},
	"type":            {"the event's type", "order.created"},
	"subject":         {"where the event is stored", "events.order.created"},
	"source":          {"the sender that the event came from", "shop"},
	"stream":          {"the stream that holds it", "EVENTS"},
	"sequence":        {"its place in the stream", 17},
	"size":            {"size of its body in bytes", 11},
	"content_type":    {"the sender's content type", "application/json"},
	"body_base64":     {"the event's body", "/wA="},
	"others":          {"subjects", []any{"events.order.created"}},
	"status":          {"the state of a delivery", "waiting"},
	"attempts":        {"how many attempts were made", 2},
	"attempt":         {"the number of the attempt, from 1", 2},
	"at":              {"when it happened", exampleTime},
	"next_attempt":    {"when the next attempt is due", exampleTime},
	"waits_for":       {"what it waits for", "retry"},
	"reason":          {"why the last attempt failed", "answered 500 Internal Server Error"},
	"response_status": {"HTTP status of the response", 500},
	"body":            {"the event's body", `{"order":7}`},
	"body_truncated":  {"the body is longer than what is shown", false},
	"replayed":        {"how many", 3},
	"removed":         {"how many", 3},
	"all":             {"everything", true},
	"duplicate":       {"nothing was added", false},
	"class":           {"class of failure", "timeout"},
	"code":            {"HTTP status of a response", 503},
	"delivery":        {"a delivery's id", exampleDelivery},
	"outcome":         {"the outcome of an attempt; circuit_opened, circuit_closed, and missed concern the endpoint", "failed"},
	"time":            {"when it happened", exampleTime},
	"duration_ms":     {"how long it took, in milliseconds", 87.4},
	"response":        {"the response's body", "try again later"},
	"truncated":       {"only the beginning is shown", false},
	"next":            {"when the next one is due", exampleTime},
	"expires":         {"it is valid until this time", exampleTime},
	"provider":        {"the preset that verifies it", "standard-webhooks"},
	"verified_by":     {"how it is verified", "HMAC-SHA256, hex in header:X-Hub-Signature-256 over {body}"},
	"covers_body":     {"whether the signature covers the whole body", true},
	"last_seen":       {"when the newest arrived", exampleTime},
	"accepted":        {"number of accepted requests", 1200},
	"duplicates":      {"number of accepted requests whose event was already stored", 3},
	"traceparent":     {"W3C trace context", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},

	"If-Match":        {"an ETag", `"3-41"`},
	"If-None-Match":   {"an ETag", `"3-41"`},
	"Idempotency-Key": {"a name for this request", "order-7-created"},

	"dry_run":  {"only count", true},
	"missing":  {"include events from before the endpoint was created", false},
	"state":    {"its state", nil},
	"started":  {"when it started", exampleTime},
	"finished": {"when it ended; absent while it runs", exampleTime},
	"dead":     {"dead letters", 4},
	"waiting":  {"waiting deliveries", 12},
	"missed":   {"missed events", 7},

	"hour_since":     {"start of the last hour", exampleTime},
	"streams":        {"how full each stream is", nil},
	"sources":        {"what each source sends", nil},
	"processes":      {"the processes that responded", nil},
	"failures":       {"consecutive failures", 3},
	"last_status":    {"HTTP status of the last failure's response", 503},
	"last_class":     {"class of the last failure", "status"},
	"oldest_waiting": {"when the oldest was received", exampleTime},
	"next_due":       {"when the next one is attempted", exampleTime},
	"approximate":    {"not all deliveries were examined", false},
	"behind":         {"deliveries that wait in the event streams", 3},
	"behind_why":     {"what they wait for", "circuit_open"},
	"behind_since":   {"the endpoint has lagged since this time", exampleTime},
	"in_flight":      {"first attempts in the hands of a process", 2},
	"running":        {"requests in progress", 1},
	"delivered_hour": {"successful requests", 1180},
	"failed_hour":    {"failed requests", 20},
	"success_hour":   {"share of successful requests", 0.983},
	"p50_ms":         {"median duration", 41.2},
	"p99_ms":         {"99th percentile of the duration", 2100},
	"refused":        {"", map[string]any{"bad_signature": 3}},
	"waiting_why":    {"", map[string]any{"retry": 12}},
	"messages":       {"number of messages", 1200},
	"bytes":          {"size in bytes", 4194304},
	"bytes_limit":    {"maximum size in bytes", 33554432},
	"age_limit":      {"older messages are removed", "168h"},
	"percent":        {"percent of the limit", 12.5},
	"age_percent":    {"age of the oldest message, in percent of the limit", 42.1},
	"oldest":         {"when its oldest message was stored", exampleTime},
	"pending":        {"messages that no process has taken yet", 3},
	"unacknowledged": {"messages that a process has taken, without an outcome yet", 2},
	"role":           {"serve, ingest or consume", "consume"},
	"host":           {"the name of its machine", "worker-1"},
	"pid":            {"its process id on that machine", 4711},
	"version":        {"its version of Jethook", "v1.2.0"},
	"heard":          {"when it last responded", exampleTime},

	"items":       {"the page", nil},
	"next_cursor": {"cursor of the next page; empty on the last page", "MSwyLDMsNCw"},
	"cursor":      {"next_cursor of the previous page", "MSwyLDMsNCw"},
	"limit":       {"maximum number of items", 50},
	"since":       {"a time (RFC 3339), or a period before now", "24h"},
	"until":       {"a time (RFC 3339), or a period before now; exclusive", exampleTime},

	"error":   {"what went wrong", nil},
	"message": {"human-readable text; may change", "the request is not valid"},
	"field":   {"the field or parameter, as the request names it", "url"},
	"fields":  {"the invalid fields", nil},
}

const (
	exampleEndpoint = "ep_k3v9q2m8x1c7b5n4z6w0"
	exampleEvent    = "evt_4QmX9sK2"
	exampleDelivery = exampleEndpoint + ".events:" + exampleEvent
	exampleRecovery = "rec_k3v9q2m8x1c7b5n4z6w0_h5x2m9qa"
	exampleProcess  = "KJ0Xx4Zq1bYd2hTn8sWv3R"
	exampleTime     = "2026-01-02T15:04:05Z"
)

// Describe fills in what the document does not say of its fields and parameters.
func Describe(doc *huma.OpenAPI) {
	for name, schema := range doc.Components.Schemas.Map() {
		describeFields(name, schema)
		if t, ok := terms[name]; ok {
			schema.Examples = []any{t.example}
		}
	}
	for path, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			for _, p := range op.Parameters {
				t := find(p.Name, resourceOf(path, p))
				p.Description = cmp.Or(p.Description, t.doc)
				if p.Example == nil && len(p.Schema.Examples) == 0 {
					p.Example = t.example
				}
			}
			if op.RequestBody != nil {
				for _, media := range op.RequestBody.Content { // a schema of its own, as a change has
					describeFields("", media.Schema)
				}
			}
		}
	}
}

func describeFields(schema string, s *huma.Schema) {
	for field, property := range s.Properties {
		if property.Ref != "" { // it is described where it is defined
			continue
		}
		t := find(field, schema)
		property.Description = cmp.Or(property.Description, t.doc)
		isObjects := property.Items != nil && property.Items.Ref != "" // their examples are in their fields
		if len(property.Examples) == 0 && t.example != nil && !isObjects {
			property.Examples = []any{t.example}
		}
	}
}

func find(name, context string) term {
	if t, ok := terms[context+"."+name]; ok {
		return t
	}
	return terms[name]
}

// resourceOf is the resource that a parameter of a path names: "endpoints" of /api/v1/endpoints/{id}/test.
func resourceOf(path string, p *huma.Param) string {
	before, _, ok := strings.Cut(path, "/{"+p.Name+"}")
	if p.In != "path" || !ok {
		return ""
	}
	return before[strings.LastIndex(before, "/")+1:]
}

// operationsOf lists the operations of one path.
func operationsOf(item *huma.PathItem) []*huma.Operation {
	all := []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete}
	return slices.DeleteFunc(all, func(op *huma.Operation) bool { return op == nil })
}
