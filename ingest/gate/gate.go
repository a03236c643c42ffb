// Package gate is the public listener's limit of connections: who holds many idle, or all, keeps nobody else out.
package gate

import (
	"container/list"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"jethook/config"
	"jethook/ingest/address"
	"jethook/ingest/streak"
)

const (
	// mostConnections is how many connections the public listener takes: each costs some 20 KiB, beside its body.
	mostConnections = 4096
	// clientShares is how many clients it takes to have all of them: one alone gets a fourth.
	clientShares = 4
)

// Limit is how many connections this process takes: half of what it may open is for the admin listener, NATS and files.
func Limit() int { return min(mostConnections, config.Descriptors()/2) }

// Gate is a listener with a limit of connections, and a share of them for each client. Beyond it a new connection takes the
// place of the one that has waited longest for a request, so that a sender gets in while others hold theirs idle.
type Gate struct {
	net.Listener
	limit, share int
	proxies      address.Proxies // that have no share: each stands for many clients
	log          *slog.Logger
	now          func() time.Time

	full, failing streak.Streak

	mu      sync.Mutex // guards what follows, and the elements of connections
	open    int
	waiting *list.List                 // of *connection; the one that waits longest is first
	clients map[netip.Prefix]*visitors // that have connections
}

// visitors are one client's connections.
type visitors struct {
	open    int
	waiting *list.List // as the gate's
}

// connection is one that the gate counts. Its elements are nil while it has a request, and once it is closed.
type connection struct {
	net.Conn
	gate         *Gate
	from         netip.Prefix
	closed       bool
	all, visitor *list.Element
}

// New returns a gate in front of a listener.
func New(l net.Listener, limit int, proxies address.Proxies, log *slog.Logger, now func() time.Time) *Gate {
	return &Gate{
		Listener: l, limit: limit, share: max(1, limit/clientShares), proxies: proxies, log: log, now: now,
		waiting: list.New(), clients: make(map[netip.Prefix]*visitors),
	}
}

// Accept implements [net.Listener].
func (g *Gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && g.failing.Begins(g.now()) {
				g.log.Warn("cannot accept connections", "error", err)
			}
			return nil, err
		}
		if g.failing.Ends(g.now()) {
			g.log.Info("accepting connections again")
		}
		if c := g.admit(conn); c != nil {
			return c, nil
		}
		conn.Close()
	}
}

// admit counts a new connection, and closes another one if there are too many. It is nil if all are at work.
func (g *Gate) admit(conn net.Conn) *connection {
	peer, _ := address.Parse(conn.RemoteAddr().String())
	c := &connection{Conn: conn, gate: g, from: address.Client(peer)}
	c, displaced, crowded := g.enter(c, g.proxies.Trusted(peer))
	if displaced != nil {
		displaced.Conn.Close()
	}
	switch now := g.now(); {
	case crowded && g.full.Begins(now):
		g.log.Warn("connection limit reached; closing idle or new connections", "limit", g.limit, "client", address.Text(peer), "limit_of_client", g.share)
	case !crowded && g.full.Ends(now):
		g.log.Info("connections are below the limit again")
	}
	return c
}

// enter counts c, in the place of the connection that it returns beside it. C comes back nil if there is no place.
func (g *Gate) enter(c *connection, proxy bool) (entered, displaced *connection, crowded bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.clients[c.from]
	if v == nil {
		v = &visitors{waiting: list.New()}
	}
	queue := g.waiting
	switch {
	case v.open >= g.share && !proxy:
		queue, crowded = v.waiting, true
	case g.open >= g.limit:
		crowded = true
	}
	if crowded {
		first := queue.Front()
		if first == nil {
			return nil, nil, true
		}
		displaced = first.Value.(*connection)
		g.leave(displaced)
	}
	g.clients[c.from] = v
	g.open++
	v.open++
	g.await(c, v)
	return c, displaced, crowded
}

// await puts c behind those that wait for a request.
func (g *Gate) await(c *connection, v *visitors) {
	c.all, c.visitor = g.waiting.PushBack(c), v.waiting.PushBack(c)
}

// work takes c out of those that wait.
func (g *Gate) work(c *connection, v *visitors) {
	if c.all != nil {
		g.waiting.Remove(c.all)
		v.waiting.Remove(c.visitor)
		c.all, c.visitor = nil, nil
	}
}

// leave forgets c.
func (g *Gate) leave(c *connection) {
	if c.closed {
		return
	}
	v := g.clients[c.from]
	g.work(c, v)
	c.closed = true
	g.open--
	if v.open--; v.open == 0 {
		delete(g.clients, c.from)
	}
}

// Follow is told by net/http, as its ConnState, what a connection does. One that has not sent a whole header counts as waiting.
func (g *Gate) Follow(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.clients[c.from]
	switch {
	case c.closed:
	case state == http.StateActive:
		g.work(c, v)
	case state == http.StateIdle && c.all == nil:
		g.await(c, v)
	}
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	c.gate.mu.Lock()
	c.gate.leave(c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer before the request has come in whole: without it the answer would be lost.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
