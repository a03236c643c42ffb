// Package stores opens Jethook's stores for work on their streams as wholes: an embedded one, of a process that runs or of none, and
// one on a cluster; and prepares them for a restore, during which nothing starts from them. What is written there is not its business.
package stores

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/nats-io/nats.go"

	"jethook/config"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// ErrNoStore means that there are no streams of Jethook.
var ErrNoStore = errors.New("no streams of Jethook found")

// Store is a connection to JetStream for work on the streams as wholes. Opening it makes and changes none.
type Store struct {
	Conn     *nats.Conn
	Replicas int    // of each stream
	Domain   string // of JetStream; empty: that of the server
	Alone    bool   // no other process can use it: its embedded server runs for it alone

	close func()
}

// API is the subject of a request to JetStream.
func (s *Store) API(request string) string { return connection.API(s.Domain, request) }

// Close ends the connection, and the embedded server if it runs for the store alone.
func (s *Store) Close() { s.close() }

// Open connects to the cluster of NATS_URL; or else to the embedded server, be it that of a process that runs or, if
// none does, one that it starts on DATA_DIR.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Store, error) {
	if cfg.NATSURL != "" {
		return dialStore(cfg, log)
	}
	if !embedded.HasStore(cfg.DataDir) {
		return nil, fmt.Errorf("%w in JETHOOK_DATA_DIR %s", ErrNoStore, cfg.DataDir)
	}
	own := *cfg
	own.NATSListen = "off"
	srv, err := embedded.Start(ctx, &own, topology.StagedStreams, log)
	if errors.Is(err, failure.ErrInUse) {
		return OpenRunning(cfg)
	}
	if err != nil {
		return nil, err
	}
	c, err := connection.Open(cfg, srv, cfg.NATSToken.Reveal, "store", &connection.Shared{}, log)
	if err != nil {
		srv.Stop()
		return nil, err
	}
	return &Store{Conn: c.Conn, Replicas: cfg.Replicas, Alone: true, close: func() { c.End(log); srv.Stop() }}, nil
}

func dialStore(cfg *config.Config, log *slog.Logger) (*Store, error) {
	c, err := connection.Open(cfg, nil, cfg.NATSToken.Reveal, "store", &connection.Shared{}, log)
	if err != nil {
		return nil, err
	}
	return clusterStore(c, cfg, log), nil
}

func clusterStore(c *connection.Conn, cfg *config.Config, log *slog.Logger) *Store {
	return &Store{Conn: c.Conn, Replicas: cfg.Replicas, Domain: c.Domain, close: func() { c.End(log) }}
}

// pin trusts the embedded server of this machine by the certificate that it has, whatever name that is for; and shows it,
// where NATS clients must show one.
func pin(cfg *config.Config) (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(cfg.NATSListenCert, cfg.NATSListenKey)
	if err != nil {
		return nil, fmt.Errorf("reading JETHOOK_NATS_LISTEN_TLS_CERT: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own},
		InsecureSkipVerify: true, //nolint:gosec // it is compared instead
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, own.Certificate[0]) {
				return errors.New("the server shows another certificate than that of JETHOOK_NATS_LISTEN_TLS_CERT")
			}
			return nil
		},
	}, nil
}

// OpenRunning connects to the embedded server of a process that runs on this machine.
func OpenRunning(cfg *config.Config) (*Store, error) {
	if cfg.NATSListen == "off" {
		return nil, errors.New("jethook serve runs on this data directory with JETHOOK_NATS_LISTEN=off; stop it first, or let it listen")
	}
	token, err := cfg.EnsureNATSAdminToken()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(cfg.NATSListen)
	if err != nil {
		return nil, fmt.Errorf("reading JETHOOK_NATS_LISTEN: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	opts := []nats.Option{nats.Name("jethook store"), nats.Token(token.Reveal())}
	if cfg.NATSListenCert != "" {
		pinned, err := pin(cfg)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.Secure(pinned))
	}
	nc, err := nats.Connect("nats://"+net.JoinHostPort(host, port), opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the running jethook at JETHOOK_NATS_LISTEN: %w", err)
	}
	return &Store{Conn: nc, Replicas: cfg.Replicas, close: nc.Close}, nil
}
