// Package gate is the embedded NATS server's door for clients of the network. It logs each in as an administrator, who
// may do everything, or as a service, who may publish events, and read and consume what lies on the bus.
//
// The server's permissions say which subjects a service may publish and subscribe to. They can't say more, and that is
// not enough: whatever answers a message, or delivers one, is published by the server itself, to a subject that the
// service names, be it one that the service could not publish to. So the server listens to nobody but this process, and
// the gate reads what a service sends: see [rules].
package gate

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"jethook/config"
)

// Users of the server. Their password never leaves the process: a client of the network shows the gate a token, or
// nothing.
const (
	userJethook = "jethook"
	userService = "service"
)

// Gate lets clients in. It is the server's [server.Authentication].
type Gate struct {
	tokens   atomic.Pointer[tokens]
	password string
	secure   *tls.Config // nil: clients are taken without TLS
	log      *slog.Logger

	limit int                 // of connections
	room  *semaphore.Weighted // bytes of large messages that may be on their way at once

	crowd crowd

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]arrival
	arrivals uint64    // how many there were
	full     time.Time // when the log last said that there are as many as may be
	closed   bool

	running sync.WaitGroup
}

// arrival is what is known of a client's connection.
type arrival struct {
	number uint64 // it was the number-th to come
	known  bool   // it has logged in
}

// New returns a gate that takes whoever shows the token admin for an administrator, and whoever shows the token service
// for a service; if that is zero, whoever shows none.
func New(service, admin config.Secret, log *slog.Logger) *Gate {
	g := &Gate{
		password: rand.Text(), log: log,
		limit: min(mostClients, config.Descriptors()/8), room: semaphore.NewWeighted(mostLarge), conns: make(map[net.Conn]arrival),
	}
	g.SetTokens(service, admin)
	return g
}

// tokens are what clients log in with.
type tokens struct {
	service config.Secret // zero: everyone is a service
	admin   config.Secret
}

// SetTokens replaces the tokens. Who has logged in stays.
func (g *Gate) SetTokens(service, admin config.Secret) { g.tokens.Store(&tokens{service, admin}) }

// Secure makes clients log in by TLS. It is called before Serve.
func (g *Gate) Secure(c *tls.Config) { g.secure = c }

const (
	// mostClients is how many clients of the network there may be at once. Where the process may open few files, an eighth of
	// them is for these: half is for the public listener, and the rest for the admin listener and the store.
	mostClients = 1024
	// fullPause is how long the log says nothing more of clients that are turned away.
	fullPause = time.Minute
)

// Check is called by the server for each connection.
func (g *Gate) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	if !same(opts.Password, g.password) {
		return false
	}
	user := &server.User{Username: opts.Username}
	switch opts.Username {
	case userJethook:
	case userService:
		user.Permissions = permissions()
	default:
		return false
	}
	c.RegisterUser(user)
	return true
}

// Login is how Jethook itself logs in, in process.
func (g *Gate) Login() nats.Option { return nats.UserInfo(userJethook, g.password) }

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Serve takes clients from l until Close. dial opens a connection to the server, in process, and consumers counts those
// that a stream has.
func (g *Gate) Serve(l net.Listener, dial func() (net.Conn, error), consumers func(stream string) int) {
	g.crowd.count, g.crowd.made = consumers, make(map[string][]time.Time)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener = l
	g.running.Go(func() { g.accept(l, dial) })
}

// acceptPause is how long the gate waits when the system gives it no connection, for want of descriptors mostly.
const acceptPause = 100 * time.Millisecond

func (g *Gate) accept(l net.Listener, dial func() (net.Conn, error)) {
	for {
		client, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			g.log.Warn("cannot accept a NATS client", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if !g.keep(client) { // asked here, so that they are kept in the order in which they came
			client.Close()
			continue
		}
		g.running.Go(func() {
			defer client.Close()
			defer g.forget(client)
			srv, err := dial()
			if err != nil {
				g.log.Debug("the NATS server refused a client", "error", err)
				return
			}
			defer srv.Close()
			if err := g.relay(client, srv); err != nil {
				g.log.Debug("a NATS client was disconnected", "client", client.RemoteAddr().String(), "error", err)
			}
		})
	}
}

// keep counts a client. It reports false when there are too many, and when the gate is closed. Who has not logged in makes
// room: strangers can keep no service out.
func (g *Gate) keep(client net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if len(g.conns) >= g.limit && !g.displace() {
		if time.Since(g.full) > fullPause {
			g.full = time.Now()
			g.log.Warn("NATS client limit reached; refusing new clients", "limit", g.limit, "client", client.RemoteAddr().String())
		}
		return false
	}
	g.arrivals++
	g.conns[client] = arrival{number: g.arrivals}
	return true
}

// displace cuts off the client that has taken longest to log in: one that has just come is about to. Whoever calls it holds
// the lock.
func (g *Gate) displace() bool {
	var oldest net.Conn
	for c, a := range g.conns {
		if !a.known && (oldest == nil || a.number < g.conns[oldest].number) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	oldest.Close()
	delete(g.conns, oldest)
	return true
}

// know notes that a client has logged in.
func (g *Gate) know(client net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, ok := g.conns[client]; ok {
		a.known = true
		g.conns[client] = a
	}
}

func (g *Gate) forget(client net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, client)
}

// Close cuts all clients off, and takes no more.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	if g.listener != nil {
		g.listener.Close()
	}
	for c := range g.conns {
		c.Close()
	}
	g.mu.Unlock()
	g.running.Wait()
}

// relay carries what a client and the server say to each other, until one of them is gone.
func (g *Gate) relay(client, srv net.Conn) error {
	s := newSession(client, srv)
	s.room, s.crowd = g.room, &g.crowd
	if err := g.greet(s); err != nil {
		return err
	}
	if err := g.encrypt(s); err != nil {
		return fmt.Errorf("beginning TLS: %w", err)
	}
	var back sync.WaitGroup
	back.Go(func() {
		s.carryBack()
		client.Close()
	})
	err := g.forward(client, s)
	srv.Close()
	back.Wait()
	return err
}

func (g *Gate) forward(client net.Conn, s *session) error {
	role, err := g.login(s)
	if err != nil {
		return err
	}
	g.know(client)
	if role == userService {
		return s.filter()
	}
	if err := s.toServer.Flush(); err != nil {
		return err
	}
	_, err = io.Copy(s.server, s.fromClient)
	return err
}
