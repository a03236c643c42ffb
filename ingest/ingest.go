// Package ingest is the public HTTP endpoint: it takes webhooks at POST /webhooks/{source}, verifies each with
// its source's sender, stores it, and answers once it is stored.
//
// What does not verify is never stored, and there is no source without a verifier. A fault on this side is
// always a 5xx with Retry-After, since some senders give up for good on a 4xx. Everything a request can make
// this process hold is bounded: header and body, inflated or not, and all bodies together.
package ingest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"jethook/config"
	"jethook/config/listener"
	"jethook/ingest/address"
	"jethook/ingest/body"
	"jethook/ingest/fetch"
	"jethook/ingest/gate"
	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/ingest/streak"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
	"jethook/publish/trace"
)

// Publisher stores events; *publish.Bus is one.
type Publisher interface {
	// Publish returns once e is stored, or with an error that errors.Is tells to be failure.ErrUnavailable,
	// failure.ErrFull, failure.ErrBusy or failure.ErrTooLarge. A duplicate is a success.
	Publish(ctx context.Context, e *event.Event) (groupcommit.Receipt, error)
	// PublishAll does so for all events of one request, which are stored together.
	PublishAll(ctx context.Context, events []*event.Event) error
}

// Options are what a Server works with.
type Options struct {
	Sources   []config.Source
	Publisher Publisher
	MaxBody   int64          // largest body in bytes, as sent and after decompression, of a source that has no limit of its own
	Room      int64          // largest body in bytes that can be stored; 0: of any size
	Proxies   []netip.Prefix // whose word on a sender's address is believed
	Log       *slog.Logger
	TLS       *tls.Config      // of the listener; nil: none
	Rejecter  Rejecter         // keeps what does not verify; nil: nobody
	Learner   Learner          // keeps secrets that senders hand over; nil: none are taken
	Web       *http.Client     // for senders' keys and confirmations; default: one with a timeout
	Now       func() time.Time // default time.Now

	Ready   func(context.Context) error // whether events can be stored; nil: always
	Leaving func() bool                 // whether the process is about to stop; nil: never
	Tracer  *trace.Tracer               // nil: requests are not traced

	DedupWindow time.Duration // for how long Publisher remembers ids; zero: longer than any source needs
}

// repeatsBurst is how many duplicates of one source are logged at once, and then one a second: a person's redelivery is
// seen, and a sender's storm is not.
const repeatsBurst = 10

// Server is the public endpoint.
type Server struct {
	sources map[string]*reception
	bus     Publisher
	memory  *body.Budget // of bodies
	log     *slog.Logger
	now     func() time.Time
	echo    *echo.Echo
	tls     *tls.Config
	tracer  *trace.Tracer

	addresses address.Proxies

	rejecter      Rejecter
	rejectedBytes *rate.Limiter // of bodies that are kept
	learner       Learner
	web           *http.Client

	ready   readiness
	leaving func() bool

	failures streak.Streak // of the store
	unknown  streak.Strays // for sources that do not exist
}

// New returns a Server for the sources. It fails with [config.Problems], which holds everything that is wrong
// with any of them.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Web == nil {
		o.Web = fetch.NewClient()
	}
	sources, err := newReceptions(o.Sources, func() provider.KeySource { return fetch.New(o.Web, o.Now) })
	if err != nil {
		return nil, err
	}
	if err := limitBodies(sources, o.MaxBody, o.Room); err != nil {
		return nil, err
	}
	s := &Server{
		sources: sources,
		bus:     o.Publisher,
		memory:  body.NewBudget(largestBody(sources)),
		log:     o.Log,
		now:     o.Now,
		echo:    echo.New(),
		tls:     o.TLS,
		tracer:  o.Tracer,

		addresses: address.Proxies(o.Proxies),

		rejecter:      o.Rejecter,
		rejectedBytes: newRejectedBytes(largestBody(sources)),
		learner:       o.Learner,
		ready:         readiness{ask: o.Ready},
		leaving:       o.Leaving,
		web:           o.Web,
	}
	shareRejected(sources)
	for _, src := range sources {
		src.Dedup.Within(o.DedupWindow)
	}
	s.echo.HTTPErrorHandler = s.fail
	s.echo.IPExtractor = func(r *http.Request) string { return address.Text(s.addresses.Sender(r)) }
	s.echo.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{
		DisableStackAll: true,
		LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
			s.log.Error("handler panicked", "error", err, "stack", string(stack))
			return err
		},
	}))
	for _, path := range []string{"/webhooks/:source", "/webhooks/:source/"} {
		s.echo.Any(path, s.receive) // handshakes come with other methods
	}
	s.echo.Use(s.sayGoodbye)
	s.probes()
	s.warnUnbound()
	s.warnSmall()
	return s, nil
}

// warnUnbound tells of sources that can take no event yet.
func (s *Server) warnUnbound() {
	for name, src := range s.sources {
		if src.Secretless() {
			s.log.Warn("source has no secret: answering handshakes, refusing events; set "+source.Variable(name, "SECRET"), "source", name)
		}
	}
}

// warnSmall tells of sources whose senders may send more than is taken.
func (s *Server) warnSmall() {
	for name, src := range s.sources {
		if src.MaxBody < src.Sender.LargestBody {
			s.log.Warn("the sender may send bodies above the source's limit, which are refused; raise "+source.Variable(name, "MAX_BODY"),
				"source", name, "sends_up_to_bytes", src.Sender.LargestBody, "max_body_bytes", src.MaxBody)
		}
	}
}

// Handler is the endpoint without a listener.
func (s *Server) Handler() http.Handler { return s.echo }

const (
	// A header comes in one piece; who takes longer is holding a connection open on purpose.
	readHeaderTimeout = 5 * time.Second
	// It runs from the end of the header, so it holds the body's time, the store's, and some for the answer.
	writeTimeout = body.Timeout + 3*groupcommit.Timeout + 10*time.Second
	// Longer than load balancers keep an idle connection, commonly 60 s: the side that sends must be the one
	// to close, or a request meets a connection that is just being closed.
	idleTimeout = 2 * time.Minute
	// Senders need about 2 KiB. A store takes the header with the event, so it must stay well below
	// the room that a stored event has beside its body.
	maxHeaderBytes = 32 << 10
	// drainTimeout is how long a stop waits for requests in flight. Storing ends within publish.Timeout; what
	// takes longer is a sender that is slow to send.
	drainTimeout = 20 * time.Second
)

// Serve answers requests on l until ctx ends, on half as many connections as the process may open files, at most 4,096,
// and from one address on a fourth of them. Then it takes no more connections, finishes the requests in
// flight, at most for 20 s, and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	g := gate.New(l, gate.Limit(), s.addresses, s.log, s.now)
	server := &http.Server{
		ConnState:         g.Follow,
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       body.Timeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		TLSConfig:         s.tls,
	}
	if err := listener.Serve(ctx, server, g, drainTimeout, s.log); err != nil {
		return fmt.Errorf("serving webhooks: %w", err)
	}
	return nil
}
