package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func addEndpoint(t *testing.T, flags ...string) string {
	t.Helper()
	args := append([]string{"endpoint", "add", "--name", "billing", "--url", "https://example.com/hook", "--events", "events.order.*,webhooks.>"}, flags...)
	out := ok(t, args...)
	holds(t, out, `id: ep_\w+`, `secret: \S.*`)
	return strings.Fields(out)[1]
}

func TestEndpointCommands(t *testing.T) {
	serveAdmin(t)
	if out := ok(t, "endpoint", "ls"); out != "ID  NAME  STATE  EVENTS  URL\n" {
		t.Errorf("empty list: %q", out)
	}
	id := addEndpoint(t)
	holds(t, ok(t, "endpoint", "ls"), `ID NAME STATE EVENTS URL`,
		id+` billing enabled events\.order\.\*,webhooks\.> https://example\.com/hook`)
	holds(t, ok(t, "endpoint", "show", id), `id: `+id, `state: enabled`, `format: raw`, `signature: standard`,
		`events: events\.order\.\*, webhooks\.>`)
	holds(t, ok(t, "endpoint", "disable", id), id+` is disabled`)
	holds(t, ok(t, "endpoint", "show", id), `state: disabled`, `disabled because: .+`)
	holds(t, ok(t, "endpoint", "enable", id), id+` is enabled`)
	holds(t, ok(t, "endpoint", "rm", id, "--yes"), id+` is removed`)
	if r := jethook(t, "endpoint", "show", id); r.code != exitFailure || !strings.Contains(r.stderr, "no such endpoint") {
		t.Errorf("show of a removed one: %+v", r)
	}
}

func TestEndpointAddSendsEveryFlag(t *testing.T) {
	serveAdmin(t)
	id := addEndpoint(t, "--secret", "my own secret", "--format", "discord", "--signature", "hmac", "--signature-header", "x-sig",
		"--header", "x-a=1,2=3", "--header", "x-b=", "--retry-schedule", "1m,5m", "--timeout", "3s", "--concurrency", "4", "--ordered", "--disabled")
	holds(t, ok(t, "endpoint", "show", id), `format: discord`, `signature: hmac`, `signature header: X-Sig`,
		`headers: map\[X-A:1,2=3 X-B:\]`, `retry schedule: \[1m 5m\]`, `timeout: 3s`, `concurrency: 4`, `ordered: true`, `state: disabled`)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("Bearer of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := jethook(t, "endpoint", "update", id, "--header", "X-Team=shop", "--header-file", "Authorization="+file)
	if r.code != exitOK || r.stderr != "" {
		t.Errorf("a header from a file: %+v", r)
	}
	holds(t, ok(t, "endpoint", "show", id), `headers: map\[Authorization:Bearer of the file X-Team:shop\]`)
	if r = jethook(t, "endpoint", "update", id, "--header", "Authorization=Bearer x"); r.code != exitOK || !strings.HasPrefix(r.stderr, "Warning: every user of this machine can see the value of --header") {
		t.Errorf("a credential among the arguments: %+v", r)
	}
	id = addEndpoint(t, "--retry-schedule", "none")
	holds(t, ok(t, "endpoint", "show", id), `retry schedule: \[\]`)
	if out := ok(t, "endpoint", "ls", "--limit", "1", "--json"); !strings.Contains(out, `"next_cursor":"`) {
		t.Errorf("no second page: %s", out)
	}
	r = jethook(t, "endpoint", "ls", "--limit", "1")
	_, cursor, found := strings.Cut(strings.TrimSpace(r.stderr), "--cursor ")
	if !found {
		t.Fatalf("no cursor: %+v", r)
	}
	holds(t, ok(t, "endpoint", "ls", "--limit", "1", "--cursor", cursor), id+` .*`)
}
