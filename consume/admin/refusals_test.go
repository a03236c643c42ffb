package admin_test

import (
	"net/http"
	"strings"
	"testing"
)

// Every error class has its status, its code word, and names its fields.
func TestErrors(t *testing.T) {
	t.Parallel()
	a := start(t)
	tests := []struct {
		name, method, path, body string
		status                   int
		code, fields             string
	}{
		{"no such path", "GET", "/api/v1/nothing", "", 404, "not_found", ""},
		{"no such method", "PUT", "/api/v1/sources", "", 405, "method_not_allowed", ""},
		{"no body", "POST", "/api/v1/events", "", 400, "bad_body", ""},
		{"not JSON", "POST", "/api/v1/events", "{", 400, "bad_body", ""},
		{"more than JSON", "POST", "/api/v1/events", `{"type":"a","data":1} x`, 400, "bad_body", ""},
		{"not an object", "POST", "/api/v1/events", `[1]`, 422, "invalid", ""},
		{"unknown field", "POST", "/api/v1/events", `{"type":"a","data":1,"dada":2}`, 422, "invalid", "dada"},
		{"missing fields", "POST", "/api/v1/events", `{}`, 422, "invalid", "data type"},
		{"wrong type", "POST", "/api/v1/events", `{"type":7,"data":1}`, 422, "invalid", "type"},
		{"unknown parameter", "GET", "/api/v1/deliveries?stauts=dead", "", 422, "invalid", "stauts"},
		{"unknown status", "GET", "/api/v1/deliveries?status=lost", "", 422, "invalid", "status"},
		{"limit too large", "GET", "/api/v1/deliveries?limit=501", "", 422, "invalid", "limit"},
		{"limit zero", "GET", "/api/v1/deliveries?limit=0", "", 422, "invalid", "limit"},
		{"limit no number", "GET", "/api/v1/deliveries?limit=all", "", 422, "invalid", "limit"},
		{"bad times", "GET", "/api/v1/deliveries?since=yesterday&until=-1h", "", 422, "invalid", "since until"},
		{"bad cursor", "GET", "/api/v1/deliveries?cursor=abc", "", 422, "invalid", "cursor"},
		{"cursor of another list", "GET", "/api/v1/dead?cursor=MSwyLDMsNCw", "", 422, "invalid", "cursor"},
		{"wildcard endpoint", "GET", "/api/v1/deliveries?endpoint=*", "", 422, "invalid", "endpoint"},
		{"wildcards endpoint", "GET", "/api/v1/dead?endpoint=%3E", "", 422, "invalid", "endpoint"},
		{"wildcard delivery", "POST", "/api/v1/deliveries/*.*/retry", "", 404, "not_found", ""},
		{"escaped delivery", "POST", "/api/v1/deliveries/%2A.%3E/retry", "", 404, "not_found", ""},
		{"no such source", "GET", "/api/v1/sources/none/rejected", "", 404, "not_found", ""},
		{"no such rejected request", "GET", "/api/v1/sources/shop/rejected/7", "", 404, "not_found", ""},
		{"no place", "GET", "/api/v1/sources/shop/rejected/-1", "", 404, "not_found", ""},
		{"not there to be removed", "DELETE", "/api/v1/sources/shop/rejected/7", "", 404, "not_found", ""},
		{"bad times of rejected", "GET", "/api/v1/sources/shop/rejected?since=x&until=y&cursor=z", "", 422, "invalid", "cursor since until"},
		{"bad ids of rejected", "POST", "/api/v1/sources/shop/retry", `{"ids":["1","x"]}`, 422, "invalid", "ids[1]"},
		{"ids and reason", "POST", "/api/v1/sources/shop/retry", `{"ids":["1"],"reason":"x"}`, 422, "invalid", "ids"},
		{"bad cursor of retry", "POST", "/api/v1/sources/shop/retry", `{"cursor":"x"}`, 422, "invalid", "cursor"},
		{"no handshake", "POST", "/api/v1/sources/shop/pair", `{}`, 409, "no_handshake", ""},
		{"no handed secret", "GET", "/api/v1/sources/shop/secret", "", 409, "no_handshake", ""},
		{"nothing to forget", "DELETE", "/api/v1/sources/shop/secret", "", 409, "no_handshake", ""},
		{"pair for too long", "POST", "/api/v1/sources/asana/pair", `{"for":"25h"}`, 422, "invalid", "for"},
		{"pair for what", "POST", "/api/v1/sources/asana/pair", `{"for":"soon"}`, 422, "invalid", "for"},
		{"no such delivery", "POST", "/api/v1/deliveries/ep_1.events:evt_1/retry", "", 404, "not_found", ""},
		{"ids and filter", "POST", "/api/v1/dead/replay", `{"ids":["ep_1.events:e"],"since":"1h"}`, 422, "invalid", "ids"},
		{"wildcard ids", "POST", "/api/v1/dead/replay", `{"ids":["ep_1.events:e","*.*"]}`, 422, "invalid", "ids[1]"},
		{"no ids", "POST", "/api/v1/dead/replay", `{"ids":[]}`, 422, "invalid", "ids"},
		{"remove what", "POST", "/api/v1/dead/remove", `{}`, 422, "invalid", "all"},
		{"remove all of one", "POST", "/api/v1/dead/remove", `{"all":true,"endpoint":"ep_1"}`, 422, "invalid", "all"},
		{"bad cursor", "POST", "/api/v1/dead/replay", `{"cursor":"x"}`, 422, "invalid", "cursor"},
		{"bad recovery", "POST", "/api/v1/endpoints/ep_1/recover", `{"since":"x","until":"y"}`, 422, "invalid", "since until"},
		{"empty range", "POST", "/api/v1/endpoints/ep_1/recover", `{"since":"1h","until":"2h"}`, 422, "invalid", "until"},
		{"bad range", "POST", "/api/v1/dead/replay", `{"since":"x","endpoint":"a.b"}`, 422, "invalid", "endpoint since"},
		{"body too large", "POST", "/api/v1/dead/replay", `{"since":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", ""},
		{"data too large", "POST", "/api/v1/events", `{"type":"a","data":"` + strings.Repeat("x", 8<<20) + `"}`, 413, "too_large", ""},
		// In a request's subject these would end the connection to the server, and all others fail.
		{"endless endpoint", "GET", "/api/v1/endpoints/ep_" + strings.Repeat("x", 5000), "", 404, "not_found", ""},
		{"endless recovery", "DELETE", "/api/v1/recoveries/rec_" + strings.Repeat("x", 5000) + "_y", "", 404, "not_found", ""},
		{"endless subject", "GET", "/api/v1/events?subject=events." + strings.Repeat("x", 5000), "", 422, "invalid", "subject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := a.do(tt.method, tt.path, tt.body)
			if got.status != tt.status || got.code() != tt.code || strings.Join(got.fields(), " ") != tt.fields {
				t.Errorf("got %d %s %v, want %d %s [%s]: %.300s", got.status, got.code(), got.fields(), tt.status, tt.code, tt.fields, got.body)
			}
			if ct := got.header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
				t.Errorf("content type %q", ct)
			}
		})
	}
}

func TestWrongContentType(t *testing.T) {
	t.Parallel()
	a := start(t)
	got := a.send("POST", "/api/v1/events", "type=a", http.Header{
		"Authorization": {"Bearer " + token}, "Content-Type": {"application/x-www-form-urlencoded"},
	})
	if got.status != http.StatusUnsupportedMediaType || got.code() != "unsupported_media_type" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestStoreUnavailable(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bus.Close()
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/api/v1/events", `{"type":"a","data":1}`},
		{"POST", "/api/v1/endpoints", minimal},
		{"GET", "/api/v1/endpoints/ep_1", ""},
		{"PATCH", "/api/v1/endpoints/ep_1", "{}"},
		{"DELETE", "/api/v1/endpoints/ep_1", ""},
		{"GET", "/api/v1/deliveries", ""},
		{"POST", "/api/v1/deliveries/ep_1.events:x/retry", ""},
		{"GET", "/api/v1/sources", ""},
		{"GET", "/api/v1/sources/shop/rejected", ""},
		{"POST", "/api/v1/sources/shop/retry", `{}`},
		{"POST", "/api/v1/sources/asana/pair", `{}`},
		{"POST", "/api/v1/dead/replay", `{}`},
		{"GET", "/readyz", ""},
	} {
		got := a.do(r.method, r.path, r.body)
		if got.status != http.StatusServiceUnavailable || got.code() != "unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s %v", r.method, r.path, got.status, got.body, got.header)
		}
	}
	if got := a.do("GET", "/healthz", ""); got.status != http.StatusOK {
		t.Errorf("/healthz: %d", got.status)
	}
}
