package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/dashboard/session"
)

// everyPath is every page and asset that needs a login.
var everyPath = []string{
	"/", "/sources", "/sources/shop", "/deliveries", "/deliveries/x", "/endpoints", "/endpoints/new", "/endpoints/ep_x", "/endpoints/ep_x/edit", "/endpoints/ep_x/test", "/endpoints/ep_x/recover",
	"/events", "/events/EVENTS-1", "/events?subject=events.%3E", "/dead", "/dead?reason=503", "/send", "/audit", "/audit?actor=admin", "/events/EVENTS-1/body", "/events/EVENTS-1/text", "/jobs",
	"/sources/shop/sample", "/sources/shop/rejected/1", "/no/such/page",
	"/assets/app.js", "/assets/htmx.min.js", "/assets/idiomorph-ext.min.js", "/assets/licenses/htmx.txt", "/assets/no",
}

func TestWithoutLoginThereIsOnlyTheLogin(t *testing.T) {
	t.Parallel()
	r := start(t)
	visits(t, everyPath)
	for _, path := range everyPath {
		b := r.browser()
		got := b.get(path)
		asset := strings.HasPrefix(path, "/assets/")
		if asset && got.status != http.StatusUnauthorized || !asset && (got.status != http.StatusFound || !strings.HasPrefix(got.header.Get("Location"), "/login")) {
			t.Errorf("GET %s: %d to %q", path, got.status, got.header.Get("Location"))
		}
		if got := b.do("GET", path, nil, http.Header{"Accept": {"*/*"}}); got.status != http.StatusUnauthorized {
			t.Errorf("GET %s as no browser: %d", path, got.status)
		}
		if got := b.do("GET", path, nil, http.Header{"Hx-Request": {"true"}}); got.status != http.StatusUnauthorized || got.header.Get("HX-Redirect") == "" {
			t.Errorf("GET %s of a live page: %d", path, got.status)
		}
		if got := b.post(path, url.Values{"a": {"b"}}); got.status != http.StatusFound && got.status != http.StatusUnauthorized {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
	login := r.browser().page("/login")
	for _, loaded := range []string{"/assets/login/app.css", "/assets/login/icon.svg"} {
		if !strings.Contains(login, loaded) {
			t.Errorf("the login does not load %s", loaded)
		}
		r.browser().page(loaded)
	}
	if strings.Contains(login, "<script") {
		t.Error("the login loads a script, which needs a login")
	}
}

// Whoever is no browser meets the API as if there were no dashboard.
func TestTheAPIIsAsBefore(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	b.header = http.Header{}
	for _, path := range []string{"/", "/deliveries", "/nothing"} {
		got := b.get(path)
		if got.status != http.StatusUnauthorized || !strings.Contains(got.body, `"code":"unauthorized"`) {
			t.Errorf("GET %s: %d %s", path, got.status, got.body)
		}
		got = b.do("GET", path, nil, http.Header{"Authorization": {"Bearer " + adminToken}})
		if got.status != http.StatusNotFound || !strings.Contains(got.body, `"code":"not_found"`) {
			t.Errorf("GET %s with the token: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/docs"} {
		if got := r.browser().get(path); got.status != http.StatusOK {
			t.Errorf("GET %s: %d", path, got.status)
		}
	}
	signedIn := r.signedIn(adminToken)
	if got := signedIn.get("/api/v1/sources"); got.status != http.StatusUnauthorized {
		t.Errorf("a session opens the API: %d", got.status)
	}
}

func TestSignInByToken(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	got := b.post("/login", url.Values{"token": {"wrong"}, "next": {"/sources"}})
	if got.status != http.StatusUnauthorized || len(b.cookies) != 0 || !strings.Contains(got.body, "not valid") {
		t.Fatalf("a wrong token: %d %s", got.status, got.body)
	}
	got = b.post("/login", url.Values{"token": {adminToken}, "next": {"/deliveries?status=dead"}})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/deliveries?status=dead" {
		t.Fatalf("the right token: %d to %s", got.status, got.header.Get("Location"))
	}
	cookie := b.cookies["jethook_session"]
	if cookie == nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure || cookie.Path != "/" {
		t.Fatalf("the cookie: %v", cookie)
	}
	b.page("/")
	before := *cookie
	if got := b.send("/", "/logout", nil); got.status != http.StatusSeeOther || b.cookies["jethook_session"] != nil {
		t.Errorf("signing out: %d, %v", got.status, b.cookies)
	}
	b.cookies["jethook_session"] = &before
	if got := b.get("/"); got.status != http.StatusFound {
		t.Errorf("the cookie of a session that was signed out opens: %d", got.status)
	}
	behind := r.browser()
	behind.do("POST", "/login", url.Values{"token": {adminToken}}, http.Header{"X-Forwarded-Proto": {"https"}})
	if c := behind.cookies["jethook_session"]; c == nil || !c.Secure {
		t.Errorf("behind TLS: %v", c)
	}
}

// A sign-in leads to a page of the dashboard, wherever a link to it points.
func TestSignInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, next := range []string{"https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)", "/\t/evil.example", "/login?next=/", ""} {
		got := r.browser().post("/login", url.Values{"token": {adminToken}, "next": {next}})
		if got.status != http.StatusSeeOther || got.header.Get("Location") != "/" {
			t.Errorf("next=%q leads to %q", next, got.header.Get("Location"))
		}
	}
}

func TestForgedCookiesOpenNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	right := r.signedIn(readToken).cookies["jethook_session"].Value
	parts := strings.Split(right, ".")
	for _, value := range []string{
		"", "x", right + "x", strings.Replace(right, ".1.", ".2.", 1), strings.Join(parts[:4], ".") + ".",
		strings.Join([]string{parts[0], parts[1], parts[2], "zzzzzz", parts[4]}, "."),
	} {
		b := r.browser()
		b.cookies["jethook_session"] = &http.Cookie{Name: "jethook_session", Value: value}
		if got := b.get("/"); got.status != http.StatusFound {
			t.Errorf("cookie %q: %d", value, got.status)
		}
	}
}

func TestFailedSignInsAreSlowed(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	for range 4 {
		b.post("/login", url.Values{"token": {"wrong"}})
	}
	got := b.post("/login", url.Values{"token": {adminToken}})
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || len(b.cookies) != 0 {
		t.Errorf("even the right token must wait: %d", got.status)
	}
}

func TestLoginLinkOpensOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	link := session.LoginPath(config.NewSecret(adminToken), time.Now())
	first := r.browser()
	if got := first.get(link); got.status != http.StatusSeeOther || first.cookies["jethook_session"] == nil {
		t.Fatalf("the link: %d %s", got.status, got.body)
	}
	if page := first.page("/"); !strings.Contains(page, "Sign out") || strings.Contains(page, "read only") {
		t.Error("the link does not sign in with the admin token's rights")
	}
	for name, link := range map[string]string{
		"used":        link,
		"old":         session.LoginPath(config.NewSecret(adminToken), time.Now().Add(-11*time.Minute)),
		"other token": session.LoginPath(config.NewSecret("another-token-altogether"), time.Now()),
		"changed":     strings.Replace(session.LoginPath(config.NewSecret(adminToken), time.Now()), "link=", "link=A", 1),
	} {
		b := r.browser()
		if got := b.get(link); got.status != http.StatusUnauthorized && got.status != http.StatusTooManyRequests || len(b.cookies) != 0 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	token := csrfField.FindStringSubmatch(b.page("/"))[1]
	other := csrfField.FindStringSubmatch(r.signedIn(adminToken).page("/"))[1]
	for name, test := range map[string]struct {
		token  string
		header http.Header
	}{
		"no token":                 {"", http.Header{"Sec-Fetch-Site": {"same-origin"}}},
		"wrong token":              {"x", http.Header{"Sec-Fetch-Site": {"same-origin"}}},
		"token of another session": {other, http.Header{"Sec-Fetch-Site": {"same-origin"}}},
		"another site":             {token, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}},
		"another origin":           {token, http.Header{"Origin": {"https://evil.example"}}},
	} {
		for _, path := range []string{"/deliveries/retry", "/deliveries/ep_1.events:e1/retry", "/logout", "/jobs/1/stop"} {
			got := b.do("POST", path, url.Values{"csrf": {test.token}}, test.header)
			if got.status != http.StatusForbidden {
				t.Errorf("%s: POST %s: %d", name, path, got.status)
			}
		}
	}
	if got := r.browser().do("POST", "/login", url.Values{"token": {adminToken}}, http.Header{"Sec-Fetch-Site": {"cross-site"}}); got.status != http.StatusForbidden {
		t.Errorf("another site signs in: %d", got.status)
	}
	b.page("/") // and the session is still there
}

func TestOtherHostsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.AdminHosts = []string{"jethook.internal"} })
	b := r.signedIn(adminToken)
	for host, want := range map[string]int{
		"evil.example": http.StatusMisdirectedRequest, "evil.example:8081": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		"192.0.2.7": http.StatusMisdirectedRequest, "localhost.evil.example": http.StatusMisdirectedRequest, "jethook.internal.": http.StatusOK,
		"jethook.internal": http.StatusOK, "JETHOOK.internal:443": http.StatusOK, "localhost:9": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:8081": http.StatusOK,
	} {
		for _, path := range []string{"/", "/login"} {
			got := b.do("GET", path, nil, http.Header{"Host": {host}})
			if path == "/login" && want == http.StatusOK {
				continue // it leads on to the overview
			}
			if got.status != want {
				t.Errorf("GET %s at %s: %d, want %d", path, host, got.status, want)
			}
		}
	}
}

func TestAnswersAreSafeInBrowsersAndCaches(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.signedIn(adminToken)
	for _, path := range append([]string{"/login"}, everyPath...) {
		got := b.get(path)
		h := got.header
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", path, h)
		}
		if h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached: %s", path, h.Get("Cache-Control"))
		}
		for _, inline := range []string{"<style", " style=", "onclick=", "javascript:", "hx-on"} {
			if strings.HasPrefix(h.Get("Content-Type"), "text/html") && strings.Contains(got.body, inline) {
				t.Errorf("%s holds %s", path, inline)
			}
		}
	}
}

