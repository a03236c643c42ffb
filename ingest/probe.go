package ingest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	// readyTimeout is how long the store may take to say that it is ready: an orchestrator asks again soon.
	readyTimeout = 3 * time.Second
	// readyFor is for how long the answer is given again: anyone may ask.
	readyFor = time.Second
)

// readiness remembers for a moment whether the process is ready.
type readiness struct {
	ask func(context.Context) error // nil: it always is

	mu    sync.Mutex // guards what follows, and lets one caller ask at a time
	asked time.Time
	err   error
}

func (r *readiness) now(ctx context.Context) error {
	if r.ask == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) >= readyFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout) // the answer is for others too
		defer cancel()
		r.err = r.ask(ctx)
		r.asked = time.Now()
	}
	return r.err
}

// probes adds what orchestrators and load balancers ask. Strangers may ask too, so the answer is a word.
func (s *Server) probes() {
	methods := []string{http.MethodGet, http.MethodHead}
	s.echo.Match(methods, "/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	s.echo.Match(methods, "/readyz", func(c echo.Context) error {
		if s.isLeaving() || s.ready.now(c.Request().Context()) != nil {
			return c.String(http.StatusServiceUnavailable, "unavailable")
		}
		return c.String(http.StatusOK, "ok")
	})
}

func (s *Server) isLeaving() bool { return s.leaving != nil && s.leaving() }

// sayGoodbye has clients close their connections, each with its next answer, before the process stops. So no request meets
// one that is just being closed.
func (s *Server) sayGoodbye(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if s.isLeaving() {
			c.Response().Header().Set("Connection", "close")
		}
		return next(c)
	}
}
