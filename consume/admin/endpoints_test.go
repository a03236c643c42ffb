package admin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
)

const minimal = `{"name":"billing","url":"https://example.com/hook","events":["events.order.*"]}`

func (a *api) create(body string) endpoints.EndpointWithSecret {
	a.t.Helper()
	return get[endpoints.EndpointWithSecret](a, http.StatusCreated, "POST", "/api/v1/endpoints", body)
}

func TestCreateEndpoint(t *testing.T) {
	t.Parallel()
	a := start(t)
	got := a.do("POST", "/api/v1/endpoints", minimal)
	e := get[endpoint.Endpoint](a, http.StatusOK, "GET", got.header.Get("Location"), "")
	if got.status != http.StatusCreated || !strings.HasPrefix(e.ID, "ep_") || e.Name != "billing" || e.Disabled || e.CreatedAt.IsZero() {
		t.Errorf("got %d %s, then %+v", got.status, got.body, e)
	}
	if !strings.Contains(got.body, `"secret":"whsec_`) {
		t.Errorf("no secret in %s", got.body)
	}
}

func TestCreateEndpointWithEverything(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"n","url":"https://example.com/x","events":["webhooks.>","events.>"],"secret":"my own secret",
		"format":"slack","signature":{"scheme":"hmac","header":"x-notify-signature"},"headers":{"x-team":"a"},
		"retry_schedule":["5m","30m"],"timeout":"3s","concurrency":4,"disabled":true}`)
	got := a.do("GET", "/api/v1/endpoints/"+e.ID, "")
	for _, want := range []string{
		`"events":["webhooks.>","events.>"]`, `"format":"slack"`, `"signature":{"scheme":"hmac","header":"X-Notify-Signature"}`,
		`"headers":{"X-Team":"a"}`, `"retry_schedule":["5m","30m"]`, `"timeout":"3s"`, `"concurrency":4`, `"disabled":true`, `"disabled_reason":`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%s not in %s", want, got.body)
		}
	}
	if e.Secret != "my own secret" {
		t.Errorf("secret %q", e.Secret)
	}
}

func TestSecretsAreShownOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"n","url":"https://example.com/x","events":["events.>"],"secret":"Geheimnis-1"}`)
	path := "/api/v1/endpoints/" + e.ID
	for _, got := range []answer{
		a.do("GET", path, ""),
		a.do("GET", "/api/v1/endpoints", ""),
		a.do("PATCH", path, `{"name":"m"}`),
		a.do("PATCH", path, `{"secret":"Geheimnis-2"}`),
		a.do("POST", path+"/disable", ""),
		a.do("PATCH", path, `{"secret":"Geheimnis\u0000"}`),
		a.do("POST", "/api/v1/endpoints", `{"secret":"Geheimnis-3","nope":1}`),
		a.do("POST", "/api/v1/endpoints", `{"secret":{"Geheimnis":4}}`),
		a.do("POST", "/api/v1/endpoints", `{"secret":"Geheimnis-5"`),
	} {
		if strings.Contains(got.body, "Geheimnis") || strings.Contains(got.body, "whsec_") {
			t.Errorf("a secret in %d %s", got.status, got.body)
		}
	}
	stored, err := a.registry.Get(t.Context(), e.ID)
	if err != nil || stored.Secrets[0].Value.Reveal() != "Geheimnis-2" {
		t.Errorf("the secret was not changed: %v", err)
	}
}

