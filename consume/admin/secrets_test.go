package admin_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
)

// revealed returns the secrets of an endpoint as its owner gets to see them.
func (a *api) revealed(id string) (secrets []string, expires []time.Time) {
	a.t.Helper()
	for _, s := range get[endpoints.SecretList](a, http.StatusOK, "GET", "/api/v1/endpoints/"+id+"/secret", "").Items {
		secrets, expires = append(secrets, s.Secret), append(expires, s.Expires)
	}
	return secrets, expires
}

func TestRotate(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(minimal)
	path := "/api/v1/endpoints/" + e.ID + "/rotate"
	before := time.Now()
	second := get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", path, "")
	if second.ID != e.ID || !strings.HasPrefix(second.Secret, "whsec_") || second.Secret == e.Secret {
		t.Errorf("rotated to %+v", second)
	}
	secrets, expires := a.revealed(e.ID)
	if !slices.Equal(secrets, []string{second.Secret, e.Secret}) || !expires[0].IsZero() ||
		expires[1].Before(before.Add(24*time.Hour)) || expires[1].After(time.Now().Add(24*time.Hour)) {
		t.Errorf("after a rotation: %q until %v", secrets, expires)
	}

	get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", path, `{"secret":"one of my own","overlap":"168h"}`)
	if secrets, _ = a.revealed(e.ID); !slices.Equal(secrets, []string{"one of my own", second.Secret, e.Secret}) {
		t.Errorf("after the second: %q", secrets)
	}
	get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", path, `{"secret":"the only one","overlap":"0s"}`)
	if secrets, _ = a.revealed(e.ID); !slices.Equal(secrets, []string{"the only one"}) {
		t.Errorf("without an overlap: %q", secrets)
	}

	for body, field := range map[string]string{
		`{"secret":"short"}`:                 "secret",
		`{"secret":"whsec_not base64 !"}`:    "secret",
		`{"overlap":"169h"}`:                 "overlap",
		`{"overlap":"-1s"}`:                  "overlap",
		`{"overlap":"1 day"}`:                "overlap",
		`{"overlop":"1h"}`:                   "overlop",
		`{"secret":"\u0000 is not allowed"}`: "secret",
	} {
		if got := a.do("POST", path, body); got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{field}) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	for _, r := range []struct{ method, path string }{{"POST", "/api/v1/endpoints/ep_none/rotate"}, {"GET", "/api/v1/endpoints/ep_none/secret"}} {
		if got := a.do(r.method, r.path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", r.path, got.status)
		}
	}
	if secrets, _ = a.revealed(e.ID); !slices.Equal(secrets, []string{"the only one"}) {
		t.Errorf("after refused rotations: %q", secrets)
	}
}

// What shows a secret is this list, and nothing else does: no other route, whatever it is asked, and no log.
func TestNothingElseShowsASecret(t *testing.T) {
	t.Parallel()
	shows := map[string]bool{
		"POST /api/v1/endpoints": true, "POST /api/v1/endpoints/{id}/rotate": true, "GET /api/v1/endpoints/{id}/secret": true,
	}
	a := start(t)
	var log bytes.Buffer
	server := httptest.NewServer(admin.New(admin.Options{
		Config: config.Default(), Bus: a.bus, Registry: a.registry, Token: config.NewSecret(token), Version: "v1.2.3",
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}).Handler())
	a.url = server.URL
	e := a.create(`{"name":"n","url":"https://example.com/x","events":["events.>"],"secret":"Geheimnis-1"}`)
	one := "/api/v1/endpoints/" + e.ID
	get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", one+"/rotate", `{"secret":"Geheimnis-2"}`)
	a.revealed(e.ID)
	waits := aDelivery(e.ID, "waits")
	a.schedule(waits)
	a.bury(aDelivery(e.ID, "dead"))

	var removal string
	try := func(route, method, path string) {
		for _, body := range []string{
			"", "{}", "{", `{"secret":"Geheimnis-3"}`, `{"secret":{"Geheimnis-3":1}}`, `{"secret":"Geheimnis-\u0000"}`, `{"Geheimnis-3":1}`,
			`{"name":"m","url":"https://example.com","events":["events.>"],"secret":"Geheimnis-4","nope":1}`,
		} {
			got := a.do(method, path, body)
			if strings.Contains(got.body, "Geheimnis") && !strings.Contains(body, `{"Geheimnis-3":1}`) && (!shows[route] || got.status >= 400) {
				t.Errorf("%s %s %s: %d %s", method, path, body, got.status, got.body)
			}
		}
	}
	for path, operations := range at(a.openapi(), "paths").(node) {
		for method := range operations.(node) {
			route := strings.ToUpper(method) + " " + path
			full := strings.ReplaceAll(path, "{id}", e.ID)
			if strings.Contains(path, "deliveries") {
				full = strings.ReplaceAll(path, "{id}", waits.ID())
			}
			if method == "delete" {
				removal = full
				continue
			}
			try(route, strings.ToUpper(method), full)
		}
	}
	try("DELETE "+one, "DELETE", removal)
	server.Close() // and with it whoever writes to the log
	if text := log.String(); strings.Contains(text, "Geheimnis") {
		t.Errorf("in the log: %s", text)
	} else if !strings.Contains(text, "endpoint's secrets revealed") || !strings.Contains(text, "endpoint's secret rotated") {
		t.Errorf("not in the log that secrets were shown: %s", text)
	}
}

