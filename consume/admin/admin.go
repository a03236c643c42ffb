// Package admin is the HTTP API with which operators and services run Jethook: endpoints, events, deliveries,
// dead letters and sources, described by the OpenAPI document at /openapi.json, and for people at /docs.
//
// Everything but those two, the health checks and /metrics needs the bearer token. Browsers can't be made to send
// it, so no page elsewhere can act in an operator's name, and no answer carries CORS headers. Whatever goes
// wrong has one JSON form, [operation.Failure]. The operations are in the rooms below, one for each kind of thing that they
// are on; this package puts them together, lets requests in, and serves what needs no token.
package admin

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"jethook/config"
	"jethook/config/listener"
	"jethook/consume/admin/access"
	"jethook/consume/admin/auditing"
	"jethook/consume/admin/deliveries"
	"jethook/consume/admin/endpoints"
	"jethook/consume/admin/events"
	"jethook/consume/admin/openapi"
	"jethook/consume/admin/operation"
	"jethook/consume/admin/recoveries"
	"jethook/consume/admin/sources"
	"jethook/consume/admin/trials"
	"jethook/consume/archive"
	deliverystore "jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/consume/rejected"
	"jethook/consume/status"
	"jethook/publish"
	"jethook/publish/trace"
)

// Options are what a Server works with.
type Options struct {
	Config   *config.Config
	Bus      *publish.Bus
	Registry *registry.Registry // nil in a process that keeps none: it has no endpoint routes then
	Token    config.Secret      // what a request must bear; a zero one lets nobody in
	TLS      *tls.Config        // of the listener; nil: none
	Version  string
	Log      *slog.Logger
	// Senders says by source how its requests are verified; a source of an unknown sender has no entry.
	Senders map[string]sources.Verification
	// Reverify verifies a rejected request again and stores its events; nil in a process that receives none.
	Reverify rejected.Reverifier
	// Sample makes a signed request that a source takes; false: its sender's can't be signed. It is nil in a process that receives none.
	Sample func(source string) (header http.Header, body []byte, ok bool)
	// Warning is what is wrong with the process although it is ready; empty: nothing. It may be nil.
	Warning func() string
	// Ready is why the process is not ready; nil: the bus alone decides.
	Ready func(context.Context) error
	// Metrics answers /metrics, without a token; nil: nothing does.
	Metrics http.Handler
	// Tracer traces the events that are sent; nil: nothing does.
	Tracer *trace.Tracer
}

// Server is the admin API. Its operations are also there for callers in the same process, such as the dashboard: with the
// same checks, the same answers and the same errors, which Explain puts into the API's words. A caller passes the access of
// whoever asks in the context, by [access.With]; what that one may not do is refused.
type Server struct {
	Endpoints  *endpoints.Operations
	Trials     *trials.Operations
	Recoveries *recoveries.Operations
	Events     *events.Operations
	Deliveries *deliveries.Operations
	Sources    *sources.Operations
	Audit      *auditing.Operations

	operations *operation.API
	bus        *publish.Bus
	registry   *registry.Registry
	board      *status.Board
	tokens     *access.Tokens
	tls        *tls.Config
	warning    func() string
	ready      func(context.Context) error
	log        *slog.Logger

	echo    *echo.Echo
	api     huma.API
	handler http.Handler // echo, and what is mounted around it

	strangers rate.Sometimes // logs refused tokens once in a while
}

// New returns the API over what o names.
func New(o Options) *Server {
	s := &Server{
		bus: o.Bus, registry: o.Registry, board: status.NewBoard(o.Bus, o.Registry, o.Config.Sources),
		tokens: access.NewTokens(o.Token, o.Config.AdminReadToken, o.Config.AdminTokensFile, o.Log), tls: o.TLS, warning: o.Warning, ready: o.Ready, log: o.Log,
		echo:      echo.New(),
		strangers: rate.Sometimes{First: 1, Interval: operation.LogPause},
	}
	if s.ready == nil {
		s.ready = o.Bus.Ready
	}
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(setHeaders, s.catchPanics(), s.authenticate, unescapeParams)
	s.api = newAPI(s.echo, o.Version)
	s.operations = operation.New(s.api, o.Bus, o.Registry, o.Log)
	s.openRooms(o)
	s.addRoutes()
	if o.Metrics != nil {
		s.echo.GET("/metrics", echo.WrapHandler(o.Metrics))
	}
	s.handler = s.echo
	return s
}

