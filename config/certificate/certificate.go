// Package certificate holds the certificates of Jethook's own listeners: read from files, checked, and read again when the
// files change. A connection that stands keeps the certificate it began with.
package certificate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// Files says where a certificate is. The zero value means that there is none.
type Files struct {
	Cert, Key string // PEM: the certificate with its chain, and its key
	ClientCA  string // PEM: whose certificates clients must show; empty: they need none
}

// Certificate is what a listener shows. It may be reloaded while it is in use.
type Certificate struct {
	files   Files
	current atomic.Pointer[loaded]
}

type loaded struct {
	sum    [sha256.Size]byte // of the files
	config *tls.Config
}

// Open reads a certificate. The errors name the file, and tell nothing of the key.
func Open(files Files) (*Certificate, error) {
	c := &Certificate{files: files}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again, and reports whether they hold something new. After an error the certificate is as it was:
// while the files are being replaced, they may not fit each other for a moment.
func (c *Certificate) Reload() (changed bool, err error) {
	cert, err := os.ReadFile(c.files.Cert)
	if err != nil {
		return false, fmt.Errorf("reading the certificate: %w", err)
	}
	key, err := os.ReadFile(c.files.Key)
	if err != nil {
		return false, fmt.Errorf("reading the certificate's key: %w", err)
	}
	var ca []byte
	if c.files.ClientCA != "" {
		if ca, err = os.ReadFile(c.files.ClientCA); err != nil {
			return false, fmt.Errorf("reading the clients' CA: %w", err)
		}
	}
	sum := sha256.Sum256(bytes.Join([][]byte{cert, key, ca}, []byte{0}))
	if before := c.current.Load(); before != nil && before.sum == sum {
		return false, nil
	}
	next, err := c.files.config(cert, key, ca)
	if err != nil {
		return false, err
	}
	c.current.Store(&loaded{sum, next})
	return true, nil
}

func (f *Files) config(cert, key, ca []byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s hold no certificate with its key: %w", f.Cert, f.Key, err)
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		// Limits count connections, which would mean little if each carried a hundred streams.
		NextProtos: []string{"http/1.1"},
	}
	if ca != nil {
		c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !c.ClientCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", f.ClientCA)
		}
	}
	return c, nil
}

// Server is the TLS of a listener that always shows the certificate of now.
func (c *Certificate) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.current.Load().config, nil
		},
	}
}

// errOther means that a server on this machine shows another certificate than its file holds.
var errOther = errors.New("the server shows another certificate than the file")

// Pinned is the TLS of a client that trusts the certificate in a file of this machine and nothing else, whatever names it
// is for.
func Pinned(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	own, _ := pem.Decode(text)
	if own == nil {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Bytes) {
				return fmt.Errorf("%w %s", errOther, file)
			}
			return nil
		},
	}, nil
}

// Trusting is the TLS of a client that trusts the authorities in a file.
func Trusting(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return c, nil
}
