package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// AdminTokenFile is where a generated admin token is kept.
func (c *Config) AdminTokenFile() string {
	return filepath.Join(c.DataDir, "admin-token")
}

// EnsureAdminToken returns the token of the admin API: AdminToken if it is set, else the one in
// [Config.AdminTokenFile], which it makes if there is none. Processes
// that start at the same time agree on one.
func (c *Config) EnsureAdminToken() (Secret, error) {
	token, err := c.findAdminToken()
	if err != nil || !token.IsZero() {
		return token, err
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return Secret{}, fmt.Errorf("making JETHOOK_DATA_DIR for the admin token: %w", err)
	}
	if err := appendToken(c.AdminTokenFile()); err != nil {
		return Secret{}, fmt.Errorf("keeping the admin token: %w", err)
	}
	// Not the token just written: another process may have been first.
	return c.ReadAdminToken()
}

// ReadAdminToken returns the token for a client of the admin API on this machine: AdminToken if it is set,
// else the one that the server keeps in [Config.AdminTokenFile]. Without one, the error says where it was
// looked for and what to set.
func (c *Config) ReadAdminToken() (Secret, error) {
	token, err := c.findAdminToken()
	if err != nil || !token.IsZero() {
		return token, err
	}
	path, err := filepath.Abs(c.AdminTokenFile())
	if err != nil {
		path = c.AdminTokenFile()
	}
	return Secret{}, fmt.Errorf("no admin token: JETHOOK_ADMIN_TOKEN is not set and %s holds none: "+
		"set JETHOOK_ADMIN_TOKEN to the server's token, or JETHOOK_DATA_DIR to its directory", path)
}

// findAdminToken returns the zero Secret where there is no token yet.
func (c *Config) findAdminToken() (Secret, error) {
	if !c.AdminToken.IsZero() {
		return c.AdminToken, nil
	}
	content, err := os.ReadFile(c.AdminTokenFile())
	if errors.Is(err, fs.ErrNotExist) {
		return Secret{}, nil
	}
	if err != nil {
		return Secret{}, fmt.Errorf("reading the admin token (or set JETHOOK_ADMIN_TOKEN): %w", err)
	}
	// The first line counts: see appendToken.
	token, _, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	token = strings.TrimSpace(token)
	if token != "" && len(token) < minTokenLength {
		return Secret{}, fmt.Errorf("the admin token in %s is shorter than %d characters: "+
			"remove the file, and the next start makes a new one", c.AdminTokenFile(), minTokenLength)
	}
	return NewSecret(token), nil
}

// appendToken appends a new token to the file as one line, and returns when that is on the disk. Appending,
// where the first line counts, is what lets processes agree without a lock, also over an empty file that a
// crash or an operator left: whoever writes first decides, and nothing written is ever replaced.
func appendToken(path string) error {
	var token [32]byte
	_, _ = rand.Read(token[:]) // never fails
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(token[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
