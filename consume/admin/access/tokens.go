package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"jethook/config"
	"jethook/config/token"
)

// Names of the tokens that variables set.
const (
	nameAdmin = "admin"
	nameRead  = "read"
)

// roleAccess is what the roles of named tokens allow.
var roleAccess = map[string]Level{
	token.RoleRead: Read, token.RoleOperate: Operate, token.RoleAdmin: Write,
}

// Tokens are all that let somebody in. Named ones come from a file, which is looked at once a second while somebody asks.
type Tokens struct {
	file string
	log  *slog.Logger

	mu          sync.Mutex // guards what follows
	write, read config.Secret
	named       []token.Named
	looked      time.Time
	seen        fs.FileInfo
}

// Set replaces the tokens that variables set. A zero one lets nobody in.
func (t *Tokens) Set(write, read config.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write, t.read = write, read
}

func (t *Tokens) fixed() (write, read config.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.write, t.read
}

// NewTokens returns the tokens that variables set and those of a file, if there is one. A zero token lets nobody in.
func NewTokens(write, read config.Secret, file string, log *slog.Logger) *Tokens {
	return &Tokens{write: write, read: read, file: file, log: log}
}

// lookPause is how often the file is looked at.
const lookPause = time.Second

// current returns the named tokens. Where the file has become unreadable or wrong, those that were read last stay, and the log
// says so once: half a file must lock nobody out, and let nobody in.
func (t *Tokens) current(now time.Time) []token.Named {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == "" || now.Sub(t.looked) < lookPause {
		return t.named
	}
	t.looked = now
	info, err := os.Stat(t.file)
	if err == nil && t.seen != nil && info.ModTime().Equal(t.seen.ModTime()) && info.Size() == t.seen.Size() && os.SameFile(info, t.seen) {
		return t.named
	}
	var named []token.Named
	if err == nil {
		t.seen = info
		named, err = token.ReadNamed(t.file)
	}
	if err != nil {
		t.log.Error("cannot read JETHOOK_ADMIN_TOKENS_FILE; the tokens that were read before stay", "error", err)
		return t.named
	}
	t.named = named
	t.log.Info("admin tokens read", "tokens", len(named))
	return named
}

// Identify returns who bears a token; nobody for a wrong one. It compares hashes, all of them, so that the time it takes says
// nothing of the tokens, not even their length.
func (t *Tokens) Identify(token string) Actor {
	given := sha256.Sum256([]byte(token))
	who := Actor{}
	for _, n := range t.current(time.Now()) {
		if subtle.ConstantTimeCompare(n.Hash[:], given[:]) == 1 {
			who = Actor{Name: n.Name, Access: roleAccess[n.Role]}
		}
	}
	write, read := t.fixed()
	if sameToken(read, given) {
		who = Actor{Name: nameRead, Access: Read}
	}
	if sameToken(write, given) {
		who = Actor{Name: nameAdmin, Access: Write}
	}
	return who
}

func sameToken(want config.Secret, given [sha256.Size]byte) bool {
	hash := sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(hash[:], given[:]) == 1 && !want.IsZero()
}

// Named returns who has the named token, and a text that changes with the token and its role: what was signed with
// it ends when the token does. The access is None if there is no such token any more.
func (t *Tokens) Named(name string) (who Actor, mark string) {
	for _, n := range t.current(time.Now()) {
		if n.Name == name {
			return Actor{Name: name, Access: roleAccess[n.Role]}, n.Role + " " + hex.EncodeToString(n.Hash[:])
		}
	}
	return Actor{}, ""
}
