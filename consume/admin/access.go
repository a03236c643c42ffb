package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"jethook/consume/admin/access"
	"jethook/consume/admin/operation"
)

// openPaths need no token: whoever asks for health has none, the metrics name no secret, and the document only says what the source code
// says too.
var openPaths = map[string]bool{"/metrics": true, "/healthz": true, "/readyz": true, "/openapi.json": true, "/docs": true}

// secretPaths answer with secrets, or with what is as good as one.
var secretPaths = map[string]bool{
	"/api/v1/endpoints/:id/secret": true, "/api/v1/sources/:name/secret": true, "/api/v1/endpoints/:id/preview": true,
	"/api/v1/sources/:name/sample": true,
}

// authenticate lets a request pass whose token is known. What it may do is held against its role by [operation.Perform]; a token that
// only reads is refused here already, before its request is read. Paths that don't exist are refused like others, so
// that a stranger learns nothing of them.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if openPaths[c.Path()] {
			return next(c)
		}
		r := c.Request()
		var who access.Actor
		if scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			who = s.Identify(given)
		}
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case who.Access == access.None:
			return operation.ErrUnauthorized
		case who.Access == access.Read && (!reads || secretPaths[c.Path()]):
			return operation.ErrReadOnly
		}
		c.SetRequest(r.WithContext(access.With(r.Context(), who.From(r))))
		return next(c)
	}
}

// Explain puts an error of an operation into the words of the API, and logs a fault on this side as the API does.
func (s *Server) Explain(err error) *operation.Failure { return s.operations.Failure(err) }

// fail answers a request that ended before or beside an operation: no such path, no token, a panic.
func (s *Server) fail(err error, c echo.Context) {
	f := s.Explain(err)
	if errors.Is(err, operation.ErrUnauthorized) {
		s.strangers.Do(func() {
			s.log.Warn("request without the admin token refused", "path", c.Request().URL.Path, "remote", c.Request().RemoteAddr)
		})
	}
	if c.Response().Committed {
		return
	}
	for name, values := range f.GetHeaders() {
		c.Response().Header()[name] = values
	}
	if err := c.JSON(f.GetStatus(), f); err != nil {
		s.log.Debug("sending a response failed", "error", err)
	}
}

// unescapeParams gives a handler the id that the client escaped: echo leaves a path's parameters as they came when one
// of them holds an escaped slash.
func unescapeParams(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath == "" {
			return next(c)
		}
		values := c.ParamValues()
		for i, value := range values {
			var err error
			if values[i], err = url.PathUnescape(value); err != nil {
				return echo.ErrNotFound
			}
		}
		return next(c)
	}
}
