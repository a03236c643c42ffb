// Package admin is the HTTP API with which operators and services run Jethook: endpoints, events, deliveries,
// dead letters and sources, described by the OpenAPI document at /openapi.json, and for people at /docs.
//
// Everything but those two, the health checks and /metrics needs the bearer token. Browsers can't be made to send
// it, so no page elsewhere can act in an operator's name, and no answer carries CORS headers. Whatever goes
// wrong has one JSON form, [Failure].
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
	"jethook/consume"
	"jethook/consume/admin/access"
	"jethook/consume/admin/openapi"
	"jethook/consume/archive"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/recovery"
	"jethook/consume/rejected"
	"jethook/consume/status"
	"jethook/publish"
	"jethook/publish/trace"
)

// Options are what a Server works with.
type Options struct {
	Config   *config.Config
	Bus      *publish.Bus
	Registry *endpoint.Registry // nil in a process that keeps none: it has no endpoint routes then
	Token    config.Secret      // what a request must bear; a zero one lets nobody in
	TLS      *tls.Config        // of the listener; nil: none
	Version  string
	Log      *slog.Logger
	// Senders says by source how its requests are verified; a source of an unknown sender has no entry.
	Senders map[string]Verification
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

// Server is the admin API.
type Server struct {
	cfg        *config.Config
	bus        *publish.Bus
	registry   *endpoint.Registry
	policy     *endpoint.AddressPolicy
	ledger     *deliveries.Store
	rejected   *rejected.Store
	archive    *archive.Archive
	recoveries *recovery.Recoveries
	switches   *consume.Switch
	board      *status.Board
	client     *attempt.Client // of tests and previews
	trials     chan struct{}   // has one entry for each test under way
	tokens     *access.Tokens
	tls        *tls.Config
	warning    func() string
	ready      func(context.Context) error
	log        *slog.Logger
	senders    map[string]Verification
	tracer     *trace.Tracer
	reverify   rejected.Reverifier
	sample     func(string) (http.Header, []byte, bool)

	echo    *echo.Echo
	api     huma.API
	handler http.Handler // echo, and what is mounted around it

	strangers rate.Sometimes // logs refused tokens once in a while
	faults    rate.Sometimes // logs a store that stays away once in a while
}

// logPause is how often a fault that repeats is logged.
const logPause = 5 * time.Second

// New returns the API over what o names.
func New(o Options) *Server {
	s := &Server{
		cfg: o.Config, bus: o.Bus, registry: o.Registry, ledger: deliveries.New(o.Bus, o.Registry), rejected: rejected.New(o.Bus),
		recoveries: recovery.New(o.Bus), switches: consume.NewSwitch(o.Bus, o.Log),
		archive: archive.New(o.Bus, o.Registry, o.Config.SourceNames...),
		policy:  endpoint.NewAddressPolicy(o.Config.AllowedNetworks),
		client:  consume.NewClient(o.Config, o.Version), trials: make(chan struct{}, maxTrials),
		tokens: access.NewTokens(o.Token, o.Config.AdminReadToken, o.Config.AdminTokensFile, o.Log), tls: o.TLS, warning: o.Warning, log: o.Log, senders: o.Senders, tracer: o.Tracer, reverify: o.Reverify, sample: o.Sample, echo: echo.New(),
		strangers: rate.Sometimes{First: 1, Interval: logPause},
		faults:    rate.Sometimes{First: 1, Interval: logPause},
	}
	if s.ready = o.Ready; s.ready == nil {
		s.ready = o.Bus.Ready
	}
	s.board = status.NewBoard(o.Bus, o.Registry, o.Config.Sources)
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(setHeaders, s.catchPanics(), s.authenticate, unescapeParams)
	s.api = newAPI(s.echo, o.Version)
	if s.registry != nil {
		s.endpointRoutes()
		s.matchRoutes()
		s.trialRoutes()
		s.previewRoutes()
		s.recoveryRoutes()
		s.resendRoutes()
	}
	s.eventRoutes()
	s.archiveRoutes()
	s.deliveryRoutes()
	s.attemptRoutes()
	s.deadRoutes()
	s.sourceRoutes()
	s.rejectedRoutes()
	s.pairingRoutes()
	s.sourceSampleRoutes()
	s.statusRoutes()
	s.auditRoutes()
	s.openRoutes()
	if o.Metrics != nil {
		s.echo.GET("/metrics", echo.WrapHandler(o.Metrics))
	}
	s.handler = s.echo
	return s
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
	adaptHuma()
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

const (
	// requestTimeout bounds what a request waits for the store.
	requestTimeout = 10 * time.Second
	// bulkTimeout is for requests over many messages: dead letters in bulk, which bound themselves to seconds, and
	// the count of what there is to recover.
	bulkTimeout = 2 * time.Minute
	// bodyTimeout is how long a body may take to arrive.
	bodyTimeout = 30 * time.Second
	// maxBody bounds, in bytes, every body but that of an event.
	maxBody = 1 << 20
)

// register adds an operation: its place in the OpenAPI document, its limits, and the form of its errors.
func register[I, O any](s *Server, op huma.Operation, timeout time.Duration, handle func(context.Context, *I) (*O, error)) {
	op.BodyReadTimeout = bodyTimeout
	// huma refuses a body of exactly this many bytes.
	op.MaxBodyBytes = max(op.MaxBodyBytes, maxBody) + 1
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	if op.Method != http.MethodGet { // for the token that only reads
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
	if op.Method == http.MethodPost || op.Method == http.MethodPatch {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		out, err := perform(ctx, s, op.OperationID, in, handle)
		if err != nil {
			return nil, s.failure(err)
		}
		return out, nil
	})
}

// Handler is the API, and what is mounted around it, without a listener.
func (s *Server) Handler() http.Handler { return s.handler }

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = bodyTimeout + readHeaderTimeout
	// It runs from the end of the header and must leave the slowest request time to answer.
	writeTimeout   = bulkTimeout + bodyTimeout
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
	// drainTimeout is how long a stop waits for requests in flight.
	drainTimeout = requestTimeout + 5*time.Second
)

// Serve answers requests on l until ctx ends. Then it takes no more connections, finishes the requests in
// flight, at most for 15 s, and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.client.Close()
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
