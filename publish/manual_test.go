package publish_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
)

// The manual's subscribers get what came before they started, and what came while they were away. One whose interpreter or client is not there is skipped.
func TestManualSubscribers(t *testing.T) {
	t.Parallel()
	for language, command := range map[string]func(*testing.T, string) []string{
		"go": func(t *testing.T, text string) []string {
			source, binary := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "subscriber")
			if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return []string{binary}
		},
		"js": func(t *testing.T, text string) []string {
			return script(t, `import "@nats-io/jetstream"; import "@nats-io/transport-node"`, text, "node", "--input-type=module", "-e")
		},
		"python": func(t *testing.T, text string) []string { return script(t, "import nats", text, "python3", "-c") },
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			const token = "a-token-of-the-services"
			cfg.NATSToken = config.NewSecret(token)
			b := bustest.Open(t, cfg)
			_, text, _ := strings.Cut(publish.Manual, "```"+language+"\n")
			text, _, found := strings.Cut(text, "\n```\n")
			if !found || !strings.Contains(text, "nats://127.0.0.1:4222") {
				t.Fatalf("the manual has no subscriber: %q", text)
			}
			args := command(t, strings.Replace(text, "nats://127.0.0.1:4222", b.Server().ClientURL(), 1))
			for _, id := range []string{"evt_1", "evt_2"} {
				e := bustest.Event(id)
				e.Source, e.Subject = "polar", "webhooks.polar.order.created"
				if _, err := b.Publish(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				subscribe(t, args, "JETHOOK_NATS_TOKEN="+token, id+" "+e.Subject+" "+string(e.Body))
			}
		})
	}
}

// script is a command with the text as its last argument. The test is skipped where it can't run needs.
func script(t *testing.T, needs, text string, command ...string) []string {
	t.Helper()
	check := exec.CommandContext(t.Context(), command[0], append(command[1:len(command):len(command)], needs)...)
	if out, err := check.CombinedOutput(); err != nil {
		t.Skipf("%s can't %s: %v %.200s", command[0], needs, err, out)
	}
	return append(command, text)
}

// subscribe runs a command until it has printed a line that ends with want.
func subscribe(t *testing.T, args []string, env, want string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout // Go's log goes there
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	silent := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer silent.Stop()
	var printed []string
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasSuffix(lines.Text(), want); {
		printed = append(printed, lines.Text())
	}
	if !silent.Stop() {
		t.Errorf("it never prints %q, but %q", want, printed)
	}
	cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}
