package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
)

// mounted is a folder of files as Kubernetes mounts it: each is a link through the link ..data to a folder, which is swapped.
type mounted struct {
	dir      string
	versions int
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

// swap replaces all files at once.
func (m *mounted) swap(t *testing.T, files map[string]string) {
	t.Helper()
	m.versions++
	next := filepath.Join(m.dir, "..v"+strconv.Itoa(m.versions))
	err := os.Mkdir(next, 0o700)
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(next, name), []byte(content), 0o600))
		if _, missing := os.Lstat(m.path(name)); missing != nil {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", name), m.path(name)))
		}
	}
	err = errors.Join(err, os.Symlink(filepath.Base(next), m.path("..next")), os.Rename(m.path("..next"), m.path("..data")))
	if err != nil {
		t.Fatal(err)
	}
}

// Secrets come from files that are swapped under the running process: the new ones count and the old ones don't, and a file
// that is spoilt changes nothing.
func TestSecretsFromMountedFiles(t *testing.T) {
	t.Parallel()
	m := &mounted{dir: t.TempDir()}
	files := map[string]string{"admin": "the-admin-token-of-old\n", "read": "the-reading-token-of-old", "nats": "the-nats-token-of-old", "acme": "acme-secret-of-old\n"}
	m.swap(t, files)
	p := newProcess(t, "JETHOOK_ADMIN_TOKEN=", "JETHOOK_ADMIN_TOKEN_FILE="+m.path("admin"), "JETHOOK_ADMIN_READ_TOKEN_FILE="+m.path("read"),
		"JETHOOK_NATS_TOKEN_FILE="+m.path("nats"), "JETHOOK_SOURCE_ACME_SECRET=", "JETHOOK_SOURCE_ACME_SECRET_FILE="+m.path("acme"))
	p.start(t, "serve")

	status := func(secret string) int {
		code, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret)
		return code
	}
	admin := func(token string) int { code, _ := p.get(t, "/api/v1/sources", token); return code }
	service := func(token string) bool {
		nc, err := nats.Connect("nats://"+p.nats, nats.Token(token))
		if err != nil {
			return false
		}
		nc.Close()
		return true
	}
	if status("acme-secret-of-old") != http.StatusAccepted || admin("the-admin-token-of-old") != http.StatusOK || !service("the-nats-token-of-old") {
		t.Fatalf("the first secrets don't count\n%s", p.log)
	}
	files["acme"] = "acme-secret-of-new"
	m.swap(t, files) // found without a signal
	p.until(t, "the new secret verifies", func() bool { return status("acme-secret-of-new") == http.StatusAccepted })
	if got := status("acme-secret-of-old"); got != http.StatusUnauthorized {
		t.Errorf("the old secret: %d", got)
	}
	files["admin"], files["read"], files["nats"] = "the-admin-token-of-new", "the-reading-token-of-new", "the-nats-token-of-new"
	m.swap(t, files)
	p.signal(t, syscall.SIGHUP)
	p.until(t, "the new token opens", func() bool { return admin("the-admin-token-of-new") == http.StatusOK })
	if admin("the-admin-token-of-old") != http.StatusUnauthorized || admin("the-reading-token-of-old") != http.StatusUnauthorized || admin("the-reading-token-of-new") != http.StatusOK {
		t.Error("the admin tokens are not the new ones")
	}
	if service("the-nats-token-of-old") || !service("the-nats-token-of-new") {
		t.Error("the token of services is not the new one")
	}

	files["acme"] = ""
	m.swap(t, files)
	p.signal(t, syscall.SIGHUP)
	p.until(t, "a word about the empty file", func() bool { _, text := p.get(t, "/readyz", ""); return strings.Contains(text, "files of secrets") })
	if got := status("acme-secret-of-new"); got != http.StatusAccepted {
		t.Errorf("with an empty file the last secret: %d", got)
	}
	if !strings.Contains(p.log.String(), "JETHOOK_SOURCE_ACME_SECRET_FILE") || strings.Contains(p.log.String(), "acme-secret") {
		t.Errorf("log: %s", p.log)
	}
	files["acme"] = "acme-secret-of-third"
	m.swap(t, files)
	p.signal(t, syscall.SIGHUP)
	p.until(t, "the third secret verifies", func() bool { return status("acme-secret-of-third") == http.StatusAccepted })
	p.until(t, "no word about files", func() bool { _, text := p.get(t, "/readyz", ""); return text == "ok" })
}

// get asks the admin listener with a token.
func (p *process) get(t *testing.T, path, token string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// A file that can't be read stops the start, which names the variable.
func TestUnreadableSecretStopsTheStart(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_ADMIN_TOKEN=", "JETHOOK_ADMIN_TOKEN_FILE="+filepath.Join(t.TempDir(), "none"))
	cmd := exec.Command(binary, "serve")
	cmd.Env = p.env
	text, err := cmd.CombinedOutput()
	out, code := string(text), cmd.ProcessState.ExitCode()
	if err == nil || code != exitFailure || !strings.Contains(out, "JETHOOK_ADMIN_TOKEN_FILE: reading the secret: ") || !strings.Contains(out, "no such file") {
		t.Errorf("exit %d: %s", code, out)
	}
}
