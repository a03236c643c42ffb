package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// manifestFile writes a manifest and returns its path.
func manifestFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "endpoints.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever the scheme, a secret that is there already is no difference, and another one is.
func TestApplyComparesSecrets(t *testing.T) {
	serveAdmin(t)
	for _, signature := range []string{
		"{scheme: standard}", "{scheme: hmac}", "{scheme: hmac, header: X-Sig}", "{scheme: bearer}", "{scheme: bearer, header: X-Time}",
	} {
		head := "endpoints: [{name: n, url: 'https://hooks.slack.com/services/a', events: [events.a], signature: " + signature + ", secret: "
		for _, secret := range []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "my own secret"} {
			path := manifestFile(t, head+"'"+secret+"'}]")
			if out := ok(t, "endpoint", "apply", "-f", path); strings.Contains(out, "as it should be") {
				t.Errorf("%s: not taken over: %s", signature, out)
			}
			if out := ok(t, "endpoint", "apply", "-f", path); !strings.Contains(out, "as it should be") || strings.Contains(out, secret) {
				t.Errorf("%s: not idempotent: %s", signature, out)
			}
		}
	}
}

func TestApplyPrunes(t *testing.T) {
	serveAdmin(t)
	id := addEndpoint(t)
	path := manifestFile(t, "endpoints: []")
	if r := jethook(t, "endpoint", "apply", "-f", path, "--prune"); r.code != exitUsage || !strings.Contains(r.stderr, "billing ("+id+")") {
		t.Errorf("got %+v", r)
	}
	holds(t, ok(t, "endpoint", "ls"), id+` billing .*`)
	holds(t, ok(t, "endpoint", "apply", "-f", path, "--prune", "--yes"), `billing \(`+id+`\): removed`)
	if out := ok(t, "endpoint", "ls", "--json"); !strings.Contains(out, `"items":[]`) {
		t.Errorf("left: %s", out)
	}
}

// One that the server refuses does not keep the others from being made.
func TestApplyGoesOnAfterARefusal(t *testing.T) {
	serveAdmin(t)
	path := manifestFile(t, "endpoints:\n- {name: private, url: 'http://10.0.0.1', events: [events.a]}\n- {name: public, url: 'https://example.com', events: [events.a]}")
	r := jethook(t, "endpoint", "apply", "-f", path)
	if r.code != exitUsage || !strings.Contains(r.stderr, "endpoint private: the admin API says") || !strings.Contains(r.stdout, "  secret: whsec_") {
		t.Errorf("got %+v", r)
	}
	holds(t, r.stdout, `private: FAILED`, `public \(ep_\w+\): created`)
}

func TestApplyReadsASecretFromAFileBesideIt(t *testing.T) {
	serveAdmin(t)
	path := manifestFile(t, "endpoints: [{name: n, url: 'https://example.com', events: [events.a], secret_file: key}]")
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "key"), []byte("a secret in a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := ok(t, "endpoint", "apply", "-f", path); strings.Contains(out, "a secret in a file") || !strings.Contains(out, "created") {
		t.Errorf("got %s", out)
	}
	holds(t, ok(t, "endpoint", "apply", "-f", path), `n \(ep_\w+\): as it should be`)
}

func TestExport(t *testing.T) {
	serveAdmin(t)
	one, two := addEndpoint(t, "--header", "X-A=${B}", "--retry-schedule", "none"), addEndpoint(t)
	r := jethook(t, "endpoint", "export")
	if r.code != exitOK || !strings.Contains(r.stderr, one+" and "+two+" have the same name") || strings.Contains(r.stdout, "secret") {
		t.Errorf("got %+v", r)
	}
	ok(t, "endpoint", "update", two, "--name", "two")
	for _, flag := range []string{"--json=false", "--json"} {
		path := manifestFile(t, ok(t, "endpoint", "export", flag))
		holds(t, ok(t, "endpoint", "apply", "-f", path, "--prune", "--dry-run"),
			`billing \(`+one+`\): as it should be`, `two \(`+two+`\): as it should be`)
	}
}

// Secrets come from the route that reveals them, the newest first.
func TestExportOfSecrets(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"items":[{"id":"ep_1","name":"n","url":"https://example.com","events":["events.a"],"format":"raw","signature":{"scheme":"standard"}}],"next_cursor":""}`
		if r.URL.Path == "/api/v1/endpoints/ep_1/secret" {
			answer = `{"items":[{"secret":"the newest one"},{"secret":"an older one","expires":"2026-01-02T15:04:05Z"}]}`
		}
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	t.Setenv("JETHOOK_ADMIN_TOKEN", "a-token-of-the-tests")
	holds(t, ok(t, "endpoint", "export", "--secrets", "--admin", server.URL), ` secret: the newest one`)
}
