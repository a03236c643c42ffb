package dashboard

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/publish/failure"
)

func (s *Server) loginRoutes() {
	s.mux.Handle("GET /login", s.answered(s.showLogin))
	s.mux.Handle("POST /login", s.answered(s.login))
	s.page("POST /logout", s.logout)
}

// isOpen reports whether a path is open before the login.
func isOpen(path string) bool { return path == "/login" || strings.HasPrefix(path, "/assets/login/") }

// loginPage is what the login shows.
type loginPage struct {
	Next  string
	Wrong string // what was wrong with the last try
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	if link := r.URL.Query().Get("link"); link != "" {
		return s.loginByLink(w, r, link)
	}
	if sessionOf(r).id != "" {
		return s.seeOther(w, r, next, "")
	}
	return s.render(w, r, "login", view{Title: "Sign in", Data: loginPage{Next: next}})
}

// login takes the token of the form.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := crossSite.Check(r); err != nil {
		return errForm
	}
	if err := r.ParseForm(); err != nil {
		return errLargeForm
	}
	next := localPath(r.PostForm.Get("next"))
	if wait := s.slow.wait(r.RemoteAddr, s.now()); wait > 0 {
		return s.refuseLogin(w, r, next, wait)
	}
	who := s.api.Identify(strings.TrimSpace(r.PostForm.Get("token")))
	if who.Access == admin.AccessNone {
		return s.refuseLogin(w, r, next, s.slow.failed(r.RemoteAddr, s.now()))
	}
	return s.enter(w, r, who, next)
}

// enter begins a session.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, who admin.Actor, next string) error {
	s.slow.succeeded(r.RemoteAddr)
	begun := s.sessions.begin(who, s.now())
	s.setSession(w, r, &begun)
	s.log.Info("signed in to the dashboard", "remote", r.RemoteAddr, "token", who.Name, "read_only", who.Access == admin.AccessRead)
	return s.seeOther(w, r, next, "")
}

// refuseLogin tells that a try was wrong, or came too soon after wrong ones.
func (s *Server) refuseLogin(w http.ResponseWriter, r *http.Request, next string, wait time.Duration) error {
	s.log.Warn("sign-in to the dashboard refused", "remote", r.RemoteAddr, "wait", wait)
	shown := loginPage{Next: next, Wrong: "That token is not right."}
	status := http.StatusUnauthorized
	if wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		shown.Wrong = fmt.Sprintf("That did not work. Try again in %d s.", seconds)
		status = http.StatusTooManyRequests
	}
	return s.render(w, r, "login", view{Title: "Sign in", Status: status, Data: shown})
}

// logout ends the session.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	s.sessions.end(sessionOf(r), s.now())
	s.setCookie(w, r, sessionCookie, "", -1)
	return s.seeOther(w, r, "/login", "")
}

// askForLogin sends a browser to the login, and from there back. What a page asks for by itself is refused.
func (s *Server) askForLogin(w http.ResponseWriter, r *http.Request) {
	login := s.base + "/login"
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", login)
	}
	if r.Header.Get("HX-Request") != "" || strings.HasPrefix(r.URL.Path, "/assets/") || !asksForPage(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintln(w, "Sign in first.")
		return
	}
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		login += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, login, http.StatusFound)
}

// localPath returns where to go on, if that is a page of the dashboard, and else the overview.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "/login") {
		return "/"
	}
	return next
}

// A login link is a nonce, when it ends, and a signature that who has the admin token can make. It opens the door once.

// linkTime is how long a login link is good for.
const linkTime = 10 * time.Minute

const linkUse = "jethook dashboard v1 link"

// LoginPath returns the path, below the base path, of a login link: whoever opens it within ten minutes is logged in with the
// admin token's rights, once. It is as secret as the token for that time.
func LoginPath(token config.Secret, now time.Time) string {
	content := rand.Text() + "." + strconv.FormatInt(now.Add(linkTime).Unix(), 36)
	return "/login?link=" + content + "." + sign(keyOf(token, linkUse), "link", content)
}

func (s *Server) loginByLink(w http.ResponseWriter, r *http.Request, link string) error {
	now := s.now()
	if wait := s.slow.wait(r.RemoteAddr, now); wait > 0 {
		return s.refuseLogin(w, r, "/", wait)
	}
	fresh, err := s.spend(r.Context(), link, now)
	if err != nil {
		return err
	}
	if !fresh {
		s.slow.failed(r.RemoteAddr, now)
		return s.render(w, r, "login", view{Title: "Sign in", Status: http.StatusUnauthorized, Data: loginPage{
			Next: "/", Wrong: "This link was used, or is too old. Make a new one with “jethook dashboard”, or use the admin token.",
		}})
	}
	return s.enter(w, r, actorAdmin, "/")
}

// spend reports whether a link is good, and makes it good for nothing more, in all processes.
func (s *Server) spend(ctx context.Context, link string, now time.Time) (bool, error) {
	nonce, rest, _ := strings.Cut(link, ".")
	end, mac, _ := strings.Cut(rest, ".")
	until, err := strconv.ParseInt(end, 36, 64)
	right := hmac.Equal([]byte(sign(s.sessions.keys.Load().link, "link", nonce+"."+end)), []byte(mac))
	if !right || err != nil || now.Unix() > until {
		return false, nil
	}
	kv, err := s.bus.Buckets().Requests(ctx)
	if err != nil {
		return false, err
	}
	_, err = kv.Create(ctx, "login-"+nonce, []byte(now.UTC().Format(time.RFC3339)))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: noting a login link: %w", failure.ErrUnavailable, err)
	}
	return true, nil
}

// slowdown makes an address wait after failed logins: longer with each, so that no token is found by trying.
type slowdown struct {
	mu  sync.Mutex // guards all
	all map[netip.Prefix]*failures
}

type failures struct {
	count int
	until time.Time // when the next try is heard
	last  time.Time
}

const (
	freeFailures = 3           // that anyone may make without a wait
	longestWait  = time.Minute // who shares an address with an attacker must get in some time
	forgiven     = 15 * time.Minute
	maxAddresses = 10_000
)

func newSlowdown() *slowdown { return &slowdown{all: make(map[netip.Prefix]*failures)} }

// wait returns how long the address must wait before it is heard.
func (s *slowdown) wait(remote string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.all[networkOf(remote)]
	if f == nil {
		return 0
	}
	return max(0, f.until.Sub(now))
}

// failed notes a failure and returns how long the address must wait now.
func (s *slowdown) failed(remote string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy(now)
	key := networkOf(remote)
	f := s.all[key]
	if f == nil {
		f = &failures{}
		s.all[key] = f
	}
	if now.Sub(f.last) > forgiven {
		f.count = 0
	}
	f.count++
	f.last = now
	if over := f.count - freeFailures; over > 0 {
		f.until = now.Add(min(longestWait, time.Second<<min(over-1, 10)))
	}
	return max(0, f.until.Sub(now))
}

func (s *slowdown) succeeded(remote string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, networkOf(remote))
}

// tidy forgets what is forgiven, and the oldest when there is too much.
func (s *slowdown) tidy(now time.Time) {
	if len(s.all) < maxAddresses {
		return
	}
	var oldest netip.Prefix
	var at time.Time
	for key, f := range s.all {
		if now.Sub(f.last) > forgiven {
			delete(s.all, key)
		} else if at.IsZero() || f.last.Before(at) {
			oldest, at = key, f.last
		}
	}
	if len(s.all) >= maxAddresses {
		delete(s.all, oldest)
	}
}

// networkOf is the address of a client; of IPv6 the network, of which every host has many addresses.
func networkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}
