// Package access says who asks and how much that one may do: the tokens that let somebody in, their levels, and the actor that a
// context carries.
package access

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// Level is how much its bearer may do by a token.
type Level int

// The levels. Cookies hold their numbers.
const (
	None    Level = iota
	Read          // sees everything but secrets, and changes nothing
	Write         // does everything
	Operate       // as Read, and retries, replays, resends, tests, enables, disables and recovers
)

// Allows reports whether the access is enough for what needs another one.
func (a Level) Allows(needed Level) bool {
	order := map[Level]int{Read: 1, Operate: 2, Write: 3}
	return order[a] >= order[needed]
}

// Actor is who asks.
type Actor struct {
	Name   string // of the token
	Access Level
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

type actorKey struct{}

// With returns a context by which operations do what the actor may, show what it may see, and note it in the audit trail.
func With(ctx context.Context, who Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// Of returns who asks; nobody in a context without one.
func Of(ctx context.Context) Actor {
	who, _ := ctx.Value(actorKey{}).(Actor)
	return who
}
