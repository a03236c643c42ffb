package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"jethook/config"
	"jethook/config/certificate"
	"jethook/config/keyring"
	"jethook/publish/failure"
	"jethook/publish/gate"
)

// maxPending bounds what waits in the server for one slow client. The server wants it above its largest
// message, which is MAX_BODY's limit and headerRoom.
const maxPending = 128 << 20

// largestMessageBody is the largest body that the server takes in a message where others are stored aside.
const largestMessageBody = 8 << 20

// HeaderRoom is what a stored request may need beside its body: headers and protocol.
const HeaderRoom = 64 << 10

// Server is the built-in nats-server together with the lock on its store.
type Server struct {
	opts    *server.Options
	lock    *os.File
	log     *slog.Logger
	batches *batchDir // nil where nothing is synced, so that it would save nothing
	deaths  *deaths

	certificate *certificate.Certificate // of the gate; nil: it takes clients without TLS

	gate   *gate.Gate
	admin  config.Secret // the token of administrators at the start
	listen string        // where the gate takes clients; empty: nowhere

	mu     sync.Mutex // guards what follows
	srv    *server.Server
	closed bool
	healed time.Time // when the server was last restarted because its store stood still
}

// Start starts the built-in server on the store in cfg.DataDir and returns when it takes messages.
// Recovering a large store takes time; ctx bounds it. Batches to the staged streams, which only Jethook writes to, may wait
// in memory for their commit: see [Server.StageBatches].
func Start(ctx context.Context, cfg *config.Config, staged []string, log *slog.Logger) (*Server, error) {
	if err := refuseLinks(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("creating JETHOOK_DATA_DIR: %w", err)
	}
	lock, err := lockDir(filepath.Join(cfg.DataDir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("locking JETHOOK_DATA_DIR %s (%w): %w", cfg.DataDir, failure.ErrInUse, err)
	}
	e := &Server{opts: serverOptions(cfg), lock: lock, log: log}
	if err := e.start(ctx, cfg, staged); err != nil {
		lock.Close()
		return nil, err
	}
	return e, nil
}

func (e *Server) start(ctx context.Context, cfg *config.Config, staged []string) error {
	admin, err := cfg.EnsureNATSAdminToken()
	if err != nil {
		return err
	}
	e.admin = admin
	e.gate = gate.New(cfg.NATSToken, admin, e.log.With("component", "nats"))
	e.opts.CustomClientAuthentication = e.gate
	if cfg.NATSListenCert != "" {
		files := certificate.Files{Cert: cfg.NATSListenCert, Key: cfg.NATSListenKey, ClientCA: cfg.NATSListenCA}
		if e.certificate, err = certificate.Open(files); err != nil {
			return fmt.Errorf("JETHOOK_NATS_LISTEN_TLS_CERT: %w", err)
		}
		e.gate.Secure(e.certificate.Server())
	}
	var l net.Listener
	if cfg.NATSListen != "off" {
		if l, err = net.Listen("tcp", cfg.NATSListen); err != nil {
			return fmt.Errorf("listening on JETHOOK_NATS_LISTEN (set it to another address, or to off): %w", err)
		}
		e.listen = l.Addr().String()
	}
	if e.opts.SyncAlways {
		e.batches = newBatchDir(e.opts.StoreDir, staged)
	}
	if err = e.encrypt(ctx, cfg); err == nil {
		e.deaths, err = countDeaths(cfg.DataDir)
	}
	if err == nil {
		e.srv, err = startServer(ctx, e.opts, e.log)
	}
	switch {
	case l == nil:
	case err != nil:
		l.Close()
	default: // clients that came already wait
		e.gate.Serve(l, e.InProcessConn, e.consumers)
	}
	return err
}

// storeCipher is AES-CTR for messages and AES-GCM for the rest, which processors do faster than ChaCha20.
const storeCipher = server.AES

// encrypt gives the server the key of its store, if that is encrypted or is to be.
func (e *Server) encrypt(ctx context.Context, cfg *config.Config) error {
	keys, err := keyring.New(cfg.EncryptionKeys)
	if err != nil {
		return err
	}
	v := &vault{dir: cfg.DataDir, keys: keys, log: e.log}
	e.opts.JetStreamKey, err = v.open(ctx)
	e.opts.JetStreamCipher = storeCipher
	return err
}

func serverOptions(cfg *config.Config) *server.Options {
	opts := &server.Options{
		ServerName:             "jethook",
		DontListen:             true, // clients of the network come through the gate
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               cfg.DataDir,
		DisableJetStreamBanner: true,
		MaxPayload:             int32(largestMessage(cfg) + HeaderRoom),
		MaxPending:             maxPending,
		// Each endpoint that lags or is ordered has a consumer of its own. What services make is bounded by the gate.
		JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: -1},
	}
	if cfg.Sync == 0 {
		opts.SyncAlways = true
	} else {
		opts.SyncInterval = time.Duration(cfg.Sync)
	}
	return opts
}

