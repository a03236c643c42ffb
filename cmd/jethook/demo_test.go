package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// performance is a running demo and what it has said so far.
type performance struct {
	cmd    *exec.Cmd
	lines  chan string // closed when it ends
	said   []string
	errors bytes.Buffer
	tmp    string // where it makes its temporary folder
}

func startDemo(t *testing.T, args ...string) *performance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	t.Cleanup(cancel)
	s := &performance{lines: make(chan string, 1000), tmp: t.TempDir()}
	s.cmd = exec.CommandContext(ctx, binary, append([]string{"demo"}, args...)...)
	// Settings of a real Jethook are not the demo's.
	s.cmd.Env = []string{"TMPDIR=" + s.tmp, "JETHOOK_NATS_URL=nats://127.0.0.1:1", "JETHOOK_SOURCES=nobody"}
	s.cmd.Stderr = &s.errors
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.lines)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			s.lines <- sc.Text()
		}
	}()
	return s
}

// until reads on to the next line that holds the text.
func (s *performance) until(t *testing.T, text string) string {
	t.Helper()
	for line := range s.lines {
		s.said = append(s.said, line)
		if strings.Contains(line, text) {
			return line
		}
	}
	err := s.cmd.Wait()
	t.Fatalf("the demo never says %q: %v\n%s\n%s", text, err, strings.Join(s.said, "\n"), s.errors.String())
	return ""
}

// ends waits for exit code 0 and looks for what was left behind.
func (s *performance) ends(t *testing.T) {
	t.Helper()
	for line := range s.lines {
		s.said = append(s.said, line)
	}
	if err := s.cmd.Wait(); err != nil || s.errors.Len() > 0 {
		t.Errorf("%v %s", err, s.errors.String())
	}
	if left, err := os.ReadDir(s.tmp); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
}

// Every step of the demo is told, in the words of who sees it for the first time.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	s := startDemo(t, "--once")
	s.until(t, "An embedded NATS server stores everything in "+s.tmp)
	s.until(t, "the retry schedule here is 2s,3s,5s (default 5m,30m,2h,5h,10h)")
	s.ends(t)
	told := strings.Join(s.said, "\n")
	for sender, status := range map[string]string{
		"polaris": "202 Accepted", "polytomic": "200 OK", "notify": "200 OK", "polar": "202 Accepted", "protocol": "202 Accepted",
	} {
		for _, want := range []string{"/webhooks/" + sender, sender + strings.Repeat(" ", 9-len(sender)) + " got " + status + ": the event is stored"} {
			if !strings.Contains(told, want) {
				t.Errorf("it does not say %q", want)
			}
		}
	}
	for _, eventType := range []string{"device.down", "sync.records", "connection.updated", "order.created", "conversation.updated"} {
		for _, want := range []string{
			"." + eventType + " (", "503 to " + eventType + ", attempt 1 of ", "200 to " + eventType + ", attempt 2 of ",
		} {
			if !strings.Contains(told, want) {
				t.Errorf("it does not say %q", want)
			}
		}
	}
	if !strings.Contains(told, "All 5 events are delivered") || strings.Contains(told, "curl") || strings.Contains(told, " 401") {
		t.Error("it does not end as it should")
	}
	if t.Failed() {
		t.Log(told)
	}
}

// The demo stays up: the commands that it prints work as they are, until Ctrl-C.
func TestDemoGoesOn(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	s := startDemo(t)
	s.until(t, "All 5 events are delivered")
	s.until(t, "Send more")
	from := len(s.said)
	s.until(t, "openssl dgst")
	send := strings.Join(s.said[from:], "\n")
	deliveries := s.until(t, "/api/v1/deliveries")
	export := s.until(t, "export JETHOOK_ADMIN_LISTEN=")
	s.until(t, "The admin API is at http://")
	if answer := bash(t, export+"; "+binary+" delivery ls"); !strings.Contains(answer, "delivered") {
		t.Errorf("%s\ngives %s", export, answer)
	}

	if answer := bash(t, send); !strings.Contains(answer, "HTTP/1.1 200 OK") {
		t.Errorf("%s\nis answered %s", send, answer)
	}
	s.until(t, "webhooks.notify.connection.updated (")
	s.until(t, "503 to connection.updated, attempt 1 of evt_")
	s.until(t, "200 to connection.updated, attempt 2 of evt_")
	if answer := bash(t, deliveries); !strings.Contains(answer, `"event_id":"evt_ck7to833c68r1r7g5cfg"`) || !strings.Contains(answer, `"status":"delivered"`) {
		t.Errorf("%s\nis answered %s", deliveries, answer)
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.ends(t)
}

func bash(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
	return string(out)
}
