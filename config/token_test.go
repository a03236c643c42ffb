package config

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func configIn(dir string) *Config {
	c := Default()
	c.DataDir = dir
	return c
}

func TestEnsureAdminToken(t *testing.T) {
	t.Parallel()
	c := configIn(filepath.Join(t.TempDir(), "new", "data"))
	token, err := c.EnsureAdminToken()
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(token.Reveal()); err != nil || len(raw) != 32 {
		t.Errorf("a generated token of %d bytes, %v", len(raw), err)
	}
	for path, want := range map[string]os.FileMode{c.DataDir: 0o700, c.AdminTokenFile(): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	for name, find := range map[string]func() (Secret, error){"Ensure": c.EnsureAdminToken, "Read": c.ReadAdminToken} {
		if again, err := find(); err != nil || again.Reveal() != token.Reveal() {
			t.Errorf("%sAdminToken() finds another token than was made: %v", name, err)
		}
	}

	c.AdminToken = NewSecret(sesame)
	if own, err := c.EnsureAdminToken(); err != nil || own.Reveal() != sesame {
		t.Errorf("EnsureAdminToken() does not return the token that is set: %v", err)
	}
}

// The token of the embedded NATS server is kept in the same way, and is another one.
func TestEnsureNATSAdminToken(t *testing.T) {
	t.Parallel()
	c := configIn(filepath.Join(t.TempDir(), "new", "data"))
	token, err := c.EnsureNATSAdminToken()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(c.DataDir, "nats-admin-token")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := c.EnsureNATSAdminToken(); err != nil || again.Reveal() != token.Reveal() {
		t.Errorf("it finds another one: %v", err)
	}
	if other, err := c.EnsureAdminToken(); err != nil || other.Reveal() == token.Reveal() {
		t.Errorf("the API's is the same: %v", err)
	}
	c.NATSAdminToken = NewSecret(sesame)
	if own, err := c.EnsureNATSAdminToken(); err != nil || own.Reveal() != sesame {
		t.Errorf("it does not return the one that is set: %v", err)
	}
}

// A link in the place of the file may point anywhere: nothing is written there.
func TestTokenIsNotWrittenThroughALink(t *testing.T) {
	t.Parallel()
	c := configIn(t.TempDir())
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{c.AdminTokenFile(), c.NATSAdminTokenFile()} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for name, ensure := range map[string]func() (Secret, error){"admin": c.EnsureAdminToken, "NATS": c.EnsureNATSAdminToken} {
		if _, err := ensure(); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if content, err := os.ReadFile(target); err != nil || len(content) > 0 {
		t.Errorf("%q, %v", content, err)
	}
}

func TestAdminTokenFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		want          string // what ReadAdminToken finds; empty: an error that holds wantErr
		wantErr       string
	}{
		{"plain", sesame, sesame, ""},
		{"first line", "\n " + sesame + " \nanother-token-of-a-race\n", sesame, ""},
		{"short", "secret\n", "", "shorter than 16 characters; remove the file"},
		{"empty", "", "", "set JETHOOK_ADMIN_TOKEN"},
		{"blank", " \n", "", "set JETHOOK_ADMIN_TOKEN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := configIn(t.TempDir())
			if err := os.WriteFile(c.AdminTokenFile(), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			token, err := c.ReadAdminToken()
			if token.Reveal() != tt.want || (err == nil) != (tt.want != "") {
				t.Fatalf("ReadAdminToken() = %q, %v", token.Reveal(), err)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), tt.wantErr) || !strings.Contains(err.Error(), c.AdminTokenFile()) {
				t.Errorf("ReadAdminToken() = %v, want %q and the file's name", err, tt.wantErr)
			}
			if tt.content == "secret\n" {
				return
			}
			if token, err := c.EnsureAdminToken(); err != nil || token.IsZero() {
				t.Errorf("EnsureAdminToken() over an empty file: zero %t, %v", token.IsZero(), err)
			}
		})
	}
}

func TestReadAdminTokenWithoutDirectory(t *testing.T) {
	t.Parallel()
	c := configIn(filepath.Join(t.TempDir(), "missing"))
	if _, err := c.ReadAdminToken(); err == nil || !strings.Contains(err.Error(), c.AdminTokenFile()) {
		t.Errorf("ReadAdminToken() = %v, want where it looked", err)
	}
	if _, err := os.Stat(c.DataDir); !os.IsNotExist(err) {
		t.Errorf("ReadAdminToken() made the directory: %v", err)
	}
}

func TestRacingStartsAgreeOnOneToken(t *testing.T) {
	t.Parallel()
	for _, emptyFile := range []bool{false, true} {
		for range 20 {
			c := configIn(t.TempDir())
			if emptyFile {
				if err := os.WriteFile(c.AdminTokenFile(), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			tokens := make([]string, 8)
			var wg sync.WaitGroup
			for i := range tokens {
				wg.Go(func() {
					token, err := c.EnsureAdminToken()
					if err != nil {
						t.Error(err)
					}
					tokens[i] = token.Reveal()
				})
			}
			wg.Wait()
			for _, token := range tokens {
				if token == "" || token != tokens[0] {
					t.Fatalf("racing starts got different tokens (empty file: %t)", emptyFile)
				}
			}
		}
	}
}

// A data directory that can't be used is told as such, and not as a matter of the token.
func TestTokenNeedsDataDir(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		cfg := Default()
		cfg.DataDir = dir
		_, err := cfg.EnsureAdminToken()
		if err == nil || !strings.HasPrefix(err.Error(), "creating JETHOOK_DATA_DIR: ") || strings.Contains(err.Error(), "admin token") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
