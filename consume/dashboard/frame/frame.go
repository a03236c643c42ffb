// Package frame is what all pages of the dashboard stand in: it lets browsers in, renders templates within the layout, asks back
// before large changes, carries out what takes long, and puts errors into words. It knows nothing of what the pages are about.
//
// # How a page is made
//
// A package of pages embeds its templates, gives them to [Frame.Templates], and registers its routes:
//
//	f.Page("GET /deliveries", s.deliveries)                // who is logged in
//	f.PageFor(access.Write)("GET /send", s.sendForm)  // who may change things, where a page shows what others must not see
//	f.Operate("POST /deliveries/retry", s.retry)           // operators and admins, with the token against cross-site requests; f.Change: admins
//
// A handler has the form func(w, r) error. It ends with f.Render(w, r, name, View{...}), or after a change with f.SeeOther(w, r,
// path, flash). An error becomes a page, by the API's own words: see failure.go. What a request may see of endpoints follows from
// the context of the request, so pass r.Context() on to the API.
//
// What is chosen in a list stands in the address, by the names of the API's query parameters: a [Filter] of fields, read by
// [FilterOf]; what is wrong with it is told at its fields by [Filter.Blame]. A list page shows {{template "filters"}}, a table of
// class "rows" (cells: n for numbers, t for times, s for states, w for what takes a line of its own on a phone, c for a
// checkbox; data-l names a value there), and {{template "pager"}}. A change of many things is a form around the table: it posts
// the chosen ids, or the filter, which [Chosen] reads, to a handler that asks back with [Frame.Confirm] and then begins a [Job] by
// [Frame.Start], whose progress every page shows.
//
// In templates, {{path "/x"}} makes an address below the base path, {{ago .}} a time, {{bytes .}} a size, and {{text .}} any text
// from outside, with what could deceive made visible. Whatever came from outside must pass through one of them or stand as plain
// {{.}} in an element: never in an attribute that is an address, unless path made it.
//
// An element with data-live is asked for again, every few seconds, and morphed into what comes; the page's main is one. While
// something is selected or typed there, or the tab is hidden or scrolled down, it rests.
package frame

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/consume/admin/access"
	"jethook/consume/admin/operation"
	"jethook/consume/dashboard/assets"
	"jethook/consume/dashboard/session"
)

// API is what the frame asks of the admin API.
type API interface {
	// Identify says whose token it is; nobody's has no access.
	Identify(token string) access.Actor
	// Named says who has a named token now, with a mark that changes when the token does.
	Named(name string) (who access.Actor, mark string)
	// Explain puts an error into the API's words.
	Explain(err error) *operation.Failure
}

// Options are what a Frame works with.
type Options struct {
	Config  *config.Config
	API     API
	Token   config.Secret // the admin token
	Version string
	Log     *slog.Logger
	// Spent opens the bucket in which all processes note the login links that were used.
	Spent func(context.Context) (jetstream.KeyValue, error)
}

// Frame is made by New, and filled with pages before it serves.
type Frame struct {
	Log *slog.Logger

	cfg     *config.Config
	api     API
	spent   func(context.Context) (jetstream.KeyValue, error)
	version string

	base      string // path before every address; empty, or without a slash at its end
	mux       *http.ServeMux
	templates templates
	assets    assets.Files
	sessions  *session.Keeper
	slow      *session.Slowdown
	jobs      *jobs
}

// New returns a frame with the login and no other page.
func New(o Options) *Frame {
	base := string(o.Config.AdminBasePath)
	f := &Frame{
		Log: o.Log, cfg: o.Config, api: o.API, spent: o.Spent, version: o.Version, base: base, mux: http.NewServeMux(), assets: assets.Load(),
		sessions: session.NewKeeper(base, o.Token, o.Config.AdminReadToken, o.API.Named), slow: session.NewSlowdown(), jobs: newJobs(o.Log),
	}
	f.parseTemplates()
	f.loginRoutes()
	f.jobRoutes()
	f.mux.Handle("GET /assets/{name...}", f.assets)
	return f
}

// SetTokens replaces the tokens of the logins. Who is logged in by another one must log in again.
func (f *Frame) SetTokens(write, read config.Secret) { f.sessions.SetTokens(write, read) }

// Run carries out the jobs that pages start, until ctx ends; then it cuts them off and returns nil.
func (f *Frame) Run(ctx context.Context) error { return f.jobs.run(ctx) }

// Now is the time, as pages tell it.
func (f *Frame) Now() time.Time { return time.Now() }

// Handler answers a request for a page. An error becomes a page.
type Handler = func(http.ResponseWriter, *http.Request) error

// Page registers a page for everyone who is logged in.
func (f *Frame) Page(pattern string, handle Handler) {
	f.mux.Handle(pattern, f.answered(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodPost { // the token against cross-site requests protects what only reads, too
			if err := f.sessions.CheckForm(w, r); err != nil {
				return err
			}
		}
		return handle(w, r)
	}))
}

// PageFor registers pages that show what only who has that access is to see.
func (f *Frame) PageFor(needed access.Level) func(string, Handler) {
	return func(pattern string, handle Handler) {
		f.Page(pattern, func(w http.ResponseWriter, r *http.Request) error {
			if who := session.Of(r); !who.May(needed) {
				return who.Refusal()
			}
			return handle(w, r)
		})
	}
}

// Change registers what changes something: it needs the login of an admin, and a form that a page of this session holds.
func (f *Frame) Change(pattern string, handle Handler) { f.changeBy(access.Write, pattern, handle) }

// Operate registers what an operator may change, too.
func (f *Frame) Operate(pattern string, handle Handler) {
	f.changeBy(access.Operate, pattern, handle)
}

func (f *Frame) changeBy(needed access.Level, pattern string, handle Handler) {
	f.mux.Handle(pattern, f.answered(func(w http.ResponseWriter, r *http.Request) error {
		if who := session.Of(r); !who.May(needed) {
			return who.Refusal()
		}
		if err := f.sessions.CheckForm(w, r); err != nil {
			return err
		}
		return handle(w, r)
	}))
}

// answered answers the error of a handler with a page.
func (f *Frame) answered(handle Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			f.fail(w, r, err)
		}
	})
}