// openRooms makes the operations, and what several of them share.
func (s *Server) openRooms(o Options) {
	ledger := deliverystore.New(o.Bus, o.Registry)
	stored := archive.New(o.Bus, o.Registry, o.Config.SourceNames...)
	policy := endpoint.NewAddressPolicy(o.Config.AllowedNetworks)
	s.Endpoints = endpoints.New(s.operations, policy)
	s.Trials = trials.New(s.operations, trials.Options{Config: o.Config, Version: o.Version, Policy: policy, Archive: stored, Ledger: ledger})
	s.Recoveries = recoveries.New(s.operations)
	s.Events = events.New(s.operations, stored, ledger, o.Tracer)
	s.Deliveries = deliveries.New(s.operations, ledger)
	s.Sources = sources.New(s.operations, sources.Options{Config: o.Config, Senders: o.Senders, Reverify: o.Reverify, Sample: o.Sample})
	s.Audit = auditing.New(s.operations)
}

// addRoutes registers the operations, and last what describes them.
func (s *Server) addRoutes() {
	if s.registry != nil {
		s.Endpoints.Routes()
		s.Trials.Routes()
		s.Recoveries.Routes()
	}
	s.Events.Routes()
	s.Deliveries.Routes()
	s.Sources.Routes()
	s.statusRoutes()
	s.Audit.Routes()
	s.openRoutes()
}

// SetTokens replaces the tokens that variables set, from the next request on. A zero one lets nobody in.
func (s *Server) SetTokens(write, read config.Secret) { s.tokens.Set(write, read) }

// Identify returns who bears a token; nobody for a wrong one.
func (s *Server) Identify(token string) access.Actor { return s.tokens.Identify(token) }

// Named is [access.Tokens.Named].
func (s *Server) Named(name string) (who access.Actor, mark string) { return s.tokens.Named(name) }

// Mount puts a handler around the API's, such as that of pages for browsers on the same listener. It is called before
// Serve.
func (s *Server) Mount(around func(api http.Handler) http.Handler) { s.handler = around(s.echo) }

// newAPI prepares huma without what it would serve by itself: its pages load scripts from other hosts.
func newAPI(e *echo.Echo, version string) huma.API {
	operation.AdaptHuma()
	return humaecho.New(e, huma.Config{
		OpenAPI: &huma.OpenAPI{
			Info: &huma.Info{
				Title: "Jethook", Version: version,
				Description: "Endpoints, events, deliveries, dead letters and sources of a bridge between webhooks and NATS JetStream.",
			},
			Tags: openapi.Tags,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "JETHOOK_ADMIN_TOKEN"},
				},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		// A misspelt filter must not list everything.
		RejectUnknownQueryParameters: true,
	})
}

// Handler is the API, and what is mounted around it, without a listener.
func (s *Server) Handler() http.Handler { return s.handler }

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = operation.BodyTimeout + readHeaderTimeout
	// It runs from the end of the header and must leave the slowest request time to answer.
	writeTimeout   = operation.BulkTimeout + operation.BodyTimeout
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
	// drainTimeout is how long a stop waits for requests in flight.
	drainTimeout = operation.Timeout + 5*time.Second
)

// Serve answers requests on l until ctx ends. Then it takes no more connections, finishes the requests in
// flight, at most for 15 s, and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.Trials.Close()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		TLSConfig:         s.tls,
	}
	if err := listener.Serve(ctx, server, l, drainTimeout, s.log); err != nil {
		return fmt.Errorf("serving the admin API: %w", err)
	}
	return nil
}

// setHeaders makes answers safe to meet in a browser, and keeps them, which may hold a secret, out of caches.
func setHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		return next(c)
	}
}

func (s *Server) catchPanics() echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{
		DisableStackAll: true,
		LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
			s.log.Error("handler panicked", "error", err, "stack", string(stack))
			return err
		},
	})
}
