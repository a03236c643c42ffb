// Package session knows who a browser is: sessions in signed cookies, the tokens that forms hold against other sites, links that sign in
// once, and how long an address waits after wrong tries. It keeps nothing but which sessions were signed out.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"jethook/config"
	"jethook/consume/admin/access"
)

const (
	cookieOfSession = "jethook_session"
	// idleTime ends a session that nobody uses; live pages that are merely open do not count as use.
	idleTime = 12 * time.Hour
	// longest is how long a session may be kept in use.
	longest = 7 * 24 * time.Hour
	// renewAfter is how old a cookie is that is replaced by one with the time of now.
	renewAfter = 5 * time.Minute
)

// Errors of forms and of sessions that are not enough.
var (
	ErrForm      = errors.New("the form is of another session or page")
	ErrLargeForm = errors.New("the form is too large")
	ErrReadOnly  = errors.New("this login only reads")
	ErrNotAdmin  = errors.New("this login only operates")
)

// Session is one login.
type Session struct {
	id    string
	actor access.Actor
	since time.Time // when it began
	seen  time.Time // when it was last used, within renewAfter
}

type sessionKey struct{}

// Of returns the session of a request that [Keeper.Let] let in; the zero one before the login.
func Of(r *http.Request) *Session {
	if s, ok := r.Context().Value(sessionKey{}).(*Session); ok {
		return s
	}
	return &Session{}
}

// Present reports whether somebody is logged in.
func (s *Session) Present() bool { return s.id != "" }

// Actor is whose session it is.
func (s *Session) Actor() access.Actor { return s.actor }

// Refusal is the error of a session that is not enough.
func (s *Session) Refusal() error {
	if s.May(access.Operate) {
		return ErrNotAdmin
	}
	return ErrReadOnly
}

// May reports whether the session is enough for what needs an access.
func (s *Session) May(needed access.Level) bool { return s.actor.Access.Allows(needed) }

// Keeper makes and reads cookies. They are signed with a key that follows from the tokens: so they hold across a restart and in every
// process with the same tokens, and end when the token is changed. One that was signed out is remembered by the
// process that was told.
type Keeper struct {
	base  string           // path before every address
	now   func() time.Time // in tests another clock
	keys  atomic.Pointer[sessionKeys]
	named func(name string) (who access.Actor, mark string) // who has a named token now

	mu    sync.Mutex // guards ended
	ended map[string]time.Time
}

// sessionKeys are the tokens that variables set, and what follows from them.
type sessionKeys struct {
	write, read config.Secret
	link        []byte // of login links
}

// NewKeeper returns the keeper of sessions below a path that begin with one of these tokens, or with one that named knows.
func NewKeeper(base string, write, read config.Secret, named func(name string) (who access.Actor, mark string)) *Keeper {
	s := &Keeper{base: base, now: time.Now, named: named, ended: make(map[string]time.Time)}
	s.SetTokens(write, read)
	return s
}

// SetTokens replaces the tokens. Who is logged in by another one must log in again.
func (s *Keeper) SetTokens(write, read config.Secret) {
	s.keys.Store(&sessionKeys{write, read, keyOf(write, linkUse)})
}

// Admin is who has the token that a variable sets.
var Admin = access.Actor{Name: "admin", Access: access.Write}

// The tokens that variables set, as cookies name them: by their access. Another token is named by its name behind namedPrefix.
var (
	actorRead   = access.Actor{Name: "read", Access: access.Read}
	cookieAdmin = strconv.Itoa(int(access.Write))
	cookieRead  = strconv.Itoa(int(access.Read))
)

const namedPrefix = "n-"

// cookieName is how a cookie names who logged in.
func cookieName(who access.Actor) string {
	switch who.Name {
	case Admin.Name:
		return cookieAdmin
	case actorRead.Name:
		return cookieRead
	default:
		return namedPrefix + who.Name
	}
}

// keyFor returns who a cookie names, and the key that signs it; nil for somebody who may not log in any more.
func (s *Keeper) keyFor(cookie string) (who access.Actor, key []byte) {
	keys := s.keys.Load()
	name, named := strings.CutPrefix(cookie, namedPrefix)
	switch {
	case cookie == cookieAdmin:
		return Admin, keyOf(keys.write, "jethook dashboard v1")
	case cookie == cookieRead && !keys.read.IsZero():
		return actorRead, keyOf(keys.write, "jethook dashboard v1 read "+keys.read.Reveal())
	case named:
		who, mark := s.named(name)
		if who.Access != access.None {
			return who, keyOf(keys.write, "jethook dashboard v1 named "+name+" "+mark)
		}
	}
	return access.Actor{}, nil
}

// signed signs for who logged in; empty for somebody who may not log in any more.
func (s *Keeper) signed(v *Session, use, content string) string {
	_, key := s.keyFor(cookieName(v.actor))
	if key == nil {
		return ""
	}
	return sign(key, use, content)
}