func TestRefusedEndpoints(t *testing.T) {
	t.Parallel()
	a := start(t)
	with := func(field string) string { return strings.TrimSuffix(minimal, "}") + "," + field + "}" }
	tests := []struct{ name, body, fields string }{
		{"nothing", `{}`, "events name url"},
		{"nulls", `{"name":null,"url":null,"events":null}`, "events name url"},
		{"unknown field", with(`"ulr":"x"`), "ulr"},
		{"no URL", `{"name":"n","url":"nowhere","events":["events.>"]}`, "url"},
		{"private address", `{"name":"n","url":"http://10.0.0.1/","events":["events.>"]}`, "url"},
		{"bad patterns", `{"name":"n","url":"https://example.com","events":["events.>.x","events.a","orders"]}`, "events[0] events[2]"},
		{"no patterns", `{"name":"n","url":"https://example.com","events":[]}`, "events"},
		{"bad format", with(`"format":"xml"`), "format"},
		{"bad scheme", with(`"signature":{"scheme":"rot13"}`), "signature.scheme"},
		{"unknown signature field", with(`"signature":{"key":"x"}`), "signature.key"},
		{"bad header", with(`"headers":{"a b":"c"}`), "headers.a b"},
		{"header of Jethook", with(`"headers":{"webhook-id":"c"}`), "headers.webhook-id"},
		{"header no string", with(`"headers":{"a":1}`), "headers.a"},
		{"bad schedule", with(`"retry_schedule":["5m","soon"]`), "retry_schedule[1]"},
		{"bad timeout", with(`"timeout":"1h"`), "timeout"},
		{"bad concurrency", with(`"concurrency":1001`), "concurrency"},
		{"huge concurrency", with(`"concurrency":1e30`), "concurrency"},
		{"fraction", with(`"concurrency":1.5`), "concurrency"},
		{"bad rate limit", with(`"rate_limit":"10/day"`), "rate_limit"},
		{"short secret", with(`"secret":"x"`), "secret"},
		{"several", with(`"timeout":"x","disabled":"yes"`), "disabled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := a.do("POST", "/api/v1/endpoints", tt.body)
			if got.status != http.StatusUnprocessableEntity || got.code() != "invalid" || strings.Join(got.fields(), " ") != tt.fields {
				t.Errorf("got %d %v, want 422 [%s]: %s", got.status, got.fields(), tt.fields, got.body)
			}
		})
	}
}

