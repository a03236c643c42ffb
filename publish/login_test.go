package publish_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"jethook/config"
	"jethook/config/certificate/certtest"
	"jethook/publish"
	"jethook/publish/bustest"
)

// A cluster is used with the login that the settings hold, and a wrong or missing one ends the start and is not told.
func TestLogin(t *testing.T) {
	t.Parallel()
	const token = "a-token-nobody-may-read"
	ca := certtest.Authority(t, "test CA")
	caFile := file(t, ca.CertPEM())
	client := ca.Sign(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	creds, operator := newOperator(t)
	for _, test := range []struct {
		name         string
		guard        func(*server.Options)
		right, wrong func(*config.Config)
	}{
		{
			"token",
			func(o *server.Options) { o.Authorization = token },
			func(c *config.Config) { c.NATSToken = config.NewSecret(token) },
			func(c *config.Config) { c.NATSToken = config.NewSecret(token + "x") },
		},
		{
			"own CA",
			func(o *server.Options) { o.TLS, o.TLSConfig = true, serverTLS(t, ca, false) },
			func(c *config.Config) { c.NATSTLSCA = caFile },
			func(*config.Config) {},
		},
		{
			"client certificate",
			func(o *server.Options) { o.TLS, o.TLSVerify, o.TLSConfig = true, true, serverTLS(t, ca, true) },
			func(c *config.Config) {
				c.NATSTLSCA = caFile
				c.NATSTLSCert, c.NATSTLSKey = file(t, client.CertPEM()), file(t, client.KeyPEM(t))
			},
			func(c *config.Config) { c.NATSTLSCA = caFile },
		},
		{
			"credentials file",
			operator,
			func(c *config.Config) { c.NATSCreds = creds },
			func(*config.Config) {},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.NATSURL, cfg.MaxBody = bustest.NATSServer(t, test.guard), 1<<19
			test.wrong(cfg)
			if b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil {
				b.Close()
				t.Error("it is let in all the same")
			} else if !strings.Contains(err.Error(), "JETHOOK_NATS_URL") || strings.Contains(err.Error(), token) {
				t.Errorf("got %v", err)
			}
			test.right(cfg)
			b := bustest.Open(t, cfg)
			if _, err := b.Publish(t.Context(), bustest.Event("evt_1")); err != nil {
				t.Error(err)
			}
		})
	}
}

// The embedded server lets nobody in without the token, if there is one.
func TestTokenOfTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.NATSToken = config.NewSecret("a-token")
	b := bustest.Open(t, cfg)
	if _, err := b.Publish(t.Context(), bustest.Event("evt_1")); err != nil {
		t.Error(err)
	}
	for token, in := range map[string]bool{"": false, "another": false, "a-token": true} {
		nc, err := nats.Connect(b.Server().ClientURL(), nats.Token(token))
		if err == nil {
			nc.Close()
		}
		if (err == nil) != in {
			t.Errorf("with the token %q: %v", token, err)
		}
	}
}

// serverTLS is the TLS of a server, which may ask clients for a certificate.
func serverTLS(t *testing.T, ca *certtest.Pair, verify bool) *tls.Config {
	t.Helper()
	own := ca.Sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own.TLS()}}
	if verify {
		cfg.ClientCAs, cfg.ClientAuth = ca.Pool(), tls.RequireAndVerifyClientCert
	}
	return cfg
}

// file writes a file and returns its name.
func file(t *testing.T, content string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// newOperator makes an account with one user, whose credentials file is returned, and sets a server up to know them.
func newOperator(t *testing.T) (creds string, guard func(*server.Options)) {
	t.Helper()
	pair := func(make func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		key, err := make()
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return key, public
	}
	encode := func(claims interface {
		Encode(nkeys.KeyPair) (string, error)
	}, by nkeys.KeyPair,
	) string {
		token, err := claims.Encode(by)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	_, systemID := pair(nkeys.CreateAccount)
	account, accountID := pair(nkeys.CreateAccount)
	user, userID := pair(nkeys.CreateUser)

	limits := jwt.NewAccountClaims(accountID)
	limits.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	resolver := &server.MemAccResolver{}
	for id, claims := range map[string]*jwt.AccountClaims{accountID: limits, systemID: jwt.NewAccountClaims(systemID)} {
		if err := resolver.Store(id, encode(claims, operator)); err != nil {
			t.Fatal(err)
		}
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(encode(jwt.NewUserClaims(userID), account), seed)
	if err != nil {
		t.Fatal(err)
	}
	creds = filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(creds, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return creds, func(o *server.Options) {
		o.TrustedKeys, o.AccountResolver, o.SystemAccount = []string{operatorID}, resolver, systemID
	}
}
