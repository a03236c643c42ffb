package trace

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	const base, own = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for name, test := range map[string]struct {
		env   map[string]string
		url   string // empty: no traces
		wrong string // the variable
	}{
		"nothing":          {},
		"base":             {env: map[string]string{base: "http://otel:4318"}, url: "http://otel:4318/v1/traces"},
		"base with a path": {env: map[string]string{base: "https://otel/in/"}, url: "https://otel/in/v1/traces"},
		"own":              {env: map[string]string{own: "http://otel:4318/x", base: "http://other"}, url: "http://otel:4318/x"},
		"by exporter":      {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, url: "http://localhost:4318/v1/traces"},
		"no exporter":      {env: map[string]string{"OTEL_TRACES_EXPORTER": "none", base: "http://otel"}},
		"disabled":         {env: map[string]string{"OTEL_SDK_DISABLED": "TRUE", base: "grpc://"}},
		"other exporter":   {env: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, wrong: "OTEL_TRACES_EXPORTER"},
		"no URL":           {env: map[string]string{base: "otel:4318"}, wrong: base},
		"gRPC":             {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, wrong: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"compression":      {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, wrong: "OTEL_EXPORTER_OTLP_COMPRESSION"},
		"timeout":          {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "10s"}, wrong: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"},
		"headers":          {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_HEADERS": "sesame"}, wrong: "OTEL_EXPORTER_OTLP_HEADERS"},
		"headers' file":    {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_HEADERS_FILE": "/none"}, wrong: "OTEL_EXPORTER_OTLP_HEADERS_FILE"},
		"headers twice": {
			env:   map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_HEADERS": "a=sesame", "OTEL_EXPORTER_OTLP_HEADERS_FILE": "/none"},
			wrong: "OTEL_EXPORTER_OTLP_HEADERS_FILE",
		},
		"certificate": {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/none"}, wrong: "OTEL_EXPORTER_OTLP_CERTIFICATE"},
		"client's":    {env: map[string]string{base: "http://otel", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/none"}, wrong: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"},
		"sampler":     {env: map[string]string{base: "http://otel", "OTEL_TRACES_SAMPLER": "jaeger_remote"}, wrong: "OTEL_TRACES_SAMPLER"},
		"ratio":       {env: map[string]string{base: "http://otel", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"}, wrong: "OTEL_TRACES_SAMPLER_ARG"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, problems := read(func(name string) string { return test.env[name] })
			switch {
			case test.wrong != "":
				if len(problems) != 1 || problems[0].Variable != test.wrong {
					t.Errorf("got %v, want one about %s", problems, test.wrong)
				}
			case len(problems) > 0:
				t.Error(problems)
			case s == nil && test.url != "", s != nil && s.url != test.url:
				t.Errorf("got %+v, want %q", s, test.url)
			}
			if strings.Contains(problems.Error(), "sesame") {
				t.Error("a header's value is told")
			}
		})
	}
}

func TestSettingsOfARequest(t *testing.T) {
	t.Parallel()
	s, problems := read(func(name string) string {
		return map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel", "OTEL_EXPORTER_OTLP_HEADERS": "other=1", "OTEL_EXPORTER_OTLP_TIMEOUT": "1500",
			"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20a%2Cb, x-team = one", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		}[name]
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := (http.Header{"Authorization": {"Bearer a,b"}, "X-Team": {"one"}}); len(s.header) != 2 ||
		s.header.Get("Authorization") != want.Get("Authorization") || s.header.Get("X-Team") != "one" {
		t.Errorf("got %v, want %v", s.header, want)
	}
	if s.timeout != 1500*time.Millisecond || !s.gzip {
		t.Errorf("got %v %v", s.timeout, s.gzip)
	}
}

// Headers, which may hold a token, come from a file too. Those for traces alone go before those for all.
func TestHeadersOfAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("authorization=Bearer%20sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for variable, want := range map[string]string{"OTEL_EXPORTER_OTLP_HEADERS_FILE": "other", "OTEL_EXPORTER_OTLP_TRACES_HEADERS_FILE": "Bearer sesame"} {
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel", variable: file}
		if want == "other" {
			env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] = "authorization=other"
		} else {
			env["OTEL_EXPORTER_OTLP_HEADERS"] = "authorization=other"
		}
		s, problems := read(func(name string) string { return env[name] })
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := s.header.Get("Authorization"); got != want {
			t.Errorf("%s: got %q, want %q", variable, got, want)
		}
	}
}
