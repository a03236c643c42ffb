package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"jethook/config"
	"jethook/consume/admin"
)

const (
	sessionCookie = "jethook_session"
	// idleTime ends a session that nobody uses; live pages that are merely open do not count as use.
	idleTime = 12 * time.Hour
	// longest is how long a session may be kept in use.
	longest = 7 * 24 * time.Hour
	// renewAfter is how old a cookie is that is replaced by one with the time of now.
	renewAfter = 5 * time.Minute
)

// session is one login.
type session struct {
	id    string
	actor admin.Actor
	since time.Time // when it began
	seen  time.Time // when it was last used, within renewAfter
}

type sessionKey struct{}

// sessionOf returns the session of a request that serve let in; the zero one before the login.
func sessionOf(r *http.Request) *session {
	if s, ok := r.Context().Value(sessionKey{}).(*session); ok {
		return s
	}
	return &session{}
}

// refusal is the error of a session that is not enough.
func (s *session) refusal() error {
	if s.may(admin.AccessOperate) {
		return errNotAdmin
	}
	return errReadOnly
}

// may reports whether the session is enough for what needs an access.
func (s *session) may(needed admin.Access) bool { return s.actor.Access.Allows(needed) }

// sessions makes and reads cookies. They are signed with a key that follows from the tokens: so they hold across a restart and in every
// process with the same tokens, and end when the token is changed. One that was signed out is remembered by the
// process that was told.
type sessions struct {
	keys  atomic.Pointer[sessionKeys]
	named func(name string) (who admin.Actor, mark string) // who has a named token now

	mu    sync.Mutex // guards ended
	ended map[string]time.Time
}

// sessionKeys are the tokens that variables set, and what follows from them.
type sessionKeys struct {
	write, read config.Secret
	link        []byte // of login links
}

func newSessions(write, read config.Secret, named func(string) (admin.Actor, string)) *sessions {
	s := &sessions{named: named, ended: make(map[string]time.Time)}
	s.setTokens(write, read)
	return s
}

func (s *sessions) setTokens(write, read config.Secret) {
	s.keys.Store(&sessionKeys{write, read, keyOf(write, linkUse)})
}

// The tokens that variables set, as cookies name them: by their access. Another token is named by its name behind namedPrefix.
var (
	actorAdmin  = admin.Actor{Name: "admin", Access: admin.AccessWrite}
	actorRead   = admin.Actor{Name: "read", Access: admin.AccessRead}
	cookieAdmin = strconv.Itoa(int(admin.AccessWrite))
	cookieRead  = strconv.Itoa(int(admin.AccessRead))
)

const namedPrefix = "n-"

// cookieName is how a cookie names who logged in.
func cookieName(who admin.Actor) string {
	switch who.Name {
	case actorAdmin.Name:
		return cookieAdmin
	case actorRead.Name:
		return cookieRead
	default:
		return namedPrefix + who.Name
	}
}

// keyFor returns who a cookie names, and the key that signs it; nil for somebody who may not log in any more.
func (s *sessions) keyFor(cookie string) (who admin.Actor, key []byte) {
	keys := s.keys.Load()
	name, named := strings.CutPrefix(cookie, namedPrefix)
	switch {
	case cookie == cookieAdmin:
		return actorAdmin, keyOf(keys.write, "jethook dashboard v1")
	case cookie == cookieRead && !keys.read.IsZero():
		return actorRead, keyOf(keys.write, "jethook dashboard v1 read "+keys.read.Reveal())
	case named:
		who, mark := s.named(name)
		if who.Access != admin.AccessNone {
			return who, keyOf(keys.write, "jethook dashboard v1 named "+name+" "+mark)
		}
	}
	return admin.Actor{}, nil
}

// signed signs for who logged in; empty for somebody who may not log in any more.
func (s *sessions) signed(v *session, use, content string) string {
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
func (s *sessions) begin(who admin.Actor, now time.Time) session {
	return session{id: rand.Text(), actor: who, since: now, seen: now}
}

// seal returns the cookie's value.
func (s *sessions) seal(v *session) string {
	content := strings.Join([]string{
		v.id, cookieName(v.actor), strconv.FormatInt(v.since.Unix(), 36), strconv.FormatInt(v.seen.Unix(), 36),
	}, ".")
	return content + "." + s.signed(v, "session", content)
}

// open reads the cookie's value; false: it is none, or has ended.
func (s *sessions) open(value string, now time.Time) (v session, ok bool) {
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
	v = session{id: parts[0], actor: who, since: time.Unix(since, 0), seen: time.Unix(seen, 0)}
	if now.Sub(v.seen) > idleTime || now.Sub(v.since) > longest {
		return v, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.ended[v.id]
	return v, !ended
}

// of returns the session that a request shows.
func (s *sessions) of(r *http.Request, now time.Time) (session, bool) {
	for _, cookie := range r.CookiesNamed(sessionCookie) {
		if v, ok := s.open(cookie.Value, now); ok {
			return v, true
		}
	}
	return session{}, false
}

// end signs a session out.
func (s *sessions) end(v *session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range s.ended {
		if now.Sub(at) > longest { // its cookie is no good any more
			delete(s.ended, id)
		}
	}
	s.ended[v.id] = now
}

// formToken is what the forms of a session's pages hold, so that no other page can send them.
func (s *sessions) formToken(v *session) string {
	if v.id == "" {
		return ""
	}
	return s.signed(v, "form", v.id)
}

// checkForm reads a form and refuses one that no page of the session holds.
func (s *Server) checkForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := crossSite.Check(r); err != nil {
		return errForm
	}
	if err := r.ParseForm(); err != nil {
		return errLargeForm
	}
	session := sessionOf(r)
	want := s.sessions.formToken(session)
	if want == "" || !hmac.Equal([]byte(want), []byte(r.PostForm.Get("csrf"))) {
		return errForm
	}
	return nil
}

// maxForm bounds a form in bytes: an event sent by hand is the largest.
const maxForm = 16 << 20

// crossSite refuses what a browser says another site sends.
var crossSite = http.NewCrossOriginProtection()

// renew keeps a session that is in use from ending.
func (s *Server) renew(w http.ResponseWriter, r *http.Request, v *session) {
	if now := s.now(); now.Sub(v.seen) > renewAfter && r.Header.Get("Jethook-Live") == "" && r.URL.Path != "/logout" {
		v.seen = now
		s.setSession(w, r, v)
	}
}

func (s *Server) setSession(w http.ResponseWriter, r *http.Request, v *session) {
	s.setCookie(w, r, sessionCookie, s.sessions.seal(v), int(longest/time.Second))
}

// setCookie sets a cookie for the dashboard alone; seconds of -1 remove it.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: s.base + "/", MaxAge: seconds, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: overTLS(r),
	})
}

// Present reports whether somebody is logged in.
func (s *session) Present() bool { return s.id != "" }
