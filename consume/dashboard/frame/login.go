package frame

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"jethook/consume/admin/access"
	"jethook/consume/dashboard/session"
)

func (f *Frame) loginRoutes() {
	f.mux.Handle("GET /login", f.answered(f.showLogin))
	f.mux.Handle("POST /login", f.answered(f.login))
	f.Page("POST /logout", f.logout)
}

// isOpen reports whether a path is open before the login.
func isOpen(path string) bool { return path == "/login" || strings.HasPrefix(path, "/assets/login/") }

// loginPage is what the login shows.
type loginPage struct {
	Next  string
	Wrong string // what was wrong with the last try
}

func (f *Frame) showLogin(w http.ResponseWriter, r *http.Request) error {
	next := LocalPath(r.URL.Query().Get("next"))
	if link := r.URL.Query().Get("link"); link != "" {
		return f.loginByLink(w, r, link)
	}
	if session.Of(r).Present() {
		return f.SeeOther(w, r, next, "")
	}
	return f.Render(w, r, "login", View{Title: "Sign in", Data: loginPage{Next: next}})
}

// login takes the token of the form.
func (f *Frame) login(w http.ResponseWriter, r *http.Request) error {
	if err := session.ReadForm(w, r); err != nil {
		return err
	}
	next := LocalPath(r.PostForm.Get("next"))
	if wait := f.slow.Wait(r.RemoteAddr, f.Now()); wait > 0 {
		return f.refuseLogin(w, r, next, wait)
	}
	who := f.api.Identify(strings.TrimSpace(r.PostForm.Get("token")))
	if who.Access == access.None {
		return f.refuseLogin(w, r, next, f.slow.Failed(r.RemoteAddr, f.Now()))
	}
	return f.enter(w, r, who, next)
}

// enter begins a session.
func (f *Frame) enter(w http.ResponseWriter, r *http.Request, who access.Actor, next string) error {
	f.slow.Succeeded(r.RemoteAddr)
	f.sessions.Enter(w, r, who)
	f.Log.Info("signed in to the dashboard", "remote", r.RemoteAddr, "token", who.Name, "read_only", who.Access == access.Read)
	return f.SeeOther(w, r, next, "")
}

// refuseLogin tells that a try was wrong, or came too soon after wrong ones.
func (f *Frame) refuseLogin(w http.ResponseWriter, r *http.Request, next string, wait time.Duration) error {
	f.Log.Warn("sign-in to the dashboard refused", "remote", r.RemoteAddr, "wait", wait)
	shown := loginPage{Next: next, Wrong: "That token is not valid."}
	status := http.StatusUnauthorized
	if wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		shown.Wrong = fmt.Sprintf("Too many attempts. Try again in %d s.", seconds)
		status = http.StatusTooManyRequests
	}
	return f.Render(w, r, "login", View{Title: "Sign in", Status: status, Data: shown})
}

// logout ends the session.
func (f *Frame) logout(w http.ResponseWriter, r *http.Request) error {
	f.sessions.Leave(w, r)
	return f.SeeOther(w, r, "/login", "")
}

// askForLogin sends a browser to the login, and from there back. What a page asks for by itself is refused.
func (f *Frame) askForLogin(w http.ResponseWriter, r *http.Request) {
	login := f.base + "/login"
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

// LocalPath returns where to go on, if that is a page of the dashboard, and else the overview.
func LocalPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "/login") {
		return "/"
	}
	return next
}

func (f *Frame) loginByLink(w http.ResponseWriter, r *http.Request, link string) error {
	now := f.Now()
	if wait := f.slow.Wait(r.RemoteAddr, now); wait > 0 {
		return f.refuseLogin(w, r, "/", wait)
	}
	fresh, err := f.sessions.Spend(r.Context(), f.spent, link)
	if err != nil {
		return err
	}
	if !fresh {
		f.slow.Failed(r.RemoteAddr, now)
		return f.Render(w, r, "login", View{Title: "Sign in", Status: http.StatusUnauthorized, Data: loginPage{
			Next: "/", Wrong: "This link was already used, or has expired. Get a new one with “jethook dashboard”, or use the admin token.",
		}})
	}
	return f.enter(w, r, session.Admin, "/")
}
