package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever is secret can come from a file, also what is added to Config one day.
func TestEverySecretHasAFile(t *testing.T) {
	list := slices.Concat(settings(prefix, &Config{}), settings(variablesOf("a"), &Source{}))
	files := make(map[string]bool)
	for _, s := range list {
		files[s.name] = s.file
	}
	secrets := 0
	for _, s := range list {
		switch s.field.(type) {
		case *Secret, secretAt:
			if !s.file {
				secrets++
				if !files[s.name+fileSuffix] {
					t.Errorf("%s has no file", s.name)
				}
			}
		}
	}
	if secrets < 4+2*maxSecrets {
		t.Errorf("only %d secrets were found", secrets)
	}
}

// mounted is a folder of secrets as Kubernetes mounts it: each file is a link through a link to a folder, which is swapped.
type mounted struct {
	t       *testing.T
	dir     string
	version int
	files   map[string]string
}

func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

// swap changes some of the files, all at once.
func (m *mounted) swap(files map[string]string) {
	m.t.Helper()
	must := func(err error) {
		m.t.Helper()
		if err != nil {
			m.t.Fatal(err)
		}
	}
	m.version++
	next := filepath.Join(m.dir, "..v"+string(rune('0'+m.version)))
	must(os.Mkdir(next, 0o700))
	if m.files == nil {
		m.files = make(map[string]string)
	}
	for name, content := range files {
		m.files[name] = content
	}
	for name, content := range m.files {
		must(os.WriteFile(filepath.Join(next, name), []byte(content), 0o600))
		if _, err := os.Lstat(m.path(name)); err != nil {
			must(os.Symlink(filepath.Join("..data", name), m.path(name)))
		}
	}
	must(os.Symlink(filepath.Base(next), filepath.Join(m.dir, "..tmp")))
	must(os.Rename(filepath.Join(m.dir, "..tmp"), filepath.Join(m.dir, "..data")))
}

func TestReload(t *testing.T) {
	m := &mounted{t: t, dir: t.TempDir()}
	m.swap(map[string]string{"admin": "an-admin-token-0\n", "read": "a-reading-token-0", "polar": "polar-0\r\n", "polar2": "polar-2", "key": strings.Repeat("k", 32)})
	setenv(t, map[string]string{
		"JETHOOK_ADMIN_TOKEN_FILE": m.path("admin"), "JETHOOK_ADMIN_READ_TOKEN_FILE": m.path("read"), "JETHOOK_SOURCES": "polar",
		"JETHOOK_SOURCE_POLAR_SECRET_FILE": m.path("polar"), "JETHOOK_SOURCE_POLAR_SECRET_2_FILE": m.path("polar2"), "JETHOOK_ENCRYPTION_KEY_FILE": m.path("key"),
	})
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	check := func(c *Config) (p Problems) {
		for i, s := range c.Sources[0].Secrets {
			p.require(s.Reveal() != "weak", c.Sources[0].SecretVariable(i), "is weak")
		}
		return p
	}
	for _, step := range []struct {
		name    string
		files   map[string]string
		want    string   // the tokens and the secrets after it; empty: nothing changed
		problem []string // parts of the problems
	}{
		{"nothing", nil, "", nil},
		{"another line end", map[string]string{"admin": "an-admin-token-0"}, "", nil},
		{"secret", map[string]string{"polar": "polar-1"}, "an-admin-token-0 a-reading-token-0 polar-1 polar-2", nil},
		{"tokens", map[string]string{"admin": "an-admin-token-1", "read": "a-reading-token-1"}, "an-admin-token-1 a-reading-token-1 polar-1 polar-2", nil},
		{"one that is too short, and a good one", map[string]string{"admin": "short", "polar2": "polar-3"}, "an-admin-token-1 a-reading-token-1 polar-1 polar-3", []string{"JETHOOK_ADMIN_TOKEN_FILE: is shorter"}},
		{"still too short", nil, "", []string{"JETHOOK_ADMIN_TOKEN_FILE: is shorter", "keeping the secret"}},
		{"one that the caller refuses", map[string]string{"admin": "an-admin-token-1", "polar": "weak"}, "", []string{"JETHOOK_SOURCE_POLAR_SECRET_FILE: is weak"}},
		{"an empty one", map[string]string{"polar": "\n"}, "", []string{"JETHOOK_SOURCE_POLAR_SECRET_FILE: reading the secret: the file is empty"}},
		{"one token for both", map[string]string{"polar": "polar-1", "read": "an-admin-token-1"}, "", []string{"JETHOOK_ADMIN_READ_TOKEN_FILE: is JETHOOK_ADMIN_TOKEN too"}},
		{"the key", map[string]string{"read": "a-reading-token-1", "key": strings.Repeat("x", 32)}, "", []string{"JETHOOK_ENCRYPTION_KEY_FILE: the file has another key, which takes effect with the next start"}},
	} {
		if step.files != nil {
			m.swap(step.files)
		}
		next, problems := c.Reload(check)
		got := ""
		if next != nil {
			c = next
			got = strings.Join([]string{c.AdminToken.Reveal(), c.AdminReadToken.Reveal(), strings.Join(revealed(c.Sources[0].Secrets), " ")}, " ")
		}
		if got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
		if (len(problems) > 0) != (step.problem != nil) {
			t.Errorf("%s: %v", step.name, problems)
		}
		for _, part := range step.problem {
			if !strings.Contains(problems.Error(), part) || len(problems) > 1 {
				t.Errorf("%s: %v, want %s", step.name, problems, part)
			}
		}
	}
	if c.EncryptionKeys[0].Reveal() != strings.Repeat("k", 32) {
		t.Error("the key changed while the process runs")
	}
	if err := os.Remove(filepath.Join(m.dir, "..data")); err != nil {
		t.Fatal(err)
	}
	next, problems := c.Reload(check)
	if next != nil || len(problems) != 5 || !strings.Contains(problems.Error(), "no such file") {
		t.Errorf("without the folder: %v, %v", next, problems)
	}
}
