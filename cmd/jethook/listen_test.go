package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"jethook/cmd/jethook/listen"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// ear is a running jethook listen.
type ear struct {
	t         *testing.T
	cmd       *exec.Cmd
	out, err  *bufio.Scanner
	announced []string // what it said until it listened
}

// listening starts the command and returns when it misses nothing any more.
func (p *process) listening(t *testing.T, args ...string) *ear {
	t.Helper()
	e := &ear{t: t, cmd: exec.Command(binary, append([]string{"listen"}, args...)...)}
	e.cmd.Env = p.env
	stdout, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := e.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.cmd.Process.Kill(); e.cmd.Wait() })
	e.out, e.err = bufio.NewScanner(stdout), bufio.NewScanner(stderr)
	e.out.Buffer(nil, 1<<20)
	for e.err.Scan() {
		if e.announced = append(e.announced, e.err.Text()); strings.HasPrefix(e.err.Text(), "Listening to ") {
			return e
		}
	}
	t.Fatalf("it ended: %q", e.announced)
	return nil
}

// line returns the next line of its output.
func (e *ear) line() string {
	e.t.Helper()
	if !e.out.Scan() {
		e.t.Fatal("it ended")
	}
	return e.out.Text()
}

// heard returns the next event that it prints as JSON.
func (e *ear) heard() (h listen.Heard) {
	e.t.Helper()
	if err := json.Unmarshal([]byte(e.line()), &h); err != nil {
		e.t.Fatal(err)
	}
	return h
}

// end waits for its exit code and returns it with the last line that it said.
func (e *ear) end() (code int, last string) {
	for e.out.Scan() {
	}
	for e.err.Scan() {
		last = e.err.Text()
	}
	e.cmd.Wait()
	return e.cmd.ProcessState.ExitCode(), last
}

func (p *process) send(t *testing.T, eventType, id string) {
	t.Helper()
	p.api(t, http.MethodPost, "/api/v1/events", fmt.Sprintf(`{"type":%q,"id":%q,"data":{"n":1}}`, eventType, id), nil)
}

func TestListenForwardsWhatComes(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	p.start(t, "serve")
	p.send(t, "order.created", "before")

	got := make(chan *http.Request, 10)
	bodies := make(chan []byte, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r
		bodies <- body
		if r.Header.Get("Webhook-Id") == "second" {
			http.Error(w, "no\x1b[31m room", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(receiver.Close)

	e := p.listening(t, ">", "--forward-to", receiver.URL+"/hook")
	key, ok := strings.CutPrefix(e.announced[0], "Signing with ")
	if !ok || !strings.HasPrefix(key, "whsec_") {
		t.Fatalf("said %q", e.announced)
	}
	verifier, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"first", "second", "third"} {
		if id == "third" {
			if status, _ := p.post(t.Context(), http.DefaultClient, id, secret); status != http.StatusAccepted {
				t.Fatal(status)
			}
		} else {
			p.send(t, "order.created", id)
		}
		r, body := <-got, <-bodies
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/hook" || r.Header.Get("Webhook-Id") != id || r.Header.Get("Jethook-Attempt") != "1" ||
			r.Header.Get("Jethook-Type") != []string{"order.created", "order.created", "thing.happened"}[i] ||
			!strings.HasPrefix(r.Header.Get("User-Agent"), "jethook/") {
			t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
		}
		subject := []string{"events.order.created", "events.order.created", "webhooks.acme.thing.happened"}[i]
		if line := e.line(); !strings.Contains(line, "\t"+subject+"\t"+id+"\t") || !strings.HasSuffix(line, " bytes") {
			t.Errorf("printed %q", line)
		}
		want := []string{"  200 in ", "  answered 500 Internal Server Error after ", "  200 in "}[i]
		if line := e.line(); !strings.HasPrefix(line, want) || id == "second" && !strings.HasSuffix(line, ": no?[31m room") {
			t.Errorf("printed %q", line)
		}
	}
	e.cmd.Process.Signal(os.Interrupt)
	if code, last := e.end(); code != exitOK || last != "3 events: 2 delivered, 1 failed" {
		t.Errorf("exit %d, %q", code, last)
	}
}

func TestListenHearsWhatWasMissedWhileAway(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	p.start(t, "serve")
	p.send(t, "a", "before")
	e := p.listening(t, "events.>", "--print-json")
	p.send(t, "a", "one")
	if h := e.heard(); h.ID != "one" || h.Text != `{"n":1}` || h.Headers["Jethook-Id"] == nil || h.Forwarded != nil || h.Stream != "EVENTS" {
		t.Errorf("heard %+v", h)
	}
	p.kill(t)
	p.start(t, "serve")
	p.send(t, "a", "two")
	if h := e.heard(); h.ID != "two" {
		t.Errorf("heard %+v", h)
	}
	e.cmd.Process.Signal(os.Interrupt)
	if code, last := e.end(); code != exitOK || last != "2 events" {
		t.Errorf("exit %d, %q", code, last)
	}

	// From a time on, only some, until there were enough.
	e = p.listening(t, "events.>", "--since", "1h", "--limit", "2", "--json")
	if a, b := e.heard(), e.heard(); a.ID != "before" || b.ID != "one" {
		t.Errorf("heard %s and %s", a.ID, b.ID)
	}
	if code, last := e.end(); code != exitOK || last != "2 events" {
		t.Errorf("exit %d, %q", code, last)
	}
}

func TestListenSignsAsAskedAndTellsPrograms(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	p.start(t, "serve")
	got := make(chan http.Header, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(receiver.Close)
	e := p.listening(t, "events.>", "--print-json", "--forward-to", receiver.URL, "--secret-file", secretFile(t, "a-long-secret"), "--signature", "bearer")
	if len(e.announced) != 1 { // the secret is known already
		t.Errorf("said %q", e.announced)
	}
	p.send(t, "a", "one")
	if auth := (<-got).Get("Authorization"); auth != "Bearer a-long-secret" {
		t.Errorf("got %q", auth)
	}
	if h := e.heard(); h.Forwarded == nil || h.Forwarded.Verdict != "failed" || h.Forwarded.Status != http.StatusTeapot {
		t.Errorf("heard %+v", h.Forwarded)
	}
	receiver.Close()
	p.send(t, "a", "two")
	if h := e.heard(); h.Forwarded == nil || h.Forwarded.Class != "connection_refused" {
		t.Errorf("heard %+v", h.Forwarded)
	}
}