// keyOf derives a key for one use from a token.
func keyOf(token config.Secret, use string) []byte {
	mac := hmac.New(sha256.New, []byte(token.Reveal()))
	mac.Write([]byte(use))
	return mac.Sum(nil)
}

// sign returns a text for the use and content that only who has the key can make.
func sign(key []byte, use, content string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(use + "\n" + content))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// begin returns a new session.
func (s *Keeper) begin(who access.Actor, now time.Time) Session {
	return Session{id: rand.Text(), actor: who, since: now, seen: now}
}

// seal returns the cookie's value.
func (s *Keeper) seal(v *Session) string {
	content := strings.Join([]string{
		v.id, cookieName(v.actor), strconv.FormatInt(v.since.Unix(), 36), strconv.FormatInt(v.seen.Unix(), 36),
	}, ".")
	return content + "." + s.signed(v, "session", content)
}

// open reads the cookie's value; false: it is none, or has ended.
func (s *Keeper) open(value string, now time.Time) (v Session, ok bool) {
	parts := strings.Split(value, ".")
	if len(parts) != 5 {
		return v, false
	}
	who, key := s.keyFor(parts[1])
	content := strings.Join(parts[:4], ".")
	if key == nil || !hmac.Equal([]byte(sign(key, "session", content)), []byte(parts[4])) {
		return v, false
	}
	since, _ := strconv.ParseInt(parts[2], 36, 64)
	seen, _ := strconv.ParseInt(parts[3], 36, 64)
	v = Session{id: parts[0], actor: who, since: time.Unix(since, 0), seen: time.Unix(seen, 0)}
	if now.Sub(v.seen) > idleTime || now.Sub(v.since) > longest {
		return v, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.ended[v.id]
	return v, !ended
}

// of returns the session that a request shows.
func (s *Keeper) of(r *http.Request, now time.Time) (Session, bool) {
	for _, cookie := range r.CookiesNamed(cookieOfSession) {
		if v, ok := s.open(cookie.Value, now); ok {
			return v, true
		}
	}
	return Session{}, false
}

// end signs a session out.
func (s *Keeper) end(v *Session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range s.ended {
		if now.Sub(at) > longest { // its cookie is no good any more
			delete(s.ended, id)
		}
	}
	s.ended[v.id] = now
}

// FormToken is what the forms of a session's pages hold, so that no other page can send them.
func (s *Keeper) FormToken(v *Session) string {
	if v.id == "" {
		return ""
	}
	return s.signed(v, "form", v.id)
}

// CheckForm reads a form and refuses one that no page of the session holds.
func (s *Keeper) CheckForm(w http.ResponseWriter, r *http.Request) error {
	if err := ReadForm(w, r); err != nil {
		return err
	}
	want := s.FormToken(Of(r))
	if want == "" || !hmac.Equal([]byte(want), []byte(r.PostForm.Get("csrf"))) {
		return ErrForm
	}
	return nil
}

// ReadForm reads a form and refuses one that another site sends.
func ReadForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := crossSite.Check(r); err != nil {
		return ErrForm
	}
	if err := r.ParseForm(); err != nil {
		return ErrLargeForm
	}
	return nil
}

// maxForm bounds a form in bytes: an event sent by hand is the largest.
const maxForm = 16 << 20

// crossSite refuses what a browser says another site sends.
var crossSite = http.NewCrossOriginProtection()

// Let returns a request with the session that it shows, and keeps a session that is in use from ending; false: it shows none.
func (s *Keeper) Let(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	v, ok := s.of(r, s.now())
	if !ok {
		return r, false
	}
	if now := s.now(); now.Sub(v.seen) > renewAfter && r.Header.Get("Jethook-Live") == "" && r.URL.Path != "/logout" {
		v.seen = now
		s.setSession(w, r, &v)
	}
	ctx := access.With(r.Context(), v.actor.From(r))
	return r.WithContext(context.WithValue(ctx, sessionKey{}, &v)), true
}

// Enter begins a session.
func (s *Keeper) Enter(w http.ResponseWriter, r *http.Request, who access.Actor) {
	begun := s.begin(who, s.now())
	s.setSession(w, r, &begun)
}

// Leave ends the session of a request.
func (s *Keeper) Leave(w http.ResponseWriter, r *http.Request) {
	s.end(Of(r), s.now())
	s.SetCookie(w, r, cookieOfSession, "", -1)
}

func (s *Keeper) setSession(w http.ResponseWriter, r *http.Request, v *Session) {
	s.SetCookie(w, r, cookieOfSession, s.seal(v), int(longest/time.Second))
}

// HasCookie reports whether a request claims to have a session.
func HasCookie(r *http.Request) bool {
	_, err := r.Cookie(cookieOfSession)
	return err == nil
}

// SetCookie sets a cookie for the dashboard alone; seconds of -1 remove it.
func (s *Keeper) SetCookie(w http.ResponseWriter, r *http.Request, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: s.base + "/", MaxAge: seconds, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: OverTLS(r),
	})
}

// OverTLS reports whether the browser speaks TLS, with this listener or with a proxy before it.
func OverTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
