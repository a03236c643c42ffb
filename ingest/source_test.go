package ingest

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"jethook/config"
	"jethook/config/logtest"
)

// TestMisconfiguredSources shows that all faults of all sources are told at once, by their variables and
// without secrets, and that a source without a verifier does not start.
func TestMisconfiguredSources(t *testing.T) {
	t.Parallel()
	secrets := []config.Secret{config.NewSecret("s3cret!")}
	_, err := New(Options{Log: slog.New(slog.DiscardHandler), Sources: []config.Source{
		plain("fine"),
		{Name: "mystery", Provider: "mystery", Secrets: secrets},
		{Name: "open-door", Provider: "polar"},
		{Name: "standard", Provider: "standard-webhooks", Secrets: secrets},
		{Name: "custom", Provider: "hmac", Secrets: secrets, Algorithm: "md5"},
		{Name: "fixed", Provider: "notify", Secrets: secrets, Header: "x-other"},
		{Name: "bare", Provider: "token"},
		{Name: "call", Provider: "twilio", Secrets: secrets, Audience: "a", Email: "b"},
		{Name: "push", Provider: "google-pubsub", Email: "account@example.com"},
		{Name: "nobody", Provider: "google-pubsub", Audience: "mine"},
		{Name: "pushed", Provider: "google-pubsub", Email: "account@example.com", Audience: "mine"},
		{Name: "asana", Provider: "asana"}, // its secret comes in the handshake
	}})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("%v is no config.Problems", err)
	}
	want := []string{
		"JETHOOK_SOURCE_MYSTERY_PROVIDER", "JETHOOK_SOURCE_OPEN_DOOR_SECRET", "JETHOOK_SOURCE_STANDARD_SECRET",
		"JETHOOK_SOURCE_CUSTOM_HEADER", "JETHOOK_SOURCE_CUSTOM_ALGORITHM", "JETHOOK_SOURCE_FIXED_HEADER",
		"JETHOOK_SOURCE_BARE_HEADER", "JETHOOK_SOURCE_BARE_SECRET",
		"JETHOOK_SOURCE_CALL_AUDIENCE", "JETHOOK_SOURCE_CALL_EMAIL", "JETHOOK_SOURCE_CALL_URL",
		"JETHOOK_SOURCE_PUSH_URL", "JETHOOK_SOURCE_NOBODY_SECRET",
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Variable)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("problems with\n%v\nwant\n%v", got, want)
	}
	if msg := err.Error(); strings.Contains(msg, "s3cret") || !strings.Contains(msg, `unknown sender "mystery"`) {
		t.Errorf("message:\n%s", msg)
	}
}

// A source that can only answer a handshake says so at the start: an operator may think that it is ready.
func TestSourceWithoutASecretSaysSo(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string]bool{"trello": true, "asana": false, "polaris": false} {
		var log logtest.Buffer
		src := config.Source{Name: "a-b", Provider: provider, URL: "https://hooks.example.com/webhooks/a-b"}
		if provider == "polaris" {
			src.Secrets = []config.Secret{config.NewSecret("key")}
		}
		if _, err := New(Options{Sources: []config.Source{src}, Publisher: accepting, Log: newTestLog(&log)}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "JETHOOK_SOURCE_A_B_SECRET"); got != want {
			t.Errorf("%s: %q", provider, log.String())
		}
	}
}
