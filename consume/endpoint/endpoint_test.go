package endpoint_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// public allows nothing but public addresses.
var public = endpoint.NewAddressPolicy(nil)

// validSpec is a spec without faults, for tests to spoil.
func validSpec() *endpoint.Spec {
	return &endpoint.Spec{
		Name: new("Orders"), URL: new("https://example.com/hook?k=v"), Events: []string{"events.order.*", "webhooks.polar.>"},
	}
}

func mustNew(t *testing.T, s *endpoint.Spec) endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.New(s, public, testNow)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return e
}

func TestNewDefaults(t *testing.T) {
	t.Parallel()
	e := mustNew(t, validSpec())
	if !regexp.MustCompile(`^ep_[a-z2-7]{20}$`).MatchString(e.ID) {
		t.Errorf("id %q", e.ID)
	}
	if other := mustNew(t, validSpec()); other.ID == e.ID {
		t.Error("two endpoints have one id")
	}
	if len(e.Secrets) != 1 || !regexp.MustCompile(`^whsec_[A-Za-z0-9+/]{32}$`).MatchString(e.Secrets[0].Value.Reveal()) {
		t.Error("no secret in the form of Standard Webhooks")
	}
	if len(e.Secrets[0].Key(signing.SchemeStandard)) != 24 {
		t.Errorf("key of %d bytes", len(e.Secrets[0].Key(signing.SchemeStandard)))
	}
	if e.Format != endpoint.FormatRaw || e.Signature != (signing.Signature{Scheme: signing.SchemeStandard}) {
		t.Errorf("format %q, signature %+v", e.Format, e.Signature)
	}
	if e.RetrySchedule != nil || e.Timeout != 0 || e.RateLimit != nil || e.Concurrency != 0 || e.Disabled {
		t.Errorf("not the defaults: %+v", e)
	}
	if !e.CreatedAt.Equal(testNow) || !e.UpdatedAt.Equal(testNow) {
		t.Errorf("created %s, updated %s", e.CreatedAt, e.UpdatedAt)
	}
}

