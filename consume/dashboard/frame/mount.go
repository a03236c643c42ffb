package frame

import (
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"jethook/consume/dashboard/session"
)

// Around puts the dashboard around the API: requests for its pages are its own, when they come from a browser, and all others
// go on to the API, as if there were no dashboard. It is for [admin.Server.Mount].
func (f *Frame) Around(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = f.withoutBase(r)
		if !f.takes(r) {
			api.ServeHTTP(w, r)
			return
		}
		defer f.catch(w)
		setHeaders(w.Header(), r)
		if !f.knowsHost(r.Host) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusMisdirectedRequest)
			fmt.Fprintln(w, "This dashboard does not accept that host name. Use its address, or add the name to JETHOOK_ADMIN_HOSTS.")
			return
		}
		zip := zipped(w, r)
		defer zip.close()
		f.serve(zip, r)
	})
}

// withoutBase takes the base path off a request, unless the proxy has done so.
func (f *Frame) withoutBase(r *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.Path, f.base)
	if f.base == "" || !ok || rest != "" && rest[0] != '/' {
		return r
	}
	raw := strings.TrimPrefix(r.URL.RawPath, f.base)
	if rest == "" {
		rest, raw = "/", ""
	}
	stripped := new(http.Request)
	*stripped = *r
	stripped.URL = new(url.URL)
	*stripped.URL = *r.URL
	stripped.URL.Path, stripped.URL.RawPath = rest, raw
	return stripped
}

// apiPaths are the API's own, whoever asks.
var apiPaths = []string{"/api", "/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"}

// takes reports whether a request is for the dashboard: a browser asks for a page, or for what belongs to one.
func (f *Frame) takes(r *http.Request) bool {
	if r.Header.Get("Authorization") != "" || slices.ContainsFunc(apiPaths, func(p string) bool {
		return r.URL.Path == p || strings.HasPrefix(r.URL.Path, p+"/")
	}) {
		return false
	}
	if isOpen(r.URL.Path) || asksForPage(r) {
		return true
	}
	return session.HasCookie(r)
}

// asksForPage reports whether a browser wants something to show.
func asksForPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") || r.Header.Get("HX-Request") != ""
}

// serve answers a request that is the dashboard's.
func (f *Frame) serve(w http.ResponseWriter, r *http.Request) {
	r, ok := f.sessions.Let(w, r)
	if !ok && !isOpen(r.URL.Path) {
		f.askForLogin(w, r)
		return
	}
	if _, pattern := f.mux.Handler(r); pattern == "" {
		f.fail(w, r, ErrNoPage)
		return
	}
	f.mux.ServeHTTP(w, r)
}

// policy lets a page load what this listener serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// setHeaders makes answers safe to meet in a browser, and keeps them out of caches.
func setHeaders(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// With no-referrer, browsers call the origin of a form "null", and over plain HTTP they say nothing else of where it is from.
	h.Set("Referrer-Policy", "same-origin")
	if session.OverTLS(r) { // elsewhere browsers ignore it, and complain of that
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// knowsHost reports whether a browser may call this listener by that name. A page elsewhere can have any name of its own
// resolve to this address, and would then be of one origin with these pages.
func (f *Frame) knowsHost(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	listens, _, _ := net.SplitHostPort(f.cfg.AdminListen)
	if host == "" {
		return false
	}
	if host == "localhost" || strings.EqualFold(host, listens) || slices.ContainsFunc(f.cfg.AdminHosts, func(known string) bool {
		return strings.EqualFold(strings.Trim(known, "[]"), host)
	}) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	// No name resolves to an address that is written as one. A listener on all addresses has them all.
	bound, err := netip.ParseAddr(listens)
	return ip.Unmap().IsLoopback() || listens == "" || err == nil && (bound.IsUnspecified() || bound == ip)
}

// catch ends a request that panicked.
func (f *Frame) catch(w http.ResponseWriter) {
	if fault := recover(); fault != nil {
		if fault == http.ErrAbortHandler {
			panic(fault)
		}
		f.Log.Error("page panicked", "error", fmt.Sprint(fault), "stack", string(debug.Stack()))
		http.Error(w, "Something went wrong; see the log.", http.StatusInternalServerError)
	}
}

// zipWriter compresses an answer for who takes that.
type zipWriter struct {
	http.ResponseWriter
	accepts bool
	began   bool
	zip     *gzip.Writer // nil: as it is
}

func zipped(w http.ResponseWriter, r *http.Request) *zipWriter {
	return &zipWriter{ResponseWriter: w, accepts: strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")}
}

// WriteHeader decides whether the answer is compressed.
func (z *zipWriter) WriteHeader(status int) {
	if z.began {
		return
	}
	z.began = true
	h := z.Header()
	text := strings.HasPrefix(h.Get("Content-Type"), "text/") || strings.HasPrefix(h.Get("Content-Type"), "image/svg")
	if text {
		h.Add("Vary", "Accept-Encoding")
	}
	if z.accepts && text && h.Get("Content-Encoding") == "" && status != http.StatusNotModified {
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		z.zip = gzip.NewWriter(z.ResponseWriter)
	}
	z.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the answer.
func (z *zipWriter) Write(p []byte) (int, error) {
	z.WriteHeader(http.StatusOK)
	if z.zip != nil {
		return z.zip.Write(p)
	}
	return z.ResponseWriter.Write(p)
}

func (z *zipWriter) close() {
	if z.zip != nil {
		_ = z.zip.Close() // the browser went away
	}
}
