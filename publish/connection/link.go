package connection

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/embedded"
)

// link tells who waits for the store that the connection broke, so that nobody waits for an answer that
// cannot come any more.
type link struct {
	mu   sync.Mutex
	lost chan struct{} // closed when the connection breaks; replaced when it is back
	said string        // the last error that was logged since the connection was there
	back chan struct{} // closed when the connection is back; replaced at once

	Gone chan struct{} // closed when the connection will never be back
}

func newLink() *link {
	return &link{lost: make(chan struct{}), back: make(chan struct{}), Gone: make(chan struct{})}
}

// Lost returns a channel that is closed when the connection of this moment breaks.
func (l *link) Lost() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *link) broke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.lost:
	default:
		close(l.lost)
	}
}

func (l *link) isBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.lost:
		l.lost = make(chan struct{})
	default:
	}
	close(l.back)
	l.back, l.said = make(chan struct{}), ""
}

// news reports whether an error is another one than the last. A login that is refused is told with each try.
func (l *link) news(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.said
	l.said = err.Error()
	return l.said != before
}

// Restored returns a channel that is closed when the connection is back the next time.
func (l *link) Restored() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.back
}

// Conn is one way to the server. What goes through it waits for what went before, so what must not wait
// for each other has its own.
type Conn struct {
	*nats.Conn
	*link
	JS     jetstream.JetStream
	Domain string // of JetStream; empty: that of the server
	log    *slog.Logger
	moved  atomic.Int64 // when it last left its server, in nanoseconds since the epoch
}

// movePause is the least time between two changes of the server.
const movePause = 15 * time.Second

// ChangeServer has the connection go to another server of the cluster: this one answers pings and nothing that matters, as
// one does that is cut off from the others.
func (c *Conn) ChangeServer() {
	last, now := c.moved.Load(), time.Now()
	if len(c.Servers()) < 2 || now.Sub(time.Unix(0, last)) < movePause || !c.moved.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	c.log.Warn("the NATS server answers nothing; changing to another one", "connection", c.Opts.Name, "server", c.ConnectedServerName())
	if err := c.ForceReconnect(); err != nil {
		c.log.Debug("changing the NATS server", "error", err)
	}
}

// Losses let connections that are lost together have one line in the log for that, and one when the last is back. The zero
// value is usable.
type Losses struct {
	mu   sync.Mutex
	lost map[string]bool // by purpose
}

// begins notes that a connection is lost, and reports whether it is the first.
func (l *Losses) begins(purpose string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.lost = make(map[string]bool)
	}
	first := len(l.lost) == 0
	l.lost[purpose] = true
	return first
}

// ends notes that a connection is back, and reports whether it was the last that was lost.
func (l *Losses) ends(purpose string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.lost[purpose]
	delete(l.lost, purpose)
	return was && len(l.lost) == 0
}

// Shared is what the connections of one process have in common. The zero value is usable.
type Shared struct {
	Losses
	Denials
}

// Open opens a connection for a purpose.
func Open(
	cfg *config.Config, srv *embedded.Server, token nats.AuthTokenHandler, purpose string, shared *Shared, log *slog.Logger,
) (*Conn, error) {
	c := &Conn{link: newLink(), log: log, Domain: cfg.NATSDomain}
	var err error
	if c.Conn, err = dial(cfg, srv, token, purpose, c.link, shared, log.With("connection", purpose)); err != nil {
		return nil, err
	}
	if c.JS, err = JetStream(c.Conn, c.Domain); err != nil {
		c.Conn.Close()
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return c, nil
}

// JetStream is that of a domain; empty: that of the server.
func JetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain == "" {
		return jetstream.New(nc)
	}
	return jetstream.NewWithDomain(nc, domain)
}

// API is the subject of a request to JetStream in a domain, such as STREAM.INFO.EVENTS.
func API(domain, request string) string {
	if domain == "" {
		return "$JS.API." + request
	}
	return "$JS." + domain + ".API." + request
}

// API is the subject of a request to JetStream.
func (c *Conn) API(request string) string { return API(c.Domain, request) }