func TestNewTakesEveryField(t *testing.T) {
	t.Parallel()
	s := validSpec()
	s.Name = new("  Büro 1 ")
	s.Events = append(s.Events, "events.order.*", "jethook.ops.>")
	s.Secret = new("a plain secret")
	s.Signature = &endpoint.SignatureSpec{Scheme: "hmac", Header: "x-notify-signature"}
	s.Headers = map[string]string{"x-team": "päyments", "user-agent": "own/1", "Authorization": "Basic eA=="}
	s.RetrySchedule = []string{"1s", " 168h "}
	s.Timeout, s.RateLimit, s.Concurrency, s.Disabled = new("90s"), new("600/m"), new(8), new(true)
	e := mustNew(t, s)

	want := e
	want.Name = "Büro 1"
	want.Events = []string{"events.order.*", "webhooks.polar.>", "jethook.ops.>"}
	want.Signature = signing.Signature{Scheme: signing.SchemeHMAC, Header: "X-Notify-Signature"}
	want.Headers = map[string]string{"X-Team": "päyments", "User-Agent": "own/1", "Authorization": "Basic eA=="}
	want.RetrySchedule = []endpoint.Duration{endpoint.Duration(time.Second), endpoint.Duration(168 * time.Hour)}
	want.Timeout, want.RateLimit, want.Concurrency = endpoint.Duration(90*time.Second), &endpoint.Rate{Count: 600, Per: time.Minute}, 8
	want.Disabled, want.DisabledReason = true, "disabled on request"
	if !reflect.DeepEqual(e, want) {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
	if string(e.Secrets[0].Key(signing.SchemeStandard)) != "a plain secret" {
		t.Error("a plain secret is not its own key")
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	s := validSpec()
	s.Secret, s.RetrySchedule, s.Timeout, s.RateLimit = new("the first secret"), []string{"1m"}, new("1s"), new("1/s")
	s.Headers = map[string]string{"X-A": "1"}
	before := mustNew(t, s)
	kept := before

	later := testNow.Add(time.Hour)
	after, err := before.With(&endpoint.Spec{Name: new("Renamed"), Disabled: new(true)}, public, later)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, kept) {
		t.Error("With changed its receiver")
	}
	want := before
	want.Name, want.Disabled, want.DisabledReason, want.UpdatedAt, want.Edition = "Renamed", true, "disabled on request", later, before.Edition+1
	want.DisabledAt = later
	if !reflect.DeepEqual(after, want) {
		t.Errorf("got  %+v\nwant %+v", after, want)
	}

	reset, err := after.With(&endpoint.Spec{
		Secret: new(""), Headers: map[string]string{}, RetrySchedule: []string{"default"}, Timeout: new(""), RateLimit: new(""), Disabled: new(false),
	}, public, later)
	if err != nil {
		t.Fatal(err)
	}
	if len(reset.Headers) != 0 || reset.RetrySchedule != nil || reset.Timeout != 0 || reset.RateLimit != nil || reset.Disabled || reset.DisabledReason != "" {
		t.Errorf("not set back: %+v", reset)
	}
	if reset.Secrets[0].Value.Reveal() == "the first secret" {
		t.Error("the secret was not replaced")
	}

	single, err := reset.With(&endpoint.Spec{RetrySchedule: []string{}}, public, later)
	if err != nil || single.RetrySchedule == nil || len(single.RetrySchedule) != 0 {
		t.Errorf("an empty schedule became %v, %v", single.RetrySchedule, err)
	}
}

func TestFormatFollowsURL(t *testing.T) {
	t.Parallel()
	const discord = "https://discord.com/api/webhooks/123/token"
	for _, c := range []struct {
		url  string
		want endpoint.Format
	}{
		{"https://example.com/services/T/B/x", endpoint.FormatRaw},
		{"https://hooks.slack.com/services/T0/B0/xyz", endpoint.FormatSlack},
		{"https://HOOKS.slack.com/workflows/T0/A0/1/x", endpoint.FormatSlack},
		{"https://hooks.slack.com/triggers/T0/1/x", endpoint.FormatSlack},
		{"https://hooks.slack.com/other", endpoint.FormatRaw},
		{"https://hooks.slack.com.example.com/services/T0/B0/xyz", endpoint.FormatRaw},
		{discord, endpoint.FormatDiscord},
		{discord + "?wait=true&thread_id=5", endpoint.FormatDiscord},
		{"https://canary.discord.com/api/v10/webhooks/123/to-k_en", endpoint.FormatDiscord},
		{"https://ptb.discordapp.com/api/webhooks/123/token/", endpoint.FormatDiscord},
		{discord + "/slack", endpoint.FormatSlack},
		{discord + "/github", endpoint.FormatRaw},
		{"https://discord.com/api/channels/1", endpoint.FormatRaw},
	} {
		s := validSpec()
		s.URL = &c.url
		if got := mustNew(t, s).Format; got != c.want {
			t.Errorf("%s: %s, want %s", c.url, got, c.want)
		}
	}

	picked := mustNew(t, validSpec())
	moved, err := picked.With(&endpoint.Spec{URL: new(discord)}, public, testNow)
	if err != nil || moved.Format != endpoint.FormatDiscord {
		t.Errorf("a picked format does not follow the URL: %s, %v", moved.Format, err)
	}
	chosen, _ := moved.With(&endpoint.Spec{Format: new("raw")}, public, testNow)
	if moved, _ = chosen.With(&endpoint.Spec{URL: new(discord + "?wait=true")}, public, testNow); moved.Format != endpoint.FormatRaw {
		t.Errorf("a chosen format does not stay: %s", moved.Format)
	}
	if back, _ := moved.With(&endpoint.Spec{Format: new("")}, public, testNow); back.Format != endpoint.FormatDiscord {
		t.Errorf("an empty format is not picked anew: %s", back.Format)
	}
}

func TestEncodeDecode(t *testing.T) {
	t.Parallel()
	s := validSpec()
	s.RetrySchedule, s.RateLimit, s.Headers = []string{}, new("10/s"), map[string]string{"X-A": "b"}
	e := mustNew(t, s)
	e, err := e.Rotated(signing.GenerateSecret(), time.Hour, testNow)
	if err != nil {
		t.Fatal(err)
	}
	data, err := endpoint.Encode(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := endpoint.Decode(e.ID, data, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := endpoint.Encode(back, nil); !bytes.Equal(again, data) {
		t.Errorf("changed by a round trip:\n%s\n%s", data, again)
	}
	if back.Secrets[1].Value.Reveal() != e.Secrets[1].Value.Reveal() || !back.Secrets[1].Expires.Equal(testNow.Add(time.Hour)) {
		t.Error("the older secret is not what it was")
	}
	if back.RetrySchedule == nil {
		t.Error("a schedule without pauses became the default one")
	}

	newer := bytes.Replace(data, []byte(`{"id"`), []byte(`{"new_field":{"x":1},"id"`), 1)
	if back, err = endpoint.Decode(e.ID, newer, nil, false); err != nil || back.ID != e.ID {
		t.Errorf("an unknown field: %v", err)
	}
	secret := e.Secrets[0].Value.Reveal()
	for _, bad := range []string{"", "null", "{}", `{"id":"ep_a"}`, `{"secrets":"` + secret + `"}`, `{"secrets":[{"value":"x"}]}`} {
		if _, err := endpoint.Decode(e.ID, []byte(bad), nil, false); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// No way of printing an endpoint but Encode shows a secret.
func TestSecretsDoNotLeak(t *testing.T) {
	t.Parallel()
	s := validSpec()
	s.Secret = new("hunter2-hunter2")
	e := mustNew(t, s)
	asJSON, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "endpoint", e, "secrets", e.Secrets)
	s.Secret, s.URL = new("hunter2\n"), new("https://user:hunter2@example.com")
	_, faulty := endpoint.New(s, public, testNow)
	for _, text := range []string{
		string(asJSON), logged.String(), fmt.Sprintf("%v %+v %#v", e, e, e), fmt.Sprintf("%v", e.Secrets), faulty.Error(),
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("a secret in %s", text)
		}
	}
}

func TestRotated(t *testing.T) {
	t.Parallel()
	e := mustNew(t, validSpec())
	first := e.Secrets[0].Value.Reveal()
	next := signing.GenerateSecret()
	r, err := e.Rotated(next, 24*time.Hour, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Secrets) != 1 || !e.Secrets[0].Expires.IsZero() {
		t.Error("Rotated changed its receiver")
	}
	if r.Secrets[0].Value.Reveal() != next.Value.Reveal() || !r.Secrets[0].Expires.IsZero() {
		t.Error("the new secret is not the newest, or expires")
	}
	old := r.Secrets[1]
	if old.Value.Reveal() != first || !old.Live(testNow.Add(24*time.Hour-1)) || old.Live(testNow.Add(24*time.Hour)) {
		t.Errorf("the old secret expires %s", old.Expires)
	}

	sooner, _ := r.Rotated(signing.GenerateSecret(), time.Hour, testNow)
	if len(sooner.Secrets) != 3 || !sooner.Secrets[2].Expires.Equal(testNow.Add(time.Hour)) {
		t.Error("an overlap lengthened an older one")
	}
	alone, _ := sooner.Rotated(signing.GenerateSecret(), 0, testNow)
	if len(alone.Secrets) != 1 {
		t.Errorf("%d secrets after a rotation without overlap", len(alone.Secrets))
	}
	for range 20 {
		e, _ = e.Rotated(signing.GenerateSecret(), time.Hour, testNow)
	}
	if len(e.Secrets) != 5 {
		t.Errorf("%d secrets are live", len(e.Secrets))
	}
	var problems endpoint.Problems
	if _, err = e.Rotated(signing.Secret{}, 0, testNow); !errors.As(err, &problems) || problems[0].Field != "secret" {
		t.Errorf("an empty secret: %v", err)
	}
}

func TestRetryPause(t *testing.T) {
	t.Parallel()
	defaults := []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour}
	var own endpoint.Endpoint
	for attempt, want := range defaults {
		if pause, more := own.RetryPause(attempt+1, defaults); pause != want || !more {
			t.Errorf("after attempt %d: %s, %t", attempt+1, pause, more)
		}
	}
	for _, attempt := range []int{-1, 0, 6, 7} {
		if pause, more := own.RetryPause(attempt, defaults); pause != 0 || more {
			t.Errorf("after attempt %d: %s, %t", attempt, pause, more)
		}
	}
	own.RetrySchedule = []endpoint.Duration{endpoint.Duration(time.Second)}
	if pause, more := own.RetryPause(1, defaults); pause != time.Second || !more {
		t.Errorf("own schedule: %s, %t", pause, more)
	}
	if _, more := own.RetryPause(2, defaults); more {
		t.Error("own schedule goes on after its end")
	}
	own.RetrySchedule = []endpoint.Duration{}
	if _, more := own.RetryPause(1, defaults); more {
		t.Error("an empty schedule goes on")
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	schedule := []time.Duration{time.Minute, 10 * time.Minute, 5 * time.Minute}
	var e endpoint.Endpoint
	for _, c := range []struct {
		attempt    int
		retryAfter time.Duration
		want       time.Duration
		more       bool
	}{
		{1, 0, time.Minute, true},
		{1, time.Second, time.Minute, true},
		{1, 2 * time.Minute, 2 * time.Minute, true},
		{1, time.Hour, 10 * time.Minute, true},
		{3, time.Hour, 10 * time.Minute, true},
		{3, -time.Hour, 5 * time.Minute, true},
		{4, time.Hour, 0, false},
	} {
		if pause, more := e.Next(c.attempt, c.retryAfter, schedule); pause != c.want || more != c.more {
			t.Errorf("attempt %d, Retry-After %s: %s, %t", c.attempt, c.retryAfter, pause, more)
		}
	}
	if _, more := e.Next(1, time.Hour, nil); more {
		t.Error("no schedule goes on")
	}
}
