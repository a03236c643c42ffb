package admin

import (
	"cmp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// term describes a field wherever it stands.
type term struct {
	doc     string
	example any
}

// terms are the words of this API: what a field is called means the same in every answer. They fill in what the
// tags of a Go field leave out, by "Schema.field", or by "resource.parameter" for a parameter of a path, or by name.
var terms = map[string]term{
	"endpoints.id":  {"the endpoint's id", exampleEndpoint},
	"deliveries.id": {"the delivery's id", exampleDelivery},
	"events.id":     {"the event's id", exampleEvent},

	"Endpoint.id":        {"its id", exampleEndpoint},
	"CreatedEndpoint.id": {"its id", exampleEndpoint},
	"Delivery.id":        {"its id: the endpoint's, and the event's source and id", exampleDelivery},
	"RetriedDelivery.id": {"the delivery's id", exampleDelivery},
	"Delivery.status":    {"delivered, waiting or dead", "waiting"},
	"Source.name":        {"its name, as in JETHOOK_SOURCES", "shop"},
	"NewEvent.data":      {"any JSON", map[string]any{"order": 7}},
	"SentEvent.id":       {"the event's id", exampleEvent},

	"RejectedChoice": {"", map[string]any{"since": "24h", "reason": "bad_signature"}},

	"name":            {"for people", "billing"},
	"url":             {"where deliveries are sent", "https://example.com/hook"},
	"events":          {"NATS subject patterns of what it gets", []any{"events.order.*"}},
	"secret":          {"signs deliveries; shown this once", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
	"format":          {"the form of the body: raw, slack or discord", "raw"},
	"signature":       {"how deliveries are signed", nil},
	"scheme":          {"standard (Standard Webhooks), hmac or bearer", "hmac"},
	"header":          {"hmac: carries the signature; bearer: one for the time", "X-Notify-Signature"},
	"headers":         {"sent with every delivery", nil},
	"retry_schedule":  {"pauses between attempts; absent: the default", []any{"5m", "30m"}},
	"timeout":         {"of one attempt; absent: the default", "20s"},
	"rate_limit":      {"most requests in a time from each process; absent: none", "10/s"},
	"concurrency":     {"most requests at once from one process; absent: the default", 8},
	"ordered":         {"one delivery at a time, in the order of the stream", false},
	"disabled":        {"nothing is delivered while true", false},
	"disabled_reason": {"why it is disabled", "disabled on request"},
	"failing_since":   {"since when it has taken nothing; absent while it is well", exampleTime},
	"created_at":      {"when it was created", exampleTime},
	"updated_at":      {"when it was last changed", exampleTime},

	"id":              {"its id", exampleEvent},
	"endpoint":        {"the endpoint's id", exampleEndpoint},
	"event":           {"an event's id", exampleEvent},
	"event_id":        {"the event's id", exampleEvent},
	"ids":             {"ids", []any{exampleDelivery}},
	"type":            {"the event's type", "order.created"},
	"subject":         {"where the event is stored", "events.order.created"},
	"source":          {"the sender that the event came from", "shop"},
	"status":          {"the state of a delivery", "waiting"},
	"attempts":        {"how many attempts were made", 2},
	"attempt":         {"the number of the attempt, from 1", 2},
	"at":              {"when", exampleTime},
	"next_attempt":    {"when it is attempted next", exampleTime},
	"waits_for":       {"what it waits for", "retry"},
	"reason":          {"what the last attempt failed of", "answered 500 Internal Server Error"},
	"response_status": {"the answer's HTTP status", 500},
	"body":            {"the event's body", `{"order":7}`},
	"body_truncated":  {"the body is longer than what is shown", false},
	"replayed":        {"how many", 3},
	"duplicate":       {"nothing was added", false},
	"provider":        {"the preset that verifies it", "standard-webhooks"},
	"received":        {"how many are stored", 1200},
	"last_seen":       {"when the newest came", exampleTime},
	"traceparent":     {"W3C trace context", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},

	"items":       {"the page", nil},
	"next_cursor": {"of the next page; empty when there is none", "MSwyLDMsNCw"},
	"cursor":      {"next_cursor of the page before", "MSwyLDMsNCw"},
	"limit":       {"how many at most", 50},
	"since":       {"a time (RFC 3339), or how long ago", "24h"},
	"until":       {"a time (RFC 3339), or how long ago; excluded itself", exampleTime},

	"error":   {"what went wrong", nil},
	"message": {"for people; may change", "the request is not valid"},
	"field":   {"the field or parameter, as the request names it", "url"},
	"fields":  {"what is wrong with which field", nil},
}

const (
	exampleEndpoint = "ep_k3v9q2m8x1c7b5n4z6w0"
	exampleEvent    = "evt_4QmX9sK2"
	exampleDelivery = exampleEndpoint + ".events:" + exampleEvent
	exampleTime     = "2026-01-02T15:04:05Z"
)

// describe fills in what the document does not say of its fields and parameters.
func describe(doc *huma.OpenAPI) {
	for name, schema := range doc.Components.Schemas.Map() {
		describeFields(name, schema)
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
		if len(property.Examples) == 0 && t.example != nil {
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

// methodOperation is an operation with its method in upper case.
type methodOperation struct {
	Method string
	*huma.Operation
}

// operationsOf lists the operations of one path.
func operationsOf(item *huma.PathItem) (all []methodOperation) {
	for _, op := range []methodOperation{
		{"GET", item.Get}, {"POST", item.Post}, {"PUT", item.Put}, {"PATCH", item.Patch}, {"DELETE", item.Delete},
	} {
		if op.Operation != nil {
			all = append(all, op)
		}
	}
	return all
}
