package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
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
		if err := s.bus.Ready(ctx); err != nil {
			return fmt.Errorf("not ready: %w", err)
		}
		return c.String(http.StatusOK, "ok")
	})
	// Not by huma, which encodes the document on the first request, unguarded against a second one.
	describe(s.api.OpenAPI())
	document, err := json.Marshal(s.api.OpenAPI())
	s.echo.GET("/openapi.json", func(c echo.Context) error {
		if err != nil {
			return fmt.Errorf("encoding the OpenAPI document: %w", err)
		}
		return c.Blob(http.StatusOK, "application/openapi+json", document)
	})
	s.docsRoute()
}
