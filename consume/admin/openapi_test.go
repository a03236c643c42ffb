package admin_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// node is a part of the OpenAPI document, or of an answer.
type node = map[string]any

// openapi returns the document.
func (a *api) openapi() node {
	a.t.Helper()
	var doc node
	if err := json.Unmarshal([]byte(a.send("GET", "/openapi.json", "", http.Header{}).body), &doc); err != nil {
		a.t.Fatal(err)
	}
	return doc
}

// at follows keys into the document; nil when it ends before.
func at(n any, keys ...string) any {
	for _, key := range keys {
		m, _ := n.(node)
		n = m[key]
	}
	return n
}

func TestDocumentListsAllRoutes(t *testing.T) {
	t.Parallel()
	a := start(t)
	doc := a.openapi()
	var got []string
	for path, operations := range at(doc, "paths").(node) {
		for method := range operations.(node) {
			got = append(got, strings.ToUpper(method)+" "+path)
			if at(operations, method, "responses", "401", "content", "application/json", "schema", "$ref") != "#/components/schemas/Failure" {
				t.Errorf("%s %s does not say that it needs the token", method, path)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"DELETE /api/v1/endpoints/{id}",
		"GET /api/v1/dead", "GET /api/v1/deliveries", "GET /api/v1/endpoints", "GET /api/v1/endpoints/{id}", "GET /api/v1/sources",
		"GET /api/v1/status",
		"PATCH /api/v1/endpoints/{id}",
		"POST /api/v1/dead/replay", "POST /api/v1/deliveries/{id}/retry", "POST /api/v1/endpoints",
		"POST /api/v1/endpoints/{id}/disable", "POST /api/v1/endpoints/{id}/enable", "POST /api/v1/events",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if at(doc, "openapi") != "3.1.0" || at(doc, "info", "version") != "v1.2.3" || at(doc, "security") == nil ||
		at(doc, "components", "securitySchemes", "token", "scheme") != "bearer" {
		t.Errorf("head of the document: %v %v %v", doc["openapi"], doc["info"], doc["security"])
	}
}

// Every route answers a request that succeeds, and one that fails, as the document says.
func TestAnswersAreAsDocumented(t *testing.T) {
	t.Parallel()
	a := start(t)
	doc := a.openapi()
	e := a.create(`{"name":"n","url":"https://example.com/x","events":["events.>"],"headers":{"x-a":"1"},"timeout":"1s",
		"retry_schedule":["1m"],"concurrency":1,"signature":{"scheme":"hmac"}}`)
	waits, dead := delivery(e.ID, "waits"), delivery(e.ID, "dead")
	a.schedule(waits)
	a.bury(dead)
	one := "/api/v1/endpoints/" + e.ID
	for _, r := range []struct {
		method, route, path, body string
		status                    int
	}{
		{"POST", "/api/v1/endpoints", "", minimal, 201},
		{"POST", "/api/v1/endpoints", "", `{}`, 422},
		{"POST", "/api/v1/endpoints", "", `{`, 400},
		{"GET", "/api/v1/endpoints", "", "", 200},
		{"GET", "/api/v1/endpoints", "/api/v1/endpoints?limit=x", "", 422},
		{"GET", "/api/v1/endpoints/{id}", one, "", 200},
		{"GET", "/api/v1/endpoints/{id}", "/api/v1/endpoints/ep_none", "", 404},
		{"PATCH", "/api/v1/endpoints/{id}", one, `{"name":"m"}`, 200},
		{"PATCH", "/api/v1/endpoints/{id}", one, `{"mane":"m"}`, 422},
		{"POST", "/api/v1/endpoints/{id}/disable", one + "/disable", "", 200},
		{"POST", "/api/v1/endpoints/{id}/enable", one + "/enable", "", 200},
		{"POST", "/api/v1/events", "", `{"type":"a","data":{},"id":"1"}`, 202},
		{"POST", "/api/v1/events", "", `{"type":"a","data":{},"id":"1"}`, 202},
		{"POST", "/api/v1/events", "", `{"type":"*","data":{}}`, 422},
		{"GET", "/api/v1/deliveries", "", "", 200},
		{"GET", "/api/v1/dead", "", "", 200},
		{"POST", "/api/v1/deliveries/{id}/retry", "/api/v1/deliveries/" + waits.ID() + "/retry", "", 202},
		{"POST", "/api/v1/deliveries/{id}/retry", "/api/v1/deliveries/ep.s:none/retry", "", 404},
		{"POST", "/api/v1/dead/replay", "", `{}`, 202},
		{"GET", "/api/v1/sources", "", "", 200},
		{"GET", "/api/v1/status", "", "", 200},
		{"GET", "/api/v1/status", "/api/v1/status?endpoint=a.b", "", 422},
		{"DELETE", "/api/v1/endpoints/{id}", one, "", 204},
	} {
		if r.path == "" {
			r.path = r.route
		}
		got := a.do(r.method, r.path, r.body)
		name := r.method + " " + r.path
		responses, ok := at(doc, "paths", r.route, strings.ToLower(r.method), "responses").(node)
		if !ok || got.status != r.status {
			t.Errorf("%s: got %d, want %d: %s", name, got.status, r.status, got.body)
			continue
		}
		response, ok := responses[strconv.Itoa(got.status)].(node)
		if !ok {
			t.Errorf("%s: %d is not documented", name, got.status)
			continue
		}
		schema := at(response, "content", "application/json", "schema")
		if (schema == nil) != (got.body == "") {
			t.Errorf("%s: documented as %v, answered %q", name, response, got.body)
		}
		if schema != nil {
			var v any
			if err := json.Unmarshal([]byte(got.body), &v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			follows(t, doc, name, schema.(node), v)
		}
	}
}

// follows checks that v has the schema's fields: all that are required, and no other ones.
func follows(t *testing.T, doc node, where string, schema node, v any) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(node)
	}
	switch v := v.(type) {
	case node:
		properties, _ := schema["properties"].(node)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				t.Errorf("%s: required %s is missing", where, name)
			}
		}
		for name, value := range v {
			property, ok := properties[name].(node)
			if !ok {
				property, ok = schema["additionalProperties"].(node)
			}
			if !ok {
				t.Errorf("%s: %s is not documented", where, name)
				continue
			}
			follows(t, doc, where+"."+name, property, value)
		}
	case []any:
		for _, item := range v {
			follows(t, doc, where+"[]", at(schema, "items").(node), item)
		}
	case string:
		if schema["type"] != "string" {
			t.Errorf("%s: %q is documented as %v", where, v, schema["type"])
		}
	}
}
