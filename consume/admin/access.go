package admin

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"jethook/consume/admin/access"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// openPaths need no token: whoever asks for health has none, the metrics name no secret, and the document only says what the source code
// says too.
var openPaths = map[string]bool{"/metrics": true, "/healthz": true, "/readyz": true, "/openapi.json": true, "/docs": true}

// secretPaths answer with secrets, or with what is as good as one.
var secretPaths = map[string]bool{
	"/api/v1/endpoints/:id/secret": true, "/api/v1/sources/:name/secret": true, "/api/v1/endpoints/:id/preview": true,
	"/api/v1/sources/:name/sample": true,
}

// authenticate lets a request pass whose token is known. What it may do is held against its role by perform; a token that
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
			return errUnauthorized
		case who.Access == access.Read && (!reads || secretPaths[c.Path()]):
			return errReadOnly
		}
		c.SetRequest(r.WithContext(access.With(r.Context(), who.From(r))))
		return next(c)
	}
}

// visible is an endpoint as the request may see it: headers and URLs can hold secrets.
func visible(ctx context.Context, e endpoint.Endpoint) endpoint.Endpoint {
	if access.Of(ctx).Access == access.Write {
		return e
	}
	return masked(e)
}

// masked is an endpoint without what can be a secret.
func masked(e endpoint.Endpoint) endpoint.Endpoint {
	e.URL = attempt.ShownURL(&e)
	e.Headers = maps.Clone(e.Headers)
	for name := range e.Headers {
		e.Headers[name] = attempt.Masked
	}
	return e
}
