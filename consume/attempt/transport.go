package attempt

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"jethook/consume/endpoint"
)

const (
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	keepIdle         = 90 * time.Second
	maxHeaderBytes   = 64 << 10
	// Many endpoints may live on one host, and a burst for all of them must not close connections.
	maxIdlePerHost = 1024
	// All endpoints together: each connection is a file descriptor.
	maxIdle     = 4096
	tlsSessions = 1024
)

// newTransport returns a transport that dials allowed addresses only.
func newTransport(policy *endpoint.AddressPolicy, resolver *net.Resolver, proxy *url.URL) *http.Transport {
	dial := direct(&net.Dialer{Timeout: connectTimeout, Resolver: resolver, ControlContext: guard(policy)})
	if proxy != nil {
		dial = newEgress(proxy, policy, resolver).DialContext
	}
	return &http.Transport{
		// No proxy of its own, also not the environment's: it would resolve and dial out of the guard's sight.
		Proxy:                  nil,
		DialContext:            dial,
		TLSHandshakeTimeout:    handshakeTimeout,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions), GetClientCertificate: noCertificate},
		ForceAttemptHTTP2:      true, // off by default beside an own dialer
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		DisableCompression:     true, // what is kept is what was sent, and no bomb is inflated
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxIdleConns:           maxIdle,
		IdleConnTimeout:        keepIdle,
	}
}

// direct dials and notes while it looks a name up.
func direct(d *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		h := handshakeOf(ctx)
		return d.DialContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			DNSStart: func(httptrace.DNSStartInfo) { h.resolving.Store(true) },
			DNSDone:  func(httptrace.DNSDoneInfo) { h.resolving.Store(false) },
		}), network, address)
	}
}

// guard checks each address right before it is dialed, after DNS: a name that resolved to a public address a
// moment ago may not now.
func guard(policy *endpoint.AddressPolicy) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("reading the address to dial: %w", endpoint.ErrAddressRefused)
		}
		return policy.Check(target.Addr())
	}
}
