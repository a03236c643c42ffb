package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"jethook/config"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// Access is how much its bearer may do by a token.
type Access int

// The kinds of access.
const (
	AccessNone  Access = iota
	AccessRead         // sees everything but secrets, and changes nothing
	AccessWrite        // does everything
)

// tokens are what requests may bear.
type tokens struct{ write, read config.Secret }

// SetTokens replaces the tokens, from the next request on. A zero one lets nobody in.
func (s *Server) SetTokens(write, read config.Secret) { s.tokens.Store(&tokens{write, read}) }

// AccessOf returns what a token allows. It compares hashes, so that the time it takes says nothing of the tokens, not even
// their length.
func (s *Server) AccessOf(token string) Access {
	known := s.tokens.Load()
	write, read := sameToken(known.write, token), sameToken(known.read, token)
	switch {
	case write:
		return AccessWrite
	case read:
		return AccessRead
	default:
		return AccessNone
	}
}

func sameToken(want config.Secret, given string) bool {
	a, b := sha256.Sum256([]byte(want.Reveal())), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && !want.IsZero()
}

// openPaths need no token: whoever asks for health has none, the metrics name no secret, and the document only says what the source code
// says too.
var openPaths = map[string]bool{"/metrics": true, "/healthz": true, "/readyz": true, "/openapi.json": true, "/docs": true}

// secretPaths answer with secrets, or with what is as good as one.
var secretPaths = map[string]bool{
	"/api/v1/endpoints/:id/secret": true, "/api/v1/sources/:name/secret": true, "/api/v1/endpoints/:id/preview": true,
}

// authenticate lets a request pass whose token allows it. Paths that don't exist are refused like others, so
// that a stranger learns nothing of them.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if openPaths[c.Path()] {
			return next(c)
		}
		r := c.Request()
		access := AccessNone
		if scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			access = s.AccessOf(given)
		}
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case access == AccessNone:
			return errUnauthorized
		case access == AccessRead && (!reads || secretPaths[c.Path()]):
			return errReadOnly
		}
		c.SetRequest(r.WithContext(WithAccess(r.Context(), access)))
		return next(c)
	}
}

type accessKey struct{}

// WithAccess returns a context by which operations show what that access may see.
func WithAccess(ctx context.Context, access Access) context.Context {
	return context.WithValue(ctx, accessKey{}, access)
}

// visible is an endpoint as the request may see it: headers and URLs can hold secrets.
func visible(ctx context.Context, e endpoint.Endpoint) endpoint.Endpoint {
	if access, _ := ctx.Value(accessKey{}).(Access); access == AccessWrite {
		return e
	}
	e.URL = attempt.ShownURL(&e)
	e.Headers = maps.Clone(e.Headers)
	for name := range e.Headers {
		e.Headers[name] = attempt.Masked
	}
	return e
}
