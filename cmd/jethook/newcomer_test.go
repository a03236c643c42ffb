package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newcomer follows the README, at other addresses than those that it names: they may be taken.
type newcomer struct {
	*process
	dir, receiver string
}

// block returns the nth code block of a section of the README.
func (n *newcomer) block(t *testing.T, section string, nth int) string {
	t.Helper()
	_, text, _ := strings.Cut(manual(t)["README.md"], "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	blocks := strings.Split(text, "```sh\n")
	if nth >= len(blocks)-1 {
		t.Fatalf("%s: it has %d blocks", section, len(blocks)-1)
	}
	text, _, _ = strings.Cut(blocks[nth+1], "\n```")
	_, port, _ := strings.Cut(n.receiver, ":")
	return strings.NewReplacer("127.0.0.1:8080", n.public, "127.0.0.1:3000", n.receiver, `"127.0.0.1", 3000`, `"127.0.0.1", `+port).Replace(text)
}

func (n *newcomer) command(script string) *exec.Cmd {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = n.dir, n.env
	return cmd
}

// run runs a script and returns what it prints.
func (n *newcomer) run(t *testing.T, script string) string {
	t.Helper()
	out, err := n.command(script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %s\n%s", script, err, out, n.log)
	}
	return string(out)
}

// await runs a script until it prints want.
func (n *newcomer) await(t *testing.T, script, want string) (printed string) {
	t.Helper()
	for deadline := time.Now().Add(limit); !strings.Contains(printed, want); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s never prints %q, but %q", script, want, printed)
		}
		printed = n.run(t, script)
	}
	return printed
}

// receive starts the README's receiver, and returns its output and what ends it once it listens.
func (n *newcomer) receive(t *testing.T) (*processLog, func()) {
	t.Helper()
	log := &processLog{}
	cmd := n.command("exec " + n.block(t, "Your first delivery", 0))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(end)
	n.await(t, "curl -s -o /dev/null -w '%{http_code}' -d '{}' http://"+n.receiver+"/ || true", "204")
	return log, end
}

// A newcomer who does what the README says receives a webhook, delivers an event, breaks the endpoint, finds what is stuck
// and moves it.
func TestREADMEWorks(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "openssl", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	n := &newcomer{process: newProcess(t), dir: t.TempDir(), receiver: freePort(t)}
	n.env = []string{
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PYTHONUNBUFFERED=1",
		"JETHOOK_LISTEN=" + n.public, "JETHOOK_ADMIN_LISTEN=" + n.admin, "JETHOOK_NATS_LISTEN=" + n.nats,
	}
	n.launch(t, n.command(strings.Replace(n.block(t, "Your first webhook", 0), "jethook serve", "exec jethook serve", 1)))

	heard := n.run(t, strings.Replace(n.block(t, "Your first webhook", 1), "--since 1h", "--since 1h --limit 1", 1))
	if !strings.Contains(heard, "202 Accepted") || strings.Count(heard, "webhooks.acme.order.created") != 3 ||
		!strings.Contains(heard, `body:      {"type":"order.created","order":7}`) {
		t.Errorf("the webhook: %s", heard)
	}

	came, stop := n.receive(t)
	n.run(t, n.block(t, "Your first delivery", 1))
	n.await(t, "jethook delivery ls", "delivered")
	if !strings.Contains(came.String(), `{"order":7}`) || !strings.Contains(came.String(), "Webhook-Signature") {
		t.Errorf("the receiver got %s", came)
	}
	stop()

	n.run(t, `jethook event send order.paid --data '{"order":8}'`)
	lines := strings.Split(n.block(t, "What is stuck", 0), "\n")
	n.await(t, lines[0], "FAILING")
	_, waiting, _ := strings.Cut(n.await(t, lines[1], "the connection was refused"), "\n") // below the head of the table
	id := strings.Fields(waiting)[0]
	came, _ = n.receive(t)
	n.run(t, strings.Replace(lines[2], "ID ", id+" ", 1))
	n.await(t, "jethook delivery ls --status delivered", id)
	if !strings.Contains(came.String(), `{"order":8}`) {
		t.Errorf("the receiver got %s", came)
	}
}