// What was revealed signs: during the overlap both secrets do.
func TestRevealedSecretsAreThoseThatSign(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(minimal)
	get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", "/api/v1/endpoints/"+e.ID+"/rotate", `{"overlap":"1h"}`)
	stored, err := a.registry.Get(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	var live []string
	for _, s := range stored.LiveSecrets(time.Now()) {
		live = append(live, s.Value.Reveal())
	}
	if secrets, _ := a.revealed(e.ID); len(live) != 2 || !slices.Equal(secrets, live) {
		t.Errorf("revealed %d, live %d", len(secrets), len(live))
	}
	if late := stored.LiveSecrets(time.Now().Add(2 * time.Hour)); len(late) != 1 || late[0].Value.Reveal() != live[0] {
		t.Errorf("%d live after the overlap", len(late))
	}
	if _, err := a.registry.Update(t.Context(), e.ID, func(e *endpoint.Endpoint) error {
		e.Secrets[1].Expires = time.Now().Add(-time.Second)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if secrets, _ := a.revealed(e.ID); !slices.Equal(secrets, live[:1]) {
		t.Errorf("an expired secret is revealed: %d", len(secrets))
	}
}

// A rotation keeps the kind of secret that the receiver has, and says that a text of one's own has to be given.
func TestRotateKeepsTheKind(t *testing.T) {
	t.Parallel()
	a := start(t)
	with := func(fields string) endpoints.EndpointWithSecret {
		return a.create(`{"name":"n","url":"https://example.com","events":["events.>"],` + fields + `}`)
	}
	polar := with(`"secret":"polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK"`)
	next := get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", "/api/v1/endpoints/"+polar.ID+"/rotate", "")
	if !strings.HasPrefix(next.Secret, "polar_whs_") || len(next.Secret) != len(polar.Secret) || next.Secret == polar.Secret || next.SecretType != "text" {
		t.Errorf("%s became %s", polar.Secret, next.Secret)
	}
	text := with(`"secret":"a text of my own"`)
	if got := a.do("POST", "/api/v1/endpoints/"+text.ID+"/rotate", ""); got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"secret"}) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if secrets, _ := a.revealed(text.ID); !slices.Equal(secrets, []string{"a text of my own"}) {
		t.Errorf("after a refusal: %q", secrets)
	}
}

// The answer says what deliveries are signed with, and what may be read in another way.
func TestSecretsAreExplained(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, row := range []struct {
		fields, as, with string
		warns            bool
	}{
		{`"format":"raw"`, "base64", "the 24 bytes that the secret encodes in base64", false},
		{`"secret":"v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`, "base64", "the 24 bytes that the secret encodes in base64", false},
		{`"secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`, "base64", "the 24 bytes that the secret encodes in base64", true},
		{`"secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","secret_type":"text"`, "text", "the secret's text as it is, 32 bytes", false},
		{`"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","signature":{"scheme":"hmac"}`, "text", "the secret's text as it is, 38 bytes", false},
	} {
		e := a.create(`{"name":"n","url":"https://example.com","events":["events.>"],` + row.fields + `}`)
		if e.SecretType != row.as || e.SignsWith != row.with || (len(e.Warnings) > 0) != row.warns {
			t.Errorf("%s: %s, %s, %q", row.fields, e.SecretType, e.SignsWith, e.Warnings)
		}
	}
}

// Receivers get the public key of an endpoint, and those of the keys before it while they sign. Nothing secret is in it.
func TestPublicKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"n","url":"https://example.com","events":["events.>"],"secret":"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="}`)
	const first = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	path := "/api/v1/endpoints/" + e.ID
	if keys := get[endpoints.PublicKeys](a, http.StatusOK, "GET", path+"/public-key", ""); keys.PublicKey != first || len(keys.Items) != 1 {
		t.Errorf("got %+v", keys)
	}
	if next := get[endpoints.EndpointWithSecret](a, http.StatusOK, "POST", path+"/rotate", ""); !strings.HasPrefix(next.Secret, "whsk_") || next.SecretType != "ed25519" {
		t.Errorf("rotated to %+v", next)
	}
	keys := get[endpoints.PublicKeys](a, http.StatusOK, "GET", path+"/public-key", "")
	if len(keys.Items) != 2 || keys.PublicKey == first || keys.PublicKey != keys.Items[0].PublicKey || keys.Items[1].PublicKey != first || keys.Items[1].Expires.IsZero() {
		t.Errorf("after a rotation: %+v", keys)
	}
	if got := a.do("GET", "/api/v1/endpoints/"+a.create(minimal).ID+"/public-key", ""); got.status != http.StatusConflict {
		t.Errorf("%d %s", got.status, got.body)
	}
}
