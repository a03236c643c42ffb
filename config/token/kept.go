// Package token is the tokens that let someone in: those that Jethook makes once and keeps in a file, and those that an
// operator lists in a file by name and role. Tokens that are set in a variable are for package config.
package token

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

// MinLength is how long a token must be that an operator chooses.
const MinLength = 16

// New returns a token that nobody can guess.
func New() string {
	var token [32]byte
	_, _ = rand.Read(token[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(token[:])
}

// Kept is a token that is made once, and kept in a file of JETHOOK_DATA_DIR.
type Kept struct {
	File     string
	Name     string // for errors
	Variable string // which can be set instead
}

// Ensure returns the token, which it makes if there is none. Processes that start at the same time agree on one.
func (k Kept) Ensure() (string, error) {
	if err := os.MkdirAll(filepath.Dir(k.File), 0o700); err != nil {
		return "", fmt.Errorf("creating JETHOOK_DATA_DIR: %w", err)
	}
	token, err := k.find()
	if err != nil || token != "" {
		return token, err
	}
	if err := appendLine(k.File, New()); err != nil {
		return "", fmt.Errorf("writing to JETHOOK_DATA_DIR: %w", err)
	}
	// Not the token just written: another process may have been first.
	return k.Read()
}

// Read returns the token. Without one, the error says where it was looked for and what to set.
func (k Kept) Read() (string, error) {
	token, err := k.find()
	if err != nil || token != "" {
		return token, err
	}
	path, err := filepath.Abs(k.File)
	if err != nil {
		path = k.File
	}
	return "", fmt.Errorf("no %s: %s is not set, and %s does not exist or is empty; "+
		"set %[2]s to the server's token, or JETHOOK_DATA_DIR to its data directory", k.Name, k.Variable, path)
}

// find returns nothing where there is no token yet.
func (k Kept) find() (string, error) {
	content, err := os.ReadFile(k.File)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the %s: %w; set %s or JETHOOK_DATA_DIR", k.Name, err, k.Variable)
	}
	// The first line counts: see appendLine.
	token, _, _ := strings.Cut(strings.TrimSpace(string(content)), "\n")
	token = strings.TrimSpace(token)
	if token != "" && len(token) < MinLength {
		return "", fmt.Errorf("the %s in %s is shorter than %d characters; "+
			"remove the file, and the next start generates a new token", k.Name, k.File, MinLength)
	}
	return token, nil
}

// errLink means that a file to be written is a link: what it points to is not ours to change.
var errLink = errors.New("it is a symbolic link, perhaps from a restored backup; remove it")

// appendLine appends a new token to the file as one line, and returns when that is on the disk. Appending,
// where the first line counts, is what lets processes agree without a lock, also over an empty file that a
// crash or an operator left: whoever writes first decides, and nothing written is ever replaced.
func appendLine(path, token string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s: %w", path, errLink)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(token + "\n")
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
