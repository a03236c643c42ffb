package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"jethook/consume/admin/openapi"
)

// readyTimeout is how long the store may take to say that it is ready: an orchestrator asks again soon.
const readyTimeout = 3 * time.Second

// openRoutes adds what needs no token. It comes after all operations, which the document lists.
func (s *Server) openRoutes() {
	probe := []string{http.MethodGet, http.MethodHead}
	s.echo.Match(probe, "/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	s.echo.Match(probe, "/readyz", func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
		defer cancel()
		if err := s.ready(ctx); err != nil {
			return fmt.Errorf("not ready: %w", err)
		}
		return c.String(http.StatusOK, "ok"+s.unread()+s.warned())
	})
	// Not by huma, which encodes the document on the first request, unguarded against a second one. Nor at the start, where
	// deliveries would wait for it.
	openapi.Describe(s.api.OpenAPI())
	encode := sync.OnceValues(func() ([]byte, error) { return json.Marshal(s.api.OpenAPI()) })
	s.echo.GET("/openapi.json", func(c echo.Context) error {
		document, err := encode()
		if err != nil {
			return fmt.Errorf("encoding the OpenAPI document: %w", err)
		}
		return c.Blob(http.StatusOK, "application/openapi+json", document)
	})
	s.docsRoute()
}

// docsRoute serves the document as a page for people. It is made when it is first asked for, and once, since the document never
// changes.
func (s *Server) docsRoute() {
	var policy string
	write := sync.OnceValues(func() (page []byte, err error) {
		page, policy, err = openapi.Page(s.api.OpenAPI())
		return page, err
	})
	s.echo.GET("/docs", func(c echo.Context) error {
		page, err := write()
		if err != nil {
			return err
		}
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		return c.HTMLBlob(http.StatusOK, page)
	})
}

func (s *Server) warned() string {
	if s.warning == nil || s.warning() == "" {
		return ""
	}
	return "; " + s.warning()
}

// unread says how many stored records can't be read, which /api/v1/status names. The process is ready all the same:
// who writes a bad record must not take it out of service.
func (s *Server) unread() string {
	_, n := s.bus.Sources().Unreadable()
	if s.registry != nil {
		_, more := s.registry.Unreadable()
		n += more
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d stored records can't be read, see jethook status", n)
}