func startServer(ctx context.Context, opts *server.Options, log *slog.Logger) (*server.Server, error) {
	srv, err := server.NewServer(opts.Clone())
	if err != nil {
		return nil, fmt.Errorf("configuring the embedded NATS server: %w", err)
	}
	out := &serverLog{log: log.With("component", "nats"), fatal: make(chan string, 1)}
	srv.SetLoggerV2(out, false, false, false)
	go srv.Start()
	if err := awaitReady(ctx, srv, out.fatal, log); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("starting the embedded NATS server: %w", err)
	}
	return srv, nil
}

// awaitReady waits until the server takes clients. It says so when that takes long.
func awaitReady(ctx context.Context, srv *server.Server, fatal <-chan string, log *slog.Logger) error {
	ready := make(chan struct{})
	go func() {
		for ctx.Err() == nil && !srv.ReadyForConnections(time.Second) {
		}
		close(ready)
	}()
	slow := time.NewTicker(5 * time.Second)
	defer slow.Stop()
	for {
		select {
		case <-ready:
			return ctx.Err()
		case cause := <-fatal:
			return errors.New(cause)
		case <-slow.C:
			log.Info("recovering the store")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// SetTokens takes over the tokens that clients log in with.
func (e *Server) SetTokens(cfg *config.Config) {
	admin := cfg.NATSAdminToken
	if admin.IsZero() { // the one that was made
		admin = e.admin
	}
	e.gate.SetTokens(cfg.NATSToken, admin)
}

// Login lets a connection of this process in.
func (e *Server) Login() nats.Option { return e.gate.Login() }

// ClientURL is where services reach the server; empty when it takes none, or there is no server.
func (e *Server) ClientURL() string {
	switch {
	case e == nil || e.listen == "":
		return ""
	case e.certificate != nil:
		return "tls://" + e.listen
	}
	return "nats://" + e.listen
}

// Certificate is what the server shows its clients; nil: it takes them without TLS, or there is no server.
func (e *Server) Certificate() *certificate.Certificate {
	if e == nil {
		return nil
	}
	return e.certificate
}

// MaxStore is how many bytes all streams together may hold.
func (e *Server) MaxStore() int64 { return e.current().JetStreamConfig().MaxStore }

// InProcessConn opens a connection to the server of this moment.
func (e *Server) InProcessConn() (net.Conn, error) { return e.current().InProcessConn() }

// consumers is how many a stream has.
func (e *Server) consumers(stream string) int {
	jsz, err := e.current().Jsz(&server.JSzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true})
	if err != nil {
		return 0 // there is no store, and so nothing is made
	}
	for _, account := range jsz.AccountDetails {
		for i := range account.Streams {
			if account.Streams[i].Name == stream {
				return account.Streams[i].State.Consumers
			}
		}
	}
	return 0
}

func (e *Server) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv
}

const (
	// healPause is the least time between two restarts of a server whose store stands still.
	healPause = 10 * time.Second
	// RestartPause is the pause after a restart that failed.
	RestartPause = time.Second
	// healRoom is how much of the disk must be free for a restart to help.
	healRoom = 32 << 20
)

// Heal restarts the server when its store stands still although the disk has room: after a write failed, for
// want of room mostly, the server takes nothing more for that stream until it is started again. Clients see it
// as a short loss of their connection.
func (e *Server) Heal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || time.Since(e.healed) < healPause || freeBytes(e.opts.StoreDir) < healRoom {
		return
	}
	e.log.Warn("the store is stuck; restarting the embedded NATS server")
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
	for complained := false; !e.closed; complained = true {
		srv, err := startServer(context.Background(), e.opts, e.log)
		if err == nil {
			e.srv, e.healed = srv, time.Now()
			e.StageBatches()
			return
		}
		if !complained {
			e.log.Error("cannot restart the embedded NATS server; retrying", "error", err)
		}
		e.mu.Unlock()
		time.Sleep(RestartPause)
		e.mu.Lock()
	}
}

// StageBatches lets batches wait in memory for their commit, if that is possible here. The streams must be there.
func (e *Server) StageBatches() {
	if e.batches == nil {
		return
	}
	if err := e.batches.open(); err != nil {
		e.log.Debug("cannot keep batches in memory; using the disk", "error", err)
	}
}

// Stop shuts the server down, its store flushed, and releases the store's lock.
func (e *Server) Stop() {
	e.gate.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
	if e.batches != nil {
		e.batches.close()
	}
	e.deaths.stop()
	e.lock.Close()
}

// serverLog passes the server's log on: its notices are of interest only when debugging.
type serverLog struct {
	log   *slog.Logger
	fatal chan string
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }

// Warnf leaves out that large payloads are discouraged: MAX_BODY is the operator's choice.
func (l *serverLog) Warnf(format string, v ...any) {
	if text := fmt.Sprintf(format, v...); !strings.HasPrefix(text, "Maximum payloads over") {
		l.log.Warn(text)
	}
}

// Errorf leaves to debugging what a client is refused: that is told to the client, as often as it tries.
func (l *serverLog) Errorf(format string, v ...any) {
	text, level := fmt.Sprintf(format, v...), slog.LevelError
	if strings.Contains(text, " Violation - ") {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, text)
}

func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

// largestMessage is how large the body of a message may be on the embedded server.
func largestMessage(cfg *config.Config) int64 {
	if cfg.LargeBodies {
		return min(int64(cfg.LargestBody()), largestMessageBody)
	}
	return int64(cfg.LargestBody())
}
