package frame

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"jethook/consume/admin/access"
	"jethook/consume/dashboard/chart"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/session"
)

//go:embed *.html
var templateFiles embed.FS

// templates are the pages by name, each with the layout and the shared parts.
type templates struct {
	shared *template.Template
	pages  map[string]*template.Template
}

// parseTemplates parses layout.html and parts.html, which are for all, and the frame's own pages.
func (f *Frame) parseTemplates() {
	shared := template.Must(template.New("layout").Funcs(f.funcs()).ParseFS(templateFiles, "layout.html", "parts.html"))
	f.templates = templates{shared, make(map[string]*template.Template)}
	f.Templates(templateFiles)
}

// Templates adds the pages of a package: NAME.html defines "main" of the page NAME. It panics if one can't be parsed.
func (f *Frame) Templates(files fs.ReadDirFS) {
	all, err := files.ReadDir(".")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, file := range all {
		name := strings.TrimSuffix(file.Name(), path.Ext(file.Name()))
		if name == "layout" || name == "parts" {
			continue
		}
		own := template.Must(f.templates.shared.Clone())
		f.templates.pages[name] = template.Must(own.ParseFS(files, file.Name()))
	}
}

// funcs are what templates can call beside Go's own.
func (f *Frame) funcs() template.FuncMap {
	return template.FuncMap{
		"path":    f.Path,
		"asset":   func(name string) string { return f.base + f.assets.Path(name) },
		"ago":     func(t any) template.HTML { return format.Time(t, f.Now()) },
		"clock":   format.Clock,
		"bytes":   format.Bytes,
		"count":   format.Count,
		"text":    format.Visible,
		"short":   format.Short,
		"ms":      format.Milliseconds,
		"percent": format.Share,
		"slack":   func(a, b int) int { return a - b },
		"plural":  format.Plural,
		"chart":   chart.Draw,
		"list":    func(v ...any) []any { return v },
	}
}

// Path returns the address of a page: parts that come from outside are escaped, and follow after a path of the program's own.
func (f *Frame) Path(fixed string, parts ...string) template.URL {
	return template.URL(f.base + format.Path(fixed, parts...))
}

// ListPath is the address of a list with a filter, by names and values.
func (f *Frame) ListPath(list string, filter ...string) template.URL {
	v := url.Values{}
	for i := 0; i+1 < len(filter); i += 2 {
		v.Set(filter[i], filter[i+1])
	}
	return f.Path(list) + template.URL("?"+v.Encode())
}

// View is what a handler gives a page to show.
type View struct {
	Title  string // of the browser's tab, and the page's first heading unless it has another
	Nav    string // which item of the navigation it belongs to: its path
	Status int    // 0: 200
	Live   bool   // it is asked for again every few seconds
	Data   any
}

// page is all that a template sees.
type page struct {
	View

	Base    string
	Address string // of this page, below the base path
	Session *session.Session
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
func (p *page) MayWrite() bool   { return p.Session.May(access.Write) }
func (p *page) MayOperate() bool { return p.Session.May(access.Operate) }

// Actor is the name of the token that the session began with.
func (p *page) Actor() string { return p.Session.Actor().Name }

// Render writes a page: whole, or only its main when a live page asks for that.
func (f *Frame) Render(w http.ResponseWriter, r *http.Request, name string, v View) error {
	p := f.newPage(r, v)
	part := "layout.html"
	if r.Header.Get("HX-Request") != "" && r.Header.Get("HX-Target") == "main" {
		part = "content"
	} else {
		p.Flash = f.takeFlash(w, r)
	}
	var b bytes.Buffer // so that a fault is not half a page
	if err := f.templates.pages[name].ExecuteTemplate(&b, part, p); err != nil {
		return fmt.Errorf("writing page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(max(v.Status, http.StatusOK))
	_, _ = w.Write(b.Bytes()) // the browser went away
	return nil
}

func (f *Frame) newPage(r *http.Request, v View) *page {
	who := session.Of(r)
	p := &page{
		View: v, Base: f.base, Address: r.URL.RequestURI(), Session: who, CSRF: f.sessions.FormToken(who), Now: f.Now(), Version: f.version,
	}
	if who.Present() {
		p.Jobs = f.jobs.shown(f.Now())
	}
	for _, item := range navigation {
		item.Here = item.Path == v.Nav
		p.Items = append(p.Items, item)
	}
	return p
}

// A flash is one sentence that the next page shows: what became of a change.

const flashCookie = "jethook_flash"

// SeeOther ends a change: the browser goes on to a page, which shows the flash once.
func (f *Frame) SeeOther(w http.ResponseWriter, r *http.Request, to, flash string) error {
	if flash != "" {
		f.sessions.SetCookie(w, r, flashCookie, base64.RawURLEncoding.EncodeToString([]byte(flash)), 60)
	}
	http.Redirect(w, r, f.base+to, http.StatusSeeOther)
	return nil
}

func (f *Frame) takeFlash(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(flashCookie)
	if err != nil {
		return ""
	}
	f.sessions.SetCookie(w, r, flashCookie, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || !session.Of(r).Present() {
		return ""
	}
	return string(text)
}

// RenderPart writes one part of a page alone.
func (f *Frame) RenderPart(w http.ResponseWriter, r *http.Request, page, name string, v View) error {
	var b bytes.Buffer
	if err := f.templates.pages[page].ExecuteTemplate(&b, name, f.newPage(r, v)); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser went away
	return nil
}
