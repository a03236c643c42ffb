package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"
)

const sesame = "open-sesame-open-sesame"

func secretConfig() *Config {
	c := Default()
	c.AdminToken, c.NATSToken, c.NATSAdminToken = NewSecret(sesame), NewSecret(sesame), NewSecret(sesame)
	c.NATSURL = "nats://user:" + sesame + "/x@host:4222"
	c.Sources = []Source{{Name: "polar", Secrets: []Secret{NewSecret(sesame), NewSecret(sesame)}}}
	return c
}

func TestSecretsNeverPrint(t *testing.T) {
	t.Parallel()
	type hidden struct{ inside Secret }
	values := map[string]any{
		"secret":           NewSecret(sesame),
		"pointer":          new(NewSecret(sesame)),
		"slice":            []Secret{NewSecret(sesame)},
		"map":              map[string]Secret{"key": NewSecret(sesame)},
		"unexported field": hidden{NewSecret(sesame)},
		"source":           secretConfig().Sources[0],
		"config":           *secretConfig(),
		"config pointer":   secretConfig(),
		"error":            fmt.Errorf("login with %v failed: %w", NewSecret(sesame), errors.New("refused")),
	}
	for name, value := range values {
		for where, text := range prints(t, value) {
			assertHidden(t, name+" as "+where, text)
		}
	}
}

// prints is value in every form that a program might give it by mistake.
func prints(t *testing.T, value any) map[string]string {
	t.Helper()
	out := map[string]string{"Sprint": fmt.Sprint(value), "Sprintln": fmt.Sprintln(value)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%10.3s"} {
		out[verb] = fmt.Sprintf(verb, value)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out["json"] = string(encoded)

	var buf bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		slog.New(handler).With("with", value).Info("x", "value", value, slog.Group("group", "value", value))
	}
	out["slog"] = buf.String()

	buf.Reset()
	if err := template.Must(template.New("").Parse("{{.}}")).Execute(&buf, value); err != nil {
		t.Fatal(err)
	}
	out["template"] = buf.String()
	return out
}

func assertHidden(t *testing.T, where, text string) {
	t.Helper()
	start := sesame[:6]
	for _, verb := range []string{"%s", "%x", "%X", "% x"} {
		if strings.Contains(text, fmt.Sprintf(verb, start)) {
			t.Errorf("%s shows the secret: %s", where, text)
		}
	}
}

func TestSecretsNeverReachAnError(t *testing.T) {
	setenv(t, map[string]string{
		"JETHOOK_ADMIN_TOKEN":         sesame[:15],
		"JETHOOK_NATS_TOKEN":          sesame,
		"JETHOOK_NATS_URL":            "nats://user:" + sesame + "/x@host",
		"JETHOOK_SOURCES":             "polar",
		"JETHOOK_SOURCE_POLAR_SECRET": sesame,
		"JETHOOK_SOURCE_POLR_SECRET":  sesame,
		"JETHOOK_SECRET":              sesame,
		"JETHOOK_REPLICAS":            "x",
	})
	_, err := Load()
	if err == nil {
		t.Fatal("Load() found nothing wrong")
	}
	for where, text := range prints(t, err) {
		assertHidden(t, where, text)
	}
}

func TestConfigPrintsTheRest(t *testing.T) {
	t.Parallel()
	for where, text := range prints(t, secretConfig()) {
		if where == "%+v" && (!strings.Contains(text, "Listen::8080") || !strings.Contains(text, "NATSURL:<secret>@host:4222")) {
			t.Errorf("%s lost what is no secret: %s", where, text)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	if s := NewSecret(sesame); s.Reveal() != sesame || s.IsZero() || s.String() != "<secret>" {
		t.Errorf("NewSecret(%q) = %q, zero %t", sesame, s.Reveal(), s.IsZero())
	}
	var zero Secret
	var decoded struct{ Secret Secret }
	if zero.Reveal() != "" || !zero.IsZero() || !reflect.DeepEqual(zero, NewSecret("")) {
		t.Error("the zero Secret is not the empty one")
	}
	if err := json.Unmarshal([]byte(`{"Secret":"<secret>"}`), &decoded); err == nil {
		t.Error("a printed secret was read back as a value")
	}
}
