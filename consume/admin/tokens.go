package admin

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
)

// Names of the tokens that variables set.
const (
	nameAdmin = "admin"
	nameRead  = "read"
)

// roleAccess is what the roles of named tokens allow.
var roleAccess = map[string]Access{
	config.RoleRead: AccessRead, config.RoleOperate: AccessOperate, config.RoleAdmin: AccessWrite,
}

// tokens are all that let somebody in. Named ones come from a file, which is looked at once a second while somebody asks.
type tokens struct {
	file string
	log  *slog.Logger

	mu          sync.Mutex // guards what follows
	write, read config.Secret
	named       []config.NamedToken
	looked      time.Time
	seen        fs.FileInfo
}

// SetTokens replaces the tokens that variables set, from the next request on. A zero one lets nobody in.
func (s *Server) SetTokens(write, read config.Secret) {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.write, s.tokens.read = write, read
}

func (t *tokens) fixed() (write, read config.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.write, t.read
}

func newTokens(o Options) *tokens {
	return &tokens{write: o.Token, read: o.Config.AdminReadToken, file: o.Config.AdminTokensFile, log: o.Log}
}

// lookPause is how often the file is looked at.
const lookPause = time.Second

// current returns the named tokens. Where the file has become unreadable or wrong, those that were read last stay, and the log
// says so once: half a file must lock nobody out, and let nobody in.
func (t *tokens) current(now time.Time) []config.NamedToken {
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
	var named []config.NamedToken
	if err == nil {
		t.seen = info
		named, err = config.ReadNamedTokens(t.file)
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
func (s *Server) Identify(token string) Actor {
	given := sha256.Sum256([]byte(token))
	who := Actor{}
	for _, t := range s.tokens.current(time.Now()) {
		if subtle.ConstantTimeCompare(t.Hash[:], given[:]) == 1 {
			who = Actor{Name: t.Name, Access: roleAccess[t.Role]}
		}
	}
	write, read := s.tokens.fixed()
	if sameToken(read, given) {
		who = Actor{Name: nameRead, Access: AccessRead}
	}
	if sameToken(write, given) {
		who = Actor{Name: nameAdmin, Access: AccessWrite}
	}
	return who
}

func sameToken(want config.Secret, given [sha256.Size]byte) bool {
	hash := sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(hash[:], given[:]) == 1 && !want.IsZero()
}

// Named returns who has the named token, and a text that changes with the token and its role: what was signed with
// it ends when the token does. The access is AccessNone if there is no such token any more.
func (s *Server) Named(name string) (who Actor, mark string) {
	for _, t := range s.tokens.current(time.Now()) {
		if t.Name == name {
			return Actor{Name: name, Access: roleAccess[t.Role]}, t.Role + " " + hex.EncodeToString(t.Hash[:])
		}
	}
	return Actor{}, ""
}
