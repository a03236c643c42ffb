package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"jethook/config"
)

const readToken = "a-token-that-only-reads"

// The token that only reads sees everything but secrets, and changes nothing.
func TestReadTokenSeesNoSecretAndChangesNothing(t *testing.T) {
	t.Parallel()
	a := start(t, func(c *config.Config) { c.AdminReadToken = config.NewSecret(readToken) })
	type created struct{ ID, Secret string }
	ep := get[created](a, http.StatusCreated, "POST", "/api/v1/endpoints", `{"name":"billing","url":"https://example.com/hook?key=url-secret",
		"events":["events.>"],"headers":{"X-Key":"header-secret"}}`)
	read := func(method, path, body string) answer {
		return a.send(method, path, body, http.Header{"Authorization": {"Bearer " + readToken}})
	}
	for _, path := range []string{
		"/api/v1/endpoints", "/api/v1/endpoints/" + ep.ID, "/api/v1/deliveries", "/api/v1/dead", "/api/v1/events", "/api/v1/sources",
		"/api/v1/attempts", "/api/v1/sources/shop/rejected", "/api/v1/match?subject=events.a", "/api/v1/status", "/openapi.json",
	} {
		got := read("GET", path, "")
		if got.status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, got.status, got.body)
		}
		for _, secret := range []string{"url-secret", "header-secret", strings.TrimPrefix(ep.Secret, "whsec_")} {
			if strings.Contains(got.body, secret) {
				t.Errorf("GET %s shows %s", path, secret)
			}
		}
	}
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/api/v1/endpoints/" + ep.ID + "/secret", ""},
		{"GET", "/api/v1/endpoints/" + ep.ID + "/preview", ""},
		{"GET", "/api/v1/sources/asana/secret", ""},
		{"POST", "/api/v1/endpoints", `{"name":"a","url":"https://example.com/","events":["events.>"]}`},
		{"PATCH", "/api/v1/endpoints/" + ep.ID, `{"name":"other"}`},
		{"DELETE", "/api/v1/endpoints/" + ep.ID, ""},
		{"POST", "/api/v1/endpoints/" + ep.ID + "/disable", ""},
		{"POST", "/api/v1/events", `{"type":"a","data":{}}`},
		{"POST", "/api/v1/dead/replay", `{}`},
		{"POST", "/api/v1/sources/asana/pair", `{}`},
	} {
		if got := read(r.method, r.path, r.body); got.status != http.StatusForbidden || got.code() != "read_only" {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
		}
	}
	if got := a.do("GET", "/api/v1/endpoints/"+ep.ID, ""); !strings.Contains(got.body, "url-secret") || !strings.Contains(got.body, "billing") {
		t.Errorf("the admin token must go on seeing the whole, unchanged: %s", got.body)
	}
}
