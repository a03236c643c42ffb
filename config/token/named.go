package token

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Roles of an admin token, each of which may do what the one before it may.
const (
	RoleRead    = "read"    // sees everything but secrets
	RoleOperate = "operate" // retries, replays, resends, tests, enables, disables and recovers
	RoleAdmin   = "admin"   // does everything
)

// Roles are all roles.
var Roles = []string{RoleRead, RoleOperate, RoleAdmin}

// Named is one line of ADMIN_TOKENS_FILE: who may ask the admin API, and for what. Only the token's hash is kept.
type Named struct {
	Name, Role string
	Hash       [sha256.Size]byte
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// NewNamed returns the entry of a token. The names of the tokens that variables set are taken.
func NewNamed(name, role, token string) (Named, error) {
	switch {
	case !nameForm.MatchString(name):
		return Named{}, fmt.Errorf("%q is no name: write at most 32 lower-case letters, digits, - and _", name)
	case name == "admin" || name == "read":
		return Named{}, fmt.Errorf("the name %q is that of JETHOOK_ADMIN_TOKEN or JETHOOK_ADMIN_READ_TOKEN", name)
	case !slices.Contains(Roles, role):
		return Named{}, fmt.Errorf("%q is no role: choose %s", role, strings.Join(Roles, ", "))
	}
	return Named{name, role, sha256.Sum256([]byte(token))}, nil
}

// String is the line of the file.
func (t Named) String() string {
	return t.Name + " " + t.Role + " " + hex.EncodeToString(t.Hash[:])
}

// ReadNamed reads a file of named tokens: "name role hash" on each line, where the hash is the token's SHA-256 in hex.
// Empty lines and those that begin with # are passed over.
func ReadNamed(path string) ([]Named, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Named
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		t, err := parseNamed(text)
		if err == nil && slices.ContainsFunc(all, func(other Named) bool { return other.Name == t.Name || other.Hash == t.Hash }) {
			err = fmt.Errorf("%q is there twice, or has another one's token", t.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, t)
	}
	return all, lines.Err()
}

// parseNamed never shows what it could not read: it may be a token in clear.
func parseNamed(line string) (Named, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return Named{}, fmt.Errorf("write a name, a role and the token's SHA-256 in hex, as 'jethook token new' prints them")
	}
	t, err := NewNamed(fields[0], fields[1], "")
	if err != nil {
		return t, err
	}
	hash, err := hex.DecodeString(fields[2])
	if err != nil || len(hash) != sha256.Size {
		return t, fmt.Errorf("the third word is no SHA-256 in hex")
	}
	copy(t.Hash[:], hash)
	return t, nil
}
