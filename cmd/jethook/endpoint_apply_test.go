package main

import (
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
			if out := ok(t, "endpoint", "apply", "-f", path); strings.Contains(out, "up to date") {
				t.Errorf("%s: not taken over: %s", signature, out)
			}
			if out := ok(t, "endpoint", "apply", "-f", path); !strings.Contains(out, "up to date") || strings.Contains(out, secret) {
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
	holds(t, ok(t, "endpoint", "apply", "-f", path), `n \(ep_\w+\): up to date`)
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
			`billing \(`+one+`\): up to date`, `two \(`+two+`\): up to date`)
	}
}

// Secrets are the newest ones, and a server that takes them over signs with them.
func TestExportOfSecrets(t *testing.T) {
	serveAdmin(t)
	id := addEndpoint(t, "--secret", "one that was")
	ok(t, "endpoint", "update", addEndpoint(t, "--secret", "that of two"), "--name", "two")
	old := manifestFile(t, ok(t, "endpoint", "export", "--secrets"))
	own := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(own, []byte("the newest one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok(t, "endpoint", "rotate", id, "--secret-file", own)
	for _, flag := range []string{"--json=false", "--json"} {
		out := ok(t, "endpoint", "export", "--secrets", flag)
		if !strings.Contains(out, "the newest one") || !strings.Contains(out, "that of two") || strings.Contains(out, "one that was") {
			t.Errorf("got %s", out)
		}
		holds(t, ok(t, "endpoint", "apply", "-f", manifestFile(t, out), "--prune"), `billing \(`+id+`\): up to date`, `two \(ep_\w+\): up to date`)
	}
	holds(t, ok(t, "endpoint", "apply", "-f", old), `billing \(`+id+`\): changed`, `two \(ep_\w+\): up to date`)
	if out := ok(t, "endpoint", "secret", id); !strings.Contains(out, "one that was") || strings.Contains(out, "the newest one") {
		t.Errorf("got %s", out)
	}
}
