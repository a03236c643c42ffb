// Package dashboard is the pages by which people operate Jethook in a browser, on the admin listener beside the API.
//
// It has no logic of its own: a page shows what [admin.Server] answers to the same question, and a change is one of the API's
// operations, called in Go and not over HTTP. The server renders everything with html/template; the pages work without
// JavaScript, and htmx with idiomorph keeps them live. Nothing is loaded from elsewhere, and the Content-Security-Policy
// allows no inline script or style.
//
// Package frame says how a page is made; each package of pages holds one kind, with its templates. Package session knows who a
// browser is.
package dashboard

import (
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/consume/daily"
	"jethook/consume/dashboard/audit"
	"jethook/consume/dashboard/deliveries"
	"jethook/consume/dashboard/endpoints"
	"jethook/consume/dashboard/events"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/dashboard/overview"
	"jethook/consume/dashboard/recent"
	"jethook/consume/dashboard/sources"
	"jethook/consume/dashboard/trouble"
	"jethook/consume/registry"
	"jethook/consume/rejected"
	"jethook/consume/status"
	"jethook/publish"
)

// Options are what a Server works with.
type Options struct {
	Config   *config.Config
	Bus      *publish.Bus
	Registry *registry.Registry // nil in a process that keeps none
	API      *admin.Server      // does whatever the pages show or change
	Token    config.Secret      // the admin token
	Version  string
	Log      *slog.Logger
	// Explain says why a rejected request does not verify; nil in a process that receives none.
	Explain sources.Explainer
}

// Server is the dashboard. Make it with New, mount it on the API, and let Run carry out what takes long.
type Server struct {
	frame *frame.Frame
	days  *daily.Counter
	warm  func(context.Context)
	log   *slog.Logger
}

// New returns the dashboard over what o names.
func New(o Options) *Server {
	f := frame.New(frame.Options{
		Config: o.Config, API: o.API, Token: o.Token, Version: o.Version, Log: o.Log, Spent: o.Bus.Buckets().Requests,
	})
	s := &Server{frame: f, days: daily.New(o.Bus), log: o.Log}
	known := names.New(o.Registry, len(o.Config.RetrySchedule)+1)
	wrong := trouble.New(f, known.DisabledSince)
	newest := recent.New(o.API.Events)
	s.warm = overview.Add(f, o.API, status.NewTrends(o.Bus), wrong)
	sources.Add(f, sources.Options{API: o.API, Rejected: rejected.New(o.Bus), Explain: o.Explain, PublicURL: o.Config.PublicURL})
	events.Add(f, o.API, known, newest)
	endpoints.Add(f, &endpoints.Options{
		API: o.API, Names: known, Recent: newest, Trouble: wrong, Days: s.days, Schedule: o.Config.RetrySchedule, Timeout: o.Config.DeliveryTimeout,
	})
	deliveries.Add(f, o.API, known)
	audit.Add(f, o.API.Audit, known)
	return s
}

// Around puts the dashboard around the API: requests for its pages are its own, when they come from a browser, and all others
// go on to the API, as if there were no dashboard. It is for [admin.Server.Mount].
func (s *Server) Around(api http.Handler) http.Handler { return s.frame.Around(api) }

// SetTokens replaces the tokens of the logins. Who is logged in by another one must log in again.
func (s *Server) SetTokens(write, read config.Secret) { s.frame.SetTokens(write, read) }

// Run carries out the jobs that pages start, and counts what pages show of the past, until ctx ends; then it cuts the jobs off and
// returns nil.
func (s *Server) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { s.warm(ctx); return nil })
	g.Go(func() error {
		s.days.Run(ctx, func(err error) { s.log.Debug("counting the endpoints' last day failed", "error", err) })
		return nil
	})
	g.Go(func() error { return s.frame.Run(ctx) })
	return g.Wait()
}
