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
func (c *Config) AdminTokenFile() string { return filepath.Join(c.DataDir, "admin-token") }

// NATSAdminTokenFile is where a generated token of the embedded server's administrators is kept.
func (c *Config) NATSAdminTokenFile() string { return filepath.Join(c.DataDir, "nats-admin-token") }

// EnsureAdminToken returns the token of the admin API: AdminToken if it is set, else the one in
// [Config.AdminTokenFile], which it makes if there is none. Processes
// that start at the same time agree on one.
func (c *Config) EnsureAdminToken() (Secret, error) { return c.adminToken().ensure() }

// ReadAdminToken returns the token for a client of the admin API on this machine: AdminToken if it is set,
// else the one that the server keeps in [Config.AdminTokenFile]. Without one, the error says where it was
// looked for and what to set.
func (c *Config) ReadAdminToken() (Secret, error) { return c.adminToken().read() }

// EnsureNATSAdminToken is [Config.EnsureAdminToken] for the token that opens the embedded NATS server to an operator.
func (c *Config) EnsureNATSAdminToken() (Secret, error) { return c.natsAdminToken().ensure() }

func (c *Config) adminToken() keptToken {
	return keptToken{c.AdminToken, c.AdminTokenFile(), "admin token", "JETHOOK_ADMIN_TOKEN"}
}

func (c *Config) natsAdminToken() keptToken {
	return keptToken{c.NATSAdminToken, c.NATSAdminTokenFile(), "NATS admin token", "JETHOOK_NATS_ADMIN_TOKEN"}
}

// keptToken is a token that is made once, and kept in a file, unless it is set.
type keptToken struct {
	set            Secret
	file           string
	name, variable string
}

func (t keptToken) ensure() (Secret, error) {
	if t.set.IsZero() {
		if err := os.MkdirAll(filepath.Dir(t.file), 0o700); err != nil {
			return Secret{}, fmt.Errorf("creating JETHOOK_DATA_DIR: %w", err)
		}
	}
	token, err := t.find()
	if err != nil || !token.IsZero() {
		return token, err
	}
	if err := appendToken(t.file); err != nil {
		return Secret{}, fmt.Errorf("writing to JETHOOK_DATA_DIR: %w", err)
	}
	// Not the token just written: another process may have been first.
	return t.read()
}

func (t keptToken) read() (Secret, error) {
	token, err := t.find()
	if err != nil || !token.IsZero() {
		return token, err
	}
	path, err := filepath.Abs(t.file)
	if err != nil {
		path = t.file
	}
	return Secret{}, fmt.Errorf("no %s: %s is not set, and %s does not exist or is empty; "+
		"set %[2]s to the server's token, or JETHOOK_DATA_DIR to its data directory", t.name, t.variable, path)
}

// find returns the zero Secret where there is no token yet.
func (t keptToken) find() (Secret, error) {
	if !t.set.IsZero() {
		return t.set, nil
	}
	content, err := os.ReadFile(t.file)
	if errors.Is(err, fs.ErrNotExist) {
		return Secret{}, nil
	}
	if err != nil {
		return Secret{}, fmt.Errorf("reading the %s: %w; set %s or JETHOOK_DATA_DIR", t.name, err, t.variable)
	}
	// The first line counts: see appendToken.
	token, _, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	token = strings.TrimSpace(token)
	if token != "" && len(token) < minTokenLength {
		return Secret{}, fmt.Errorf("the %s in %s is shorter than %d characters; "+
			"remove the file, and the next start generates a new token", t.name, t.file, minTokenLength)
	}
	return NewSecret(token), nil
}

// errLink means that a file to be written is a link: what it points to is not ours to change.
var errLink = errors.New("it is a symbolic link, perhaps from a restored backup; remove it")

// appendToken appends a new token to the file as one line, and returns when that is on the disk. Appending,
// where the first line counts, is what lets processes agree without a lock, also over an empty file that a
// crash or an operator left: whoever writes first decides, and nothing written is ever replaced.
func appendToken(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s: %w", path, errLink)
	}
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
