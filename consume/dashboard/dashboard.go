// Package dashboard is the pages by which people operate Jethook in a browser, on the admin listener beside the API.
//
// It has no logic of its own: a page shows what [admin.Server] answers to the same question, and a change is one of the API's
// operations, called in Go and not over HTTP. The server renders everything with html/template; the pages work without
// JavaScript, and htmx with idiomorph keeps them live. Nothing is loaded from elsewhere, and the Content-Security-Policy
// allows no inline script or style.
//
// # How a page is made
//
// A page is one Go file and one template of the same name: deliveries.go and templates/deliveries.html, which defines
// "main". Its routes are registered by one line in [Server.routes]:
//
//	s.page("GET /deliveries", s.deliveries)       // who is logged in
//	s.pageFor(admin.AccessWrite)("GET /send", s.sendForm) // who may change things, where a page shows what others must not see
//	s.operate("POST /deliveries/retry", s.retry)  // operators and admins, with the token against cross-site requests; s.change: admins
//
// A handler has the form func(w, r) error. It ends with s.render(w, r, name, view{...}), or after a change with s.seeOther(w, r, path,
// flash). An error becomes a page, by the API's own words: see failure.go. What a request may see of endpoints follows from the
// context of the request, so pass r.Context() on to the API.
//
// What is chosen in a list stands in the address, by the names of the API's query parameters: a [filter] of fields, read by
// filterOf; what is wrong with it is told at its fields by filter.blame. A list page shows {{template "filters"}}, a table of
// class "rows" (cells: n for numbers, t for times, s for states, w for what takes a line of its own on a phone, c for a
// checkbox; data-l names a value there), and {{template "pager"}}. A change of many things is a form around the table: it posts
// the chosen ids, or the filter, which bulkChoice reads, to a handler that asks back with s.confirm and then begins a [job] by
// s.start, whose progress every page shows.
//
// In templates, {{path "/x"}} makes an address below the base path, {{ago .}} a time, {{bytes .}} a size, and {{text .}} any text
// from outside, with what could deceive made visible. Whatever came from outside must pass through one of them or stand as plain
// {{.}} in an element: never in an attribute that is an address, unless path made it.
//
// An element with data-live is asked for again, every few seconds, and morphed into what comes; the page's main is one. While
// something is selected or typed there, or the tab is hidden or scrolled down, it rests.
package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/status"
	"jethook/publish"
)

// Options are what a Server works with.
type Options struct {
	Config   *config.Config
	Bus      *publish.Bus
	Registry *endpoint.Registry // nil in a process that keeps none
	API      *admin.Server      // does whatever the pages show or change
	Token    config.Secret      // the admin token
	Version  string
	Log      *slog.Logger
	// Explain says why a rejected request does not verify; nil in a process that receives none.
	Explain Explainer
}

// Server is the dashboard. Make it with New, mount it on the API, and let Run carry out what takes long.
type Server struct {
	cfg      *config.Config
	bus      *publish.Bus
	registry *endpoint.Registry
	api      *admin.Server
	ledger   *deliveries.Store
	trends   *status.Trends
	explain  Explainer
	version  string
	log      *slog.Logger
	now      func() time.Time

	base     string // path before every address; empty, or without a slash at its end
	mux      *http.ServeMux
	pages    pages
	assets   assets
	sessions *sessions
	slow     *slowdown
	jobs     *jobs
	seen     seen
	grouped  lastGroups
	days     *status.Days
}

// New returns the dashboard over what o names.
func New(o Options) *Server {
	s := &Server{
		cfg: o.Config, bus: o.Bus, registry: o.Registry, api: o.API, ledger: deliveries.New(o.Bus, o.Registry), version: o.Version, explain: o.Explain, trends: status.NewTrends(o.Bus), days: status.NewDays(o.Bus),
		log: o.Log, now: time.Now, base: string(o.Config.AdminBasePath), mux: http.NewServeMux(), assets: loadAssets(),
		sessions: newSessions(o.Token, o.Config.AdminReadToken, o.API.Named), slow: newSlowdown(), jobs: newJobs(o.Log),
	}
	s.pages = loadPages(s)
	s.routes()
	return s
}

// SetTokens replaces the tokens of the logins. Who is logged in by another one must log in again.
func (s *Server) SetTokens(write, read config.Secret) { s.sessions.setTokens(write, read) }

// Run carries out the jobs that pages start, until ctx ends; then it cuts them off and returns nil.
func (s *Server) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { s.warm(ctx); return nil })
	g.Go(func() error { s.countDays(ctx); return nil })
	g.Go(func() error { return s.jobs.run(ctx) })
	return g.Wait()
}

// routes registers every page.
func (s *Server) routes() {
	s.loginRoutes()
	s.assetRoutes()
	s.jobRoutes()
	s.overviewRoutes()
	s.sourceRoutes()
	s.deliveryRoutes()
	s.endpointRoutes()
	s.eventRoutes()
	s.deadRoutes()
	s.sendRoutes()
	s.auditRoutes()
}

// page registers a page for everyone who is logged in.
func (s *Server) page(pattern string, handle func(http.ResponseWriter, *http.Request) error) {
	s.mux.Handle(pattern, s.answered(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodPost { // the token against cross-site requests protects what only reads, too
			if err := s.checkForm(w, r); err != nil {
				return err
			}
		}
		return handle(w, r)
	}))
}

// change registers what changes something: it needs the login of an admin, and a form that a page of this session holds.
func (s *Server) change(pattern string, handle func(http.ResponseWriter, *http.Request) error) {
	s.changeBy(admin.AccessWrite, pattern, handle)
}

// operate registers what an operator may change, too.
func (s *Server) operate(pattern string, handle func(http.ResponseWriter, *http.Request) error) {
	s.changeBy(admin.AccessOperate, pattern, handle)
}

func (s *Server) changeBy(needed admin.Access, pattern string, handle func(http.ResponseWriter, *http.Request) error) {
	s.mux.Handle(pattern, s.answered(func(w http.ResponseWriter, r *http.Request) error {
		if !sessionOf(r).may(needed) {
			return sessionOf(r).refusal()
		}
		if err := s.checkForm(w, r); err != nil {
			return err
		}
		return handle(w, r)
	}))
}

// answered answers the error of a handler with a page.
func (s *Server) answered(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}