// Wait is Open for a cluster that may not be there yet: it tries again, and logs why, until ctx ends. A login that is refused,
// or a server that is too old, is an error at once.
func Wait(
	ctx context.Context, cfg *config.Config, srv *embedded.Server, token nats.AuthTokenHandler, purpose string, shared *Shared, log *slog.Logger,
) (*Conn, error) {
	said := ""
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		c, err := Open(cfg, srv, token, purpose, shared, log)
		if err == nil || srv != nil || !unreachable(err) {
			return c, err
		}
		if err.Error() != said {
			said = err.Error()
			log.Warn("waiting for the NATS cluster of JETHOOK_NATS_URL", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// unreachable reports whether no server could be asked. A refusal, such as that of a certificate, is an answer.
func unreachable(err error) bool {
	op, network := errors.AsType[*net.OpError](err)
	return network && op.Op == "dial" || errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout)
}

// End closes the connection after what was sent has arrived.
func (c *Conn) End(log *slog.Logger) {
	if err := c.FlushTimeout(2 * time.Second); err != nil {
		log.Debug("flushing a NATS connection", "error", err)
	}
	c.Conn.Close()
}

// answerMsgs is more messages than any answer of the store has. nats.go would set room for 524,288 aside, which is 4 MB,
// for each question.
const answerMsgs = 4096

// pingEvery and pingsMissed tell a server that is frozen, or cut off without a word, within six seconds.
const (
	pingEvery   = 2 * time.Second
	pingsMissed = 2
)

// Inbox is where Jethook has itself answered on the embedded server: services may listen to all of _INBOX, and
// the answers hold secrets.
const Inbox = "jethook.inbox"

// dial opens a NATS connection: in process when srv is given, else to the configured cluster. It comes back by
// itself for ever; meanwhile nothing is buffered, so that a publish fails at once instead of being acknowledged
// by memory.
func dial(cfg *config.Config, srv *embedded.Server, token nats.AuthTokenHandler, purpose string, l *link, shared *Shared, log *slog.Logger) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("jethook " + purpose),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a login that is refused for a while, during a rotation, is no reason to give up
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.SyncQueueLen(answerMsgs),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			l.broke()
			if err != nil && shared.begins(purpose) {
				log.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			l.isBack()
			shared.forget(purpose)
			if shared.ends(purpose) {
				log.Info("connection to NATS restored", "server", nc.ConnectedServerName())
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) {
			l.broke()
			close(l.Gone)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			switch lacks, ok := denied(err); {
			case ok && !slices.Contains(lacks.Publish, userInfo):
				if shared.note(purpose, lacks) {
					log.Error("NATS refuses what Jethook needs", "error", lacks)
				}
			case !ok && l.news(err):
				log.Warn("NATS connection error", "error", err)
			}
		}),
	}
	if srv != nil {
		opts = append(opts, nats.InProcessServer(srv), srv.Login(), nats.CustomInboxPrefix(Inbox))
		return nats.Connect("", opts...)
	}
	opts = append(opts, nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsMissed))
	login, err := clusterLogin(cfg, token)
	if err != nil {
		return nil, err
	}
	opts = append(opts, login...)
	nc, err := nats.Connect(cfg.NATSURL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the NATS cluster of JETHOOK_NATS_URL: %w", err)
	}
	if err := CheckVersion(nc.ConnectedServerVersion()); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// clusterLogin is how Jethook logs in to a cluster. The token may have changed when a connection comes back; nats.go reads a
// credentials file again by itself.
func clusterLogin(cfg *config.Config, token nats.AuthTokenHandler) (opts []nats.Option, err error) {
	if cfg.NATSNKey != "" {
		seed, err := nats.NkeyOptionFromSeed(cfg.NATSNKey)
		if err != nil {
			return nil, fmt.Errorf("reading JETHOOK_NATS_NKEY: %w", err)
		}
		opts = append(opts, seed)
	}
	if cfg.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(cfg.NATSCreds))
	}
	if !cfg.NATSToken.IsZero() {
		opts = append(opts, nats.TokenHandler(token))
	}
	if cfg.NATSTLSCA != "" {
		opts = append(opts, nats.RootCAs(cfg.NATSTLSCA))
	}
	if cfg.NATSTLSCert != "" {
		opts = append(opts, nats.ClientCert(cfg.NATSTLSCert, cfg.NATSTLSKey))
	}
	if cfg.NATSTLSCA != "" || cfg.NATSTLSCert != "" {
		opts = append(opts, func(o *nats.Options) error {
			o.TLSConfig.MinVersion = tls.VersionTLS12
			return nil
		})
	}
	return opts, nil
}
