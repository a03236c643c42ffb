package attempt

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"time"

	"jethook/consume/endpoint"
)

// identities are the transports of endpoints with authorities or a client certificate of their own. Connections are shared
// by those alone that have the same: another's must not speak in their name.
type identities struct {
	mu  sync.Mutex // guards all
	all map[[sha256.Size]byte]*identity
}

type identity struct {
	*http.Transport
	used time.Time
}

// maxIdentities bounds the transports that are kept. One that is dropped ends its requests, and its connections close
// once they are idle.
const maxIdentities = 512

// transportOf returns the transport for an endpoint's requests.
func (c *Client) transportOf(e *endpoint.Endpoint) (*http.Transport, error) {
	if e.CA == "" && e.ClientCertificate == "" {
		return c.transport, nil
	}
	key := sha256.Sum256([]byte(e.CA + "\x00" + e.ClientCertificate + "\x00" + e.ClientKey.Reveal()))
	c.identities.mu.Lock()
	defer c.identities.mu.Unlock()
	if known, ok := c.identities.all[key]; ok {
		known.used = c.now()
		return known.Transport, nil
	}
	own, err := c.identify(e)
	if err != nil {
		return nil, err
	}
	if len(c.identities.all) >= maxIdentities {
		c.identities.drop()
	}
	c.identities.all[key] = &identity{own, c.now()}
	return own, nil
}

// identify makes a transport. It shares no TLS session with another, which would resume the other's identity.
func (c *Client) identify(e *endpoint.Endpoint) (*http.Transport, error) {
	own := c.transport.Clone()
	own.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	if e.CA != "" {
		own.TLSClientConfig.RootCAs = x509.NewCertPool()
		own.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(e.CA))
	}
	if e.ClientCertificate != "" {
		pair, err := e.ClientPair()
		if err != nil {
			return nil, err
		}
		own.TLSClientConfig.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			handshakeOf(r.Context()).showsCertificate.Store(true)
			return &pair, nil
		}
	}
	return own, nil
}

// drop forgets the transport that was not used for longest. Whoever calls it holds the lock.
func (i *identities) drop() {
	var oldest [sha256.Size]byte
	var found *identity
	for key, each := range i.all {
		if found == nil || each.used.Before(found.used) {
			oldest, found = key, each
		}
	}
	found.CloseIdleConnections()
	delete(i.all, oldest)
}

// close closes the connections that no attempt uses.
func (i *identities) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, each := range i.all {
		each.CloseIdleConnections()
	}
}
