package attempt

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/proxy"

	"jethook/consume/endpoint"
)

// egress dials through a proxy. What a name stands for is looked up here, each address is held against the policy, and the
// proxy is asked for a connection to the address: it can't be made to go where the policy does not let.
type egress struct {
	proxy    *url.URL
	policy   *endpoint.AddressPolicy
	resolver *net.Resolver
	dialer   net.Dialer // to the proxy, which may have any address
}

func newEgress(to *url.URL, policy *endpoint.AddressPolicy, resolver *net.Resolver) *egress {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return &egress{proxy: to, policy: policy, resolver: resolver, dialer: net.Dialer{Timeout: connectTimeout}}
}

// proxyError is a failure of the proxy; with target set, one to reach the address that it was asked for.
type proxyError struct {
	target bool
	err    error
}

func (e *proxyError) Error() string { return "the proxy of JETHOOK_EGRESS_PROXY " + e.err.Error() }
func (e *proxyError) Unwrap() error { return e.err }

// DialContext connects to the first of the host's addresses that can be reached.
func (e *egress) DialContext(ctx context.Context, _, hostPort string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addresses, err := e.resolve(ctx, hostPort)
	if err != nil {
		return nil, err
	}
	defer handshakeOf(ctx).asking()()
	for i, address := range addresses {
		conn, failure := e.connect(ctx, address, len(addresses)-i)
		if failure == nil {
			return conn, nil
		}
		err = failure
		if why, ok := errors.AsType[*proxyError](failure); ok && !why.target {
			break // it would fail for the others, too
		}
	}
	return nil, err
}

// resolve returns the addresses that the policy allows, or the error about the first one that it refuses.
func (e *egress) resolve(ctx context.Context, hostPort string) (allowed []netip.AddrPort, err error) {
	host, text, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", text)
	if err != nil {
		return nil, err
	}
	defer handshakeOf(ctx).looking()()
	found, err := e.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for _, addr := range found {
		addr = addr.Unmap()
		if refused := e.policy.Check(addr); refused != nil {
			err = refused
			continue
		}
		allowed = append(allowed, netip.AddrPortFrom(addr, uint16(port)))
	}
	if len(allowed) > 0 {
		err = nil
	}
	return allowed, err
}

// connect asks for a connection to one of several addresses, which share the time that is left.
func (e *egress) connect(ctx context.Context, to netip.AddrPort, left int) (net.Conn, error) {
	end, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
	defer cancel()
	if e.proxy.Scheme == "socks5" || e.proxy.Scheme == "socks5h" {
		return e.socks(ctx, to)
	}
	conn, err := e.dialer.DialContext(ctx, "tcp", e.proxy.Host)
	if err != nil {
		return nil, &proxyError{err: fmt.Errorf("can't be reached: %w", err)}
	}
	if e.proxy.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: e.proxy.Hostname(), MinVersion: tls.VersionTLS12})
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = e.ask(conn, to)
	if !stop() && err == nil {
		err = &proxyError{err: errors.New("answered too late")}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// ask sends CONNECT and reads the answer: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
func (e *egress) ask(conn net.Conn, to netip.AddrPort) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to.String()}, Host: to.String(), Header: http.Header{}}
	if user := e.proxy.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
		req.Header["Proxy-Authorization"] = req.Header["Authorization"]
		req.Header.Del("Authorization")
	}
	if err := req.Write(conn); err != nil {
		return &proxyError{err: fmt.Errorf("takes no request: %w", err)}
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, req)
	if err != nil {
		return &proxyError{err: fmt.Errorf("gives no answer: %w", err)}
	}
	switch {
	case res.StatusCode == http.StatusOK && in.Buffered() == 0:
		return nil
	case res.StatusCode == http.StatusOK:
		return &proxyError{err: errors.New("sends more than an answer")}
	default:
		unreached := res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusGatewayTimeout
		return &proxyError{target: unreached, err: fmt.Errorf("answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))}
	}
}

// unreached are the answers of a SOCKS5 proxy that works: https://www.rfc-editor.org/rfc/rfc1928#section-6
var unreached = []string{"network unreachable", "host unreachable", "connection refused", "TTL expired"}

func (e *egress) socks(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	var auth *proxy.Auth
	if user := e.proxy.User; user != nil {
		password, _ := user.Password()
		auth = &proxy.Auth{User: user.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", e.proxy.Host, auth, &e.dialer)
	if err != nil {
		return nil, &proxyError{err: err}
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", to.String())
	if err == nil {
		return conn, nil
	}
	for _, text := range unreached {
		if strings.HasSuffix(err.Error(), "unknown error "+text) { // there is no type for it
			return nil, &proxyError{target: true, err: errors.New("answered: " + text)}
		}
	}
	return nil, &proxyError{err: fmt.Errorf("makes no connection: %w", err)}
}
