package manifest

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// source is a manifest with an environment and one file.
func source(content string) Source {
	env := map[string]string{"BILLING_SECRET": "a-secret-of-billing", "EMPTY": ""}
	return Source{
		Name: "endpoints.yaml", Content: []byte(content),
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if path != "secrets/billing" {
				return nil, os.ErrNotExist
			}
			return []byte("a-secret-in-a-file\n"), nil
		},
	}
}

func read(t *testing.T, content string) []Entry {
	t.Helper()
	entries, err := Read(source(content))
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestReadEverything(t *testing.T) {
	t.Parallel()
	entries := read(t, `
endpoints:
  - &first
    name: billing
    url: https://example.com/${BILLING_SECRET}
    events: [events.a, "webhooks.>"]
    secret: ${BILLING_SECRET}
    format: raw
    signature: {scheme: hmac, header: x-sig}
    headers: {X-A: "$${BILLING_SECRET} $5", X-B: 7}
    retry_schedule: []
    timeout: 3s
    rate_limit: 5/s
    concurrency: 4
    ordered: true
    disabled: false
---
# nothing
---
endpoints:
  - {name: other, url: "https://example.com", events: [events.b], secret_file: secrets/billing, timeout: null}
`)
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	got, err := json.Marshal(entries[0].Fields)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"billing","url":"https://example.com/a-secret-of-billing","events":["events.a","webhooks.\u003e"],"secret":"a-secret-of-billing",` +
		`"format":"raw","signature":{"scheme":"hmac","header":"x-sig"},"headers":{"X-A":"${BILLING_SECRET} $5","X-B":"7"},"retry_schedule":[],` +
		`"timeout":"3s","rate_limit":"5/s","concurrency":4,"ordered":true,"disabled":false}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if f := entries[1].Fields; *f.Secret != "a-secret-in-a-file" || f.Timeout != nil || f.RetrySchedule != nil || f.Headers != nil {
		t.Errorf("got %+v", f)
	}
}

// problems reads and compares a manifest that is wrong, and returns what is said of it.
func problems(t *testing.T, content string, there ...endpoint.Endpoint) []Problem {
	t.Helper()
	entries, err := Read(source(content))
	if err == nil {
		_, err = Compare("endpoints.yaml", entries, Existing{Endpoints: there}, false)
	}
	wrong, ok := errors.AsType[*Problems](err)
	if !ok {
		t.Fatalf("%v of %s", err, content)
	}
	if text := wrong.Error(); strings.Contains(text, "geheim") || !strings.Contains(text, "endpoints.yaml") {
		t.Errorf("error %s", text)
	}
	return wrong.Items
}

