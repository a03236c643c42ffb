package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/embedded"
	"jethook/publish/failure"
)

// link tells who waits for the store that the connection broke, so that nobody waits for an answer that
// cannot come any more.
type link struct {
	mu   sync.Mutex
	lost chan struct{} // closed when the connection breaks; replaced when it is back
	said string        // the last error that was logged since the connection was there
	back chan struct{} // closed when the connection is back; replaced at once

	gone chan struct{} // closed when the connection will never be back
}

func newLink() *link {
	return &link{lost: make(chan struct{}), back: make(chan struct{}), gone: make(chan struct{})}
}

// down returns a channel that is closed when the connection of this moment breaks.
func (l *link) down() <-chan struct{} {
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

func (l *link) restored() {
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

// restoredNext returns a channel that is closed when the connection is back the next time.
func (l *link) restoredNext() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.back
}

// connection is one way to the server. What goes through it waits for what went before, so what must not wait
// for each other has its own.
type connection struct {
	*nats.Conn
	*link
	js    jetstream.JetStream
	log   *slog.Logger
	moved atomic.Int64 // when it last left its server, in nanoseconds since the epoch
}

// moveAgain is the least time between two changes of the server.
const moveAgain = 15 * time.Second

// elsewhere has the connection go to another server of the cluster: this one answers pings and nothing that matters, as
// one does that is cut off from the others.
func (c *connection) elsewhere() {
	last, now := c.moved.Load(), time.Now()
	if len(c.Servers()) < 2 || now.Sub(time.Unix(0, last)) < moveAgain || !c.moved.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	c.log.Warn("the NATS server answers nothing; changing to another one", "connection", c.Opts.Name, "server", c.ConnectedServerName())
	if err := c.ForceReconnect(); err != nil {
		c.log.Debug("changing the NATS server", "error", err)
	}
}

// connect opens a connection for a purpose.
func connect(cfg *config.Config, srv *embedded.Server, token nats.AuthTokenHandler, purpose string, log *slog.Logger) (*connection, error) {
	c := &connection{link: newLink(), log: log}
	var err error
	if c.Conn, err = dial(cfg, srv, token, purpose, c.link, log.With("connection", purpose)); err != nil {
		return nil, err
	}
	if c.js, err = jetstream.New(c.Conn); err != nil {
		c.Conn.Close()
		return nil, fmt.Errorf("opening JetStream: %w", err)
	}
	return c, nil
}

// Watch returns when ctx ends; or, with an error, when a connection is closed that nobody closed. nats.go comes back from
// whatever breaks a connection, but not from what the server calls a fault of the client. Whenever the connection is back,
// the server may have been killed, and what it brought back is removed again.
func (b *Bus) Watch(ctx context.Context) error {
	var closed *connection
	var again <-chan time.Time
	for back := b.Restored(); closed == nil; {
		select {
		case <-ctx.Done():
			return nil
		case <-back:
			back, again = b.Restored(), time.After(0)
		case <-again:
			again = nil
			if err := b.removeAgain(ctx); err != nil { // the other connections may not be back yet
				b.log.Debug("looking for what was removed and came back", "error", err)
				again = time.After(embedded.RestartPause)
			}
		case <-b.front.gone:
			closed = b.front
		case <-b.back.gone:
			closed = b.back
		case <-b.reads.gone:
			closed = b.reads
		}
	}
	return fmt.Errorf("%w: the connection %q was closed for good: %w", failure.ErrUnavailable, closed.Opts.Name, closed.LastError())
}

// end closes the connection after what was sent has arrived.
func (c *connection) end(log *slog.Logger) {
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

// ownInbox is where Jethook has itself answered on the embedded server: services may listen to all of _INBOX, and
// the answers hold secrets.
const ownInbox = "jethook.inbox"

// dial opens a NATS connection: in process when srv is given, else to the configured cluster. It comes back by
// itself for ever; meanwhile nothing is buffered, so that a publish fails at once instead of being acknowledged
// by memory.
func dial(cfg *config.Config, srv *embedded.Server, token nats.AuthTokenHandler, purpose string, l *link, log *slog.Logger) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("jethook " + purpose),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a login that is refused for a while, during a rotation, is no reason to give up
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.SyncQueueLen(answerMsgs),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			l.broke()
			if err != nil {
				log.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			l.restored()
			log.Info("connection to NATS restored", "server", nc.ConnectedServerName())
		}),
		nats.ClosedHandler(func(*nats.Conn) {
			l.broke()
			close(l.gone)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if l.news(err) {
				log.Warn("NATS connection error", "error", err)
			}
		}),
	}
	if srv != nil {
		opts = append(opts, nats.InProcessServer(srv), srv.Login(), nats.CustomInboxPrefix(ownInbox))
		return nats.Connect("", opts...)
	}
	opts = append(opts, nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsMissed))
	opts = append(opts, clusterLogin(cfg, token)...)
	nc, err := nats.Connect(cfg.NATSURL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the NATS cluster of JETHOOK_NATS_URL: %w", err)
	}
	if err := checkVersion(nc.ConnectedServerVersion()); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// clusterLogin is how Jethook logs in to a cluster. The token may have changed when a connection comes back; nats.go reads a
// credentials file again by itself.
func clusterLogin(cfg *config.Config, token nats.AuthTokenHandler) []nats.Option {
	var opts []nats.Option
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
	return opts
}

// errOldServer refuses a cluster without message schedules, on which all waiting rests.
var errOldServer = errors.New("nats-server 2.12 or newer is required (message schedules)")

func checkVersion(v string) error {
	major, rest, _ := strings.Cut(v, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil || a < 2 || a == 2 && b < 12 {
		return fmt.Errorf("%w: the cluster of JETHOOK_NATS_URL runs %q", errOldServer, v)
	}
	return nil
}
