package ingest

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/config"
)

// oddHeaders are what senders and the proxies before them send, and as what it must reach subscribers.
var oddHeaders = []struct{ name, sent, read string }{
	{"Cf-Ipcity", "São Paulo", "S%C3%A3o Paulo"},
	{"X-Latin", "caf\xe9: ü", "caf%C3%A9: %C3%BC"},
	{"X-Emoji", "😀 100%", "%F0%9F%98%80 100%"},
	{"X-Percent", "a%20b%zz", "a%20b%zz"},
	{"X-Tab", "a\tb", "a\tb"},
	{"X-Colon", "a: b", "a: b"},
	{"X-Broken", "\xe3\x81", "%C3%A3%C2%81"},
}

// TestSubscribersReadAllHeaders sends a webhook with odd headers, and a type beyond ASCII, to subscribers with different
// clients.
func TestSubscribersReadAllHeaders(t *testing.T) {
	t.Parallel()
	for name, subscribe := range map[string]func(*testing.T, *rig) func() map[string]string{
		"nats.go": readWithGo,
		"nats.js": func(t *testing.T, r *rig) func() map[string]string {
			return readWithScript(t, r, "require('@nats-io/transport-node')", "node", "testdata/subscriber.mjs")
		},
		"nats.py": func(t *testing.T, r *rig) func() map[string]string {
			return readWithScript(t, r, "import nats", "python3", "testdata/subscriber.py")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newRig(t)
			read := subscribe(t, rig)
			url := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{plain("plain")}}) + "/webhooks/plain"
			r := signed(t, url, `{"type":"Überweisung","id":"evt_ü"}`)
			for _, h := range oddHeaders {
				r.Header[h.name] = []string{h.sent}
			}
			r.Header["X-Empty"] = []string{""}
			r.Header["x!#$%&'*+-.^_`|~odd"] = []string{"odd"}
			r.Header.Set("Content-Type", "application/json; x=ü")
			if resp, body := do(t, r); resp.StatusCode != 202 {
				t.Fatal(resp.Status, body)
			}
			got := read()
			for _, h := range oddHeaders {
				if got[h.name] != h.read {
					t.Errorf("%s: %q, want %q", h.name, got[h.name], h.read)
				}
			}
			for name, want := range map[string]string{
				"Jethook-Type": "%C3%9Cberweisung", "Jethook-Source": "plain", "Content-Type": "application/json; x=%C3%BC",
				http.CanonicalHeaderKey("x!#$%&'*+-.^_`|~odd"): "odd",
			} {
				if got[name] != want {
					t.Errorf("%s: %q, want %q", name, got[name], want)
				}
			}
			if _, err := time.Parse(time.RFC3339, got["Jethook-Received"]); err != nil || !strings.HasPrefix(got["Jethook-Id"], "sha256-") ||
				got["traceparent"] == "" || got["Nats-Msg-Id"] != "plain:"+got["Jethook-Id"] {
				t.Errorf("Jethook's headers: %v", got)
			}
		})
	}
}

func readWithGo(t *testing.T, r *rig) func() map[string]string {
	sub, err := r.nc.SubscribeSync("webhooks.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() map[string]string {
		msg, err := sub.NextMsg(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return firstOf(msg.Header)
	}
}

func firstOf(h nats.Header) map[string]string {
	first := make(map[string]string, len(h))
	for name, values := range h {
		first[name] = values[0]
	}
	return first
}

// readWithScript starts a script that subscribes. It skips the test where the client that the script needs can't be had: for
// Node in node_modules of the working directory or of one above it, or in NODE_PATH; for Python anywhere that Python looks.
func readWithScript(t *testing.T, r *rig, needs, interpreter, script string) func() map[string]string {
	flag := "-e"
	if interpreter == "python3" {
		flag = "-c"
	}
	if out, err := exec.CommandContext(t.Context(), interpreter, flag, needs).CombinedOutput(); err != nil {
		t.Skipf("%s can't %s: %v %.200s", interpreter, needs, err, out)
	}
	cmd := exec.CommandContext(t.Context(), interpreter, script, r.bus.Server().ClientURL(), r.operator)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("%s is not ready: %q", script, lines.Text())
	}
	return func() map[string]string {
		var headers map[string]string
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &headers) != nil {
			t.Fatalf("%s read no headers: %q", script, lines.Text())
		}
		return headers
	}
}
