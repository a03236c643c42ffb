package dashboard

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"jethook/consume/admin"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates by page, each with the layout and the shared parts.
type pages map[string]*template.Template

// loadPages parses templates/*.html. layout.html and parts.html are for all, every other one is a page and defines "main".
func loadPages(s *Server) pages {
	shared := template.Must(template.New("layout").Funcs(s.funcs()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err) // it is embedded
	}
	all := make(pages)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), path.Ext(f.Name()))
		if name == "layout" || name == "parts" {
			continue
		}
		own := template.Must(shared.Clone())
		all[name] = template.Must(own.ParseFS(templateFiles, "templates/"+f.Name()))
	}
	return all
}

// view is what a handler gives a page to show.
type view struct {
	Title  string // of the browser's tab, and the page's first heading unless it has another
	Nav    string // which item of the navigation it belongs to: its path
	Status int    // 0: 200
	Live   bool   // it is asked for again every few seconds
	Data   any
}

// page is all that a template sees.
type page struct {
	view

	Base    string
	Address string // of this page, below the base path
	Session *session
	CSRF    string
	Flash   string
	Jobs    []jobView
	Items   []navItem
	Now     time.Time
	Version string
}

// navItem is one place of the navigation.
type navItem struct {
	Path, Name string
	Here       bool
}

// navigation is the order of the pages.
var navigation = []navItem{
	{Path: "/", Name: "Overview"},
	{Path: "/sources", Name: "Sources"},
	{Path: "/events", Name: "Events"},
	{Path: "/endpoints", Name: "Endpoints"},
	{Path: "/deliveries", Name: "Deliveries"},
	{Path: "/dead", Name: "Dead letters"},
	{Path: "/send", Name: "Send"},
	{Path: "/audit", Name: "Audit"},
}

// MayWrite reports whether to offer all changes, MayOperate those of operators.
func (p *page) MayWrite() bool   { return p.Session.may(admin.AccessWrite) }
func (p *page) MayOperate() bool { return p.Session.may(admin.AccessOperate) }

// Actor is the name of the token that the session began with.
func (p *page) Actor() string { return p.Session.actor.Name }

// render writes a page: whole, or only its main when a live page asks for that.
func (s *Server) render(w http.ResponseWriter, r *http.Request, name string, v view) error {
	p := s.newPage(r, v)
	part := "layout.html"
	if r.Header.Get("HX-Request") != "" && r.Header.Get("HX-Target") == "main" {
		part = "content"
	} else {
		p.Flash = s.takeFlash(w, r)
	}
	var b bytes.Buffer // so that a fault is not half a page
	if err := s.pages[name].ExecuteTemplate(&b, part, p); err != nil {
		return fmt.Errorf("writing page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(max(v.Status, http.StatusOK))
	_, _ = w.Write(b.Bytes()) // the browser went away
	return nil
}

func (s *Server) newPage(r *http.Request, v view) *page {
	session := sessionOf(r)
	p := &page{
		view: v, Base: s.base, Address: r.URL.RequestURI(), Session: session, CSRF: s.sessions.formToken(session), Now: s.now(), Version: s.version,
	}
	if session.id != "" {
		p.Jobs = s.jobs.shown(s.now())
	}
	for _, item := range navigation {
		item.Here = item.Path == v.Nav
		p.Items = append(p.Items, item)
	}
	return p
}

// A flash is one sentence that the next page shows: what became of a change.

const flashCookie = "jethook_flash"

// seeOther ends a change: the browser goes on to a page, which shows the flash once.
func (s *Server) seeOther(w http.ResponseWriter, r *http.Request, to, flash string) error {
	if flash != "" {
		s.setCookie(w, r, flashCookie, base64.RawURLEncoding.EncodeToString([]byte(flash)), 60)
	}
	http.Redirect(w, r, s.base+to, http.StatusSeeOther)
	return nil
}

func (s *Server) takeFlash(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	s.setCookie(w, r, flashCookie, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || sessionOf(r).id == "" {
		return ""
	}
	return string(text)
}

// renderPart writes one shared part alone, for what is live by itself.
func (s *Server) renderPart(w http.ResponseWriter, r *http.Request, name string, v view) error {
	return s.renderPartOf(w, r, "fault", name, v)
}

// renderPartOf writes one part of a page alone.
func (s *Server) renderPartOf(w http.ResponseWriter, r *http.Request, page, name string, v view) error {
	var b bytes.Buffer
	if err := s.pages[page].ExecuteTemplate(&b, name, s.newPage(r, v)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser went away
	return nil
}