func TestWrongManifests(t *testing.T) {
	t.Parallel()
	const head = "endpoints:\n- name: a\n  url: https://example.com\n  events: [events.>]\n"
	for name, tt := range map[string]struct {
		content string
		want    []Problem
	}{
		"nothing":       {"", []Problem{{1, "endpoints", "is missing; use [] for none"}}},
		"only a list":   {"- name: a", []Problem{{1, "", "must be a mapping with the single field endpoints"}}},
		"other member":  {"endpoint: []", []Problem{{1, "endpoint", "unknown field"}, {1, "endpoints", "is missing; use [] for none"}}},
		"no list":       {"endpoints: 7", []Problem{{1, "endpoints", "must be a list"}}},
		"no mapping":    {"endpoints: [7]", []Problem{{1, "", "must be a mapping"}}},
		"unknown":       {head + "  mane: b\n  signature: {kind: hmac}", []Problem{{5, "mane", "unknown field"}, {6, "signature.kind", "unknown field"}}},
		"Go's name":     {head + "  RateLimit: 5/s", []Problem{{5, "RateLimit", "unknown field"}}},
		"twice":         {head + "  timeout: 1s\n  timeout: 2s", []Problem{{6, "timeout", "is given twice"}}},
		"kinds":         {head + "  concurrency: x\n  disabled: 7\n  headers: [a]\n  timeout: {}\n  retry_schedule: 5m", []Problem{{5, "concurrency", "must be a whole number"}, {6, "disabled", "must be true or false"}, {7, "headers", "must be a mapping"}, {8, "timeout", "must be text"}, {9, "retry_schedule", "must be a list"}}},
		"environment":   {head + "  secret: ${NOPE}\n  headers: {X-A: '${EMPTY}'}", []Problem{{5, "secret", "the environment variable NOPE is not set"}, {6, "headers.X-A", "the environment variable EMPTY is not set"}}},
		"two secrets":   {head + "  secret: geheim-geheim\n  secret_file: x", []Problem{{6, "secret_file", "can't be combined with secret"}}},
		"no such file":  {head + "  secret_file: x", []Problem{{5, "secret_file", "file does not exist"}}},
		"one name":      {head + head[len("endpoints:\n"):], []Problem{{5, "name", "is also the name on line 2"}}},
		"values":        {head + "  secret: geheim\n  retry_schedule:\n  - 5m\n  - x\n  headers:\n    Host: geheim", []Problem{{5, "secret", "must be 8 to 256 characters long"}, {10, "headers.Host", "cannot be set: it comes from the URL"}, {8, "retry_schedule[1]", `"x" is not a duration: write one such as 30s, 5m or 2h`}}},
		"missing":       {"endpoints:\n- timeout: 1s", []Problem{{2, "name", "is required"}, {2, "url", "is required"}, {2, "events", "is required"}}},
		"alias to self": {"endpoints: &a [*a]", nil},
	} {
		if tt.want == nil { // only that it ends
			_, _ = Read(source(tt.content))
			continue
		}
		if got := problems(t, tt.content); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
	if _, err := Read(source("endpoints: [")); err == nil || !strings.Contains(err.Error(), "endpoints.yaml is not YAML: line 1") {
		t.Errorf("got %v", err)
	}
}

// existing is an endpoint as the API shows it.
func existing(t *testing.T, spec string) endpoint.Endpoint {
	t.Helper()
	var s endpoint.Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		t.Fatal(err)
	}
	e, err := endpoint.New(&s, anyAddress, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	e = endpoint.Endpoint{}
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

const full = `{"name":"full","url":"https://example.com/x","events":["webhooks.>","events.>"],"secret":"my own secret","format":"slack",
	"signature":{"scheme":"hmac","header":"x-notify-signature"},"headers":{"x-team":"a ${B} $${C}","x-api-key":"geheim-1"},
	"retry_schedule":["300s","30m"],"timeout":"3s","concurrency":4,"rate_limit":"10/s","ordered":true,"disabled":true}`

const plain = `{"name":"plain","url":"https://example.com/p","events":["events.a"]}`

// What Of and YAML write changes nothing when it is applied, with secrets and without.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	there := []endpoint.Endpoint{
		existing(t, full), existing(t, plain), existing(t, `{"name":"- odd: 'name' #","url":"http://10.0.0.1/?a=${B}","events":["events.a"],"retry_schedule":[]}`),
	}
	for _, secrets := range []map[string]endpoints.RevealedSecret{nil, {
		there[0].ID: {Secret: "a ${B} secret"}, there[1].ID: {Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, there[2].ID: {Secret: "12345678", Type: "text"},
	}} {
		fields, err := Of(there, secrets)
		if err != nil {
			t.Fatal(err)
		}
		text, err := YAML(fields)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(map[string]any{"endpoints": fields})
		if err != nil {
			t.Fatal(err)
		}
		for _, content := range []string{string(text), string(asJSON)} {
			steps, err := Compare("x", read(t, content), Existing{there, func(e *endpoint.Endpoint, secret string, as signing.SecretType) (bool, error) {
				if want := secrets[e.ID]; secret != want.Secret || string(as) != want.Type {
					t.Errorf("secret %q of %s became %q, %q", want, e.Name, secret, as)
				}
				return true, nil
			}}, true)
			if err != nil || len(steps) != 3 {
				t.Fatalf("%v, %v of\n%s", steps, err, content)
			}
			for _, s := range steps {
				if s.Action != Keep || len(s.Differences) > 0 || len(s.Body) > 0 {
					t.Errorf("%+v of\n%s", s, content)
				}
			}
		}
	}
	if text, err := YAML(nil); err != nil || len(read(t, string(text))) != 0 {
		t.Errorf("%s %v", text, err)
	}
}

func differs(t *testing.T, s Step) (all []string) {
	t.Helper()
	show := func(v *string) string {
		if v == nil {
			return "-"
		}
		return *v
	}
	for _, d := range s.Differences {
		all = append(all, d.Field+": "+show(d.From)+" > "+show(d.To))
	}
	return all
}

func TestCompareShowsEachDifference(t *testing.T) {
	t.Parallel()
	there := []endpoint.Endpoint{existing(t, full), existing(t, plain)}
	steps, err := Compare("x", read(t, `
endpoints:
- name: full
  url: https://example.com/y
  events: [webhooks.>]
  secret: a new secret
  headers: {x-team: b, X-Api-Key: geheim-2}
  retry_schedule: [5m, 30m]
  ordered: true
- {name: new, url: "https://example.com/n", events: [events.n], headers: {Authorization: geheim-3}}
`), Existing{there, func(*endpoint.Endpoint, string, signing.SecretType) (bool, error) { return false, nil }}, true)
	if err != nil || len(steps) != 3 {
		t.Fatalf("%+v %v", steps, err)
	}
	if got, want := differs(t, steps[0]), []string{
		"url: https://example.com/x > https://example.com/y", "events: webhooks.>, events.> > webhooks.>", "secret: - > <secret>",
		"format: slack > raw", "signature.header: X-Notify-Signature > -", "signature.scheme: hmac > standard",
		"headers.X-Api-Key: <secret> > <secret>", "headers.X-Team: a ${B} $${C} > b", "timeout: 3s > -", "rate_limit: 10/s > -", "concurrency: 4 > -",
	}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := string(steps[0].Body["timeout"]) + string(steps[0].Body["secret"]); got != `null"a new secret"` || len(steps[0].Body) != 9 {
		t.Errorf("body %s", steps[0].Body)
	}
	if s := steps[1]; s.Action != Create || s.ID != "" || !slices.Contains(differs(t, s), "headers.Authorization: - > <secret>") ||
		slices.Contains(slices.Collect(func(yield func(string) bool) {
			for _, v := range s.Body {
				yield(string(v))
			}
		}), "null") {
		t.Errorf("got %+v", s)
	}
	if s := steps[2]; s.Action != Remove || s.ID != there[1].ID {
		t.Errorf("got %+v", s)
	}
}

// Left out, the secret and disabled stay; prune must be asked for.
func TestCompareLeavesAlone(t *testing.T) {
	t.Parallel()
	disabled := existing(t, `{"name":"plain","url":"https://example.com/p","events":["events.a"],"disabled":true}`)
	steps, err := Compare("x", read(t, `endpoints: [{name: " plain ", url: "https://example.com/p", events: [events.a, events.a]}]`),
		Existing{Endpoints: []endpoint.Endpoint{disabled, existing(t, full)}}, false)
	if err != nil || len(steps) != 1 || steps[0].Action != Keep {
		t.Errorf("%+v %v", steps, err)
	}
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	const content = "endpoints:\n- name: plain\n  url: https://example.com\n  events: [events.>]\n  ordered: true"
	one, two := existing(t, plain), existing(t, plain)
	if got, want := problems(t, content, one), (Problem{5, "ordered", "can't be changed; create a new endpoint"}); !reflect.DeepEqual(got, []Problem{want}) {
		t.Errorf("got %+v", got)
	}
	got := problems(t, content, one, two)
	if len(got) != 1 || got[0].Line != 2 || !strings.Contains(got[0].Message, one.ID+", "+two.ID) {
		t.Errorf("got %+v", got)
	}
}

// Every field of the API can stand in a manifest.
func TestEveryFieldHasAKind(t *testing.T) {
	t.Parallel()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[endpoints.EndpointFields]()) {
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		switch kind.Kind() {
		case reflect.String, reflect.Struct, reflect.Slice, reflect.Map:
		default:
			if kindNames[kind.Kind()] == "" {
				t.Errorf("%s: kindNames has no words for %s", f.Name, kind)
			}
		}
	}
}