// The read token sees the pages and is offered no change, and refused those it tries.
func TestReadLoginChangesNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r.endpoint("billing", "/hook?key=url-secret", "events.>")
	r.publish("order.created", "evt_1", []byte(`{}`))
	b := r.signedIn(readToken)
	page := b.until("/deliveries", func(page string) bool { return strings.Contains(page, "waiting 503") })
	if !strings.Contains(page, "read only") || strings.Contains(page, "Retry") {
		t.Error("the list offers changes")
	}
	for _, path := range []string{"/deliveries/retry", "/jobs/1/stop"} {
		if got := b.send("/", path, nil); got.status != http.StatusForbidden || !strings.Contains(got.body, "read-only") {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
}

// Behind a proxy that puts it under a path, every address has that path, whether the proxy takes it off or not.
func TestBasePath(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.AdminBasePath = "/tools/jethook" })
	b := r.browser()
	got := b.post("/tools/jethook/login", url.Values{"token": {adminToken}})
	if got.header.Get("Location") != "/tools/jethook/" || b.cookies["jethook_session"].Path != "/tools/jethook/" {
		t.Fatalf("sign-in leads to %q", got.header.Get("Location"))
	}
	for _, path := range []string{"/tools/jethook", "/tools/jethook/", "/tools/jethook/deliveries", "/deliveries"} {
		page := b.page(path)
		for _, m := range addresses.FindAllStringSubmatch(page, -1) {
			if !strings.HasPrefix(m[2], "/tools/jethook/") && !strings.HasPrefix(m[2], "?") && !strings.HasPrefix(m[2], "#") {
				t.Errorf("%s leads to %s", path, m[2])
			}
		}
	}
	if got := b.do("GET", "/tools/jethook/api/v1/sources", nil, http.Header{"Authorization": {"Bearer " + adminToken}}); got.status != http.StatusOK {
		t.Errorf("the API below the path: %d", got.status)
	}
}
