package admin

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// Access is how much its bearer may do by a token.
type Access int

// The kinds of access. Cookies hold their numbers.
const (
	AccessNone    Access = iota
	AccessRead           // sees everything but secrets, and changes nothing
	AccessWrite          // does everything
	AccessOperate        // as AccessRead, and retries, replays, resends, tests, enables, disables and recovers
)

// Allows reports whether the access is enough for what needs another one.
func (a Access) Allows(needed Access) bool {
	order := map[Access]int{AccessRead: 1, AccessOperate: 2, AccessWrite: 3}
	return order[a] >= order[needed]
}

// Actor is who asks.
type Actor struct {
	Name   string // of the token
	Access Access
	Remote string // address
	Agent  string // what the client calls itself, in short
}

// maxAgent bounds what is kept of a client's name for itself.
const maxAgent = 100

// From adds where a request came from.
func (a Actor) From(r *http.Request) Actor {
	a.Remote = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.Remote = host
	}
	agent := strings.ToValidUTF8(r.UserAgent(), "?")
	a.Agent = strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "")
	return a
}

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
		var who Actor
		if scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			who = s.Identify(given)
		}
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case who.Access == AccessNone:
			return errUnauthorized
		case who.Access == AccessRead && (!reads || secretPaths[c.Path()]):
			return errReadOnly
		}
		c.SetRequest(r.WithContext(WithActor(r.Context(), who.From(r))))
		return next(c)
	}
}

type actorKey struct{}

// WithActor returns a context by which operations do what the actor may, show what it may see, and note it in the audit trail.
func WithActor(ctx context.Context, who Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// ActorOf returns who asks; nobody in a context without one.
func ActorOf(ctx context.Context) Actor {
	who, _ := ctx.Value(actorKey{}).(Actor)
	return who
}

// visible is an endpoint as the request may see it: headers and URLs can hold secrets.
func visible(ctx context.Context, e endpoint.Endpoint) endpoint.Endpoint {
	if ActorOf(ctx).Access == AccessWrite {
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