func TestChangeEndpoint(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"n","url":"https://example.com/x","events":["events.>"],"format":"slack",
		"signature":{"scheme":"bearer","header":"x-time"},"headers":{"x-a":"1","x-b":"2"},"retry_schedule":[],"timeout":"3s","concurrency":4,"disabled":true}`)
	path := "/api/v1/endpoints/" + e.ID
	steps := []struct {
		body      string
		want, not []string
	}{
		{`{}`, []string{`"timeout":"3s"`, `"name":"n"`, `"retry_schedule":[]`}, nil},
		{`{"name":"m","Timeout":"4s"}`, []string{`"name":"m"`, `"timeout":"4s"`, `"concurrency":4`, `"url":"https://example.com/x"`}, nil},
		{`{"headers":{"x-c":"3"}}`, []string{`"headers":{"X-C":"3"}`}, []string{"X-A"}},
		{`{"disabled":false}`, []string{`"disabled":false`}, []string{"disabled_reason"}},
		{
			`{"format":null,"signature":null,"headers":null,"retry_schedule":null,"timeout":null,"concurrency":null,"rate_limit":null}`,
			[]string{`"format":"raw"`, `"signature":{"scheme":"standard"}`, `"name":"m"`, `"events":["events.>"]`},
			[]string{"headers", "retry_schedule", "timeout", "concurrency", "rate_limit"},
		},
		{`{"disabled":true}`, []string{`"disabled":true`, `"disabled_reason":`}, nil},
		{`{"DISABLED":null}`, []string{`"disabled":false`}, nil},
	}
	for _, step := range steps {
		got := a.do("PATCH", path, step.body)
		if got.status != http.StatusOK {
			t.Fatalf("%s: %d %s", step.body, got.status, got.body)
		}
		if after := a.do("GET", path, ""); after.body != got.body {
			t.Errorf("%s: answered %s, stored %s", step.body, got.body, after.body)
		}
		for _, want := range step.want {
			if !strings.Contains(got.body, want) {
				t.Errorf("%s: %s not in %s", step.body, want, got.body)
			}
		}
		for _, not := range step.not {
			if strings.Contains(got.body, not) {
				t.Errorf("%s: %s in %s", step.body, not, got.body)
			}
		}
	}
}

func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(minimal)
	path := "/api/v1/endpoints/" + e.ID
	before := a.do("GET", path, "")
	for body, fields := range map[string]string{
		`{"name":null,"url":null,"events":null,"secret":null}`: "events name secret url",
		`{"name":""}`:              "name",
		`{"url":"ftp://x"}`:        "url",
		`{"events":[]}`:            "events",
		`{"id":"ep_2"}`:            "id",
		`{"nope":null}`:            "nope",
		`{"rate_limit":"fast"}`:    "rate_limit",
		`{"timeout":7}`:            "timeout",
		`{"signature":"standard"}`: "signature",
	} {
		got := a.do("PATCH", path, body)
		if got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != fields {
			t.Errorf("%s: got %d %v, want 422 [%s]: %s", body, got.status, got.fields(), fields, got.body)
		}
	}
	if after := a.do("GET", path, ""); after.body != before.body {
		t.Errorf("changed from %s to %s", before.body, after.body)
	}
}

func TestEnableAndDisable(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(minimal)
	path := "/api/v1/endpoints/" + e.ID
	for _, step := range []struct {
		verb     string
		disabled bool
	}{{"enable", false}, {"disable", true}, {"disable", true}, {"enable", false}, {"enable", false}} {
		got := get[endpoint.Endpoint](a, http.StatusOK, "POST", path+"/"+step.verb, "")
		if got.Disabled != step.disabled || (got.DisabledReason != "") != step.disabled {
			t.Errorf("%s: %+v", step.verb, got)
		}
	}
}

// What passed by an endpoint can be asked for when it is enabled, as since is.
func TestEnableFrom(t *testing.T) {
	t.Parallel()
	a := start(t)
	path := "/api/v1/endpoints/" + a.create(minimal).ID
	for _, from := range []string{"disabled", "24h", "2026-01-02T15:04:05Z"} {
		off := get[endpoint.Endpoint](a, http.StatusOK, "POST", path+"/disable", "")
		if off.DisabledAt.IsZero() {
			t.Errorf("it does not say since when it is disabled: %+v", off)
		}
		got := get[endpoint.Endpoint](a, http.StatusOK, "POST", path+"/enable", `{"from":"`+from+`"}`)
		if got.Disabled || !got.DisabledAt.IsZero() {
			t.Errorf("%s: %+v", from, got)
		}
	}
	for _, from := range []string{"yesterday", "-1h", "Disabled", "2026-01-02"} {
		if got := a.do("POST", path+"/enable", `{"from":"`+from+`"}`); got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"from"}) {
			t.Errorf("%s: %d %s", from, got.status, got.body)
		}
	}
}

func TestListEndpoints(t *testing.T) {
	t.Parallel()
	a := start(t)
	if got := a.do("GET", "/api/v1/endpoints", ""); got.body != `{"items":[],"next_cursor":""}`+"\n" {
		t.Errorf("empty list: %s", got.body)
	}
	var want []string
	for i := range 5 {
		want = append(want, a.create(fmt.Sprintf(`{"name":"n%d","url":"https://example.com/x","events":["events.>"]}`, i)).ID)
	}
	var got []string
	for cursor, pages := "", 0; pages < 10; pages++ {
		page := get[endpoints.EndpointPage](a, http.StatusOK, "GET", "/api/v1/endpoints?limit=2&cursor="+cursor, "")
		for i := range page.Items {
			got = append(got, page.Items[i].ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
		if pages == 0 { // the place the cursor means stays, even when its endpoint goes
			get[struct{}](a, http.StatusNoContent, "DELETE", "/api/v1/endpoints/"+got[1], "")
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if bad := a.do("GET", "/api/v1/endpoints?cursor=xyz", ""); bad.status != http.StatusUnprocessableEntity {
		t.Errorf("bad cursor: %d", bad.status)
	}
}

func TestDeleteEndpoint(t *testing.T) {
	t.Parallel()
	a := start(t)
	e, other := a.create(minimal), a.create(minimal)
	for i, id := range []string{e.ID, other.ID} {
		a.schedule(aDelivery(id, fmt.Sprint("waits", i)))
		a.bury(aDelivery(id, fmt.Sprint("dead", i)))
	}
	get[struct{}](a, http.StatusNoContent, "DELETE", "/api/v1/endpoints/"+e.ID, "")
	if n := len(a.listed("")); n != 2 {
		t.Errorf("%d deliveries left, want those 2 of the other endpoint", n)
	}
	for _, r := range []struct{ method, path, body string }{
		{"GET", "", ""},
		{"PATCH", "", `{"name":"x"}`},
		{"DELETE", "", ""},
		{"POST", "/enable", ""},
		{"POST", "/disable", ""},
	} {
		for _, id := range []string{e.ID, "ep_none", "*", "%3E", "a b"} {
			path := "/api/v1/endpoints/" + strings.ReplaceAll(id, " ", "%20") + r.path
			if got := a.do(r.method, path, r.body); got.status != http.StatusNotFound || got.code() != "not_found" {
				t.Errorf("%s %s: %d %s", r.method, path, got.status, got.body)
			}
		}
	}
	if n := len(a.listed("")); n != 2 {
		t.Errorf("%d deliveries left after removing what is not there, want 2", n)
	}
}
