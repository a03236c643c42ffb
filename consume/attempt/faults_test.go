package attempt

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"jethook/config/certificate/certtest"
	"jethook/consume/endpoint"
)

// fault is a receiver, or the way to it, that fails in one way.
type fault struct {
	name    string
	url     string
	timeout time.Duration // default: 10 s
	options Options
	roots   *x509.CertPool

	verdict Verdict
	class   Class
	words   string // that the detail holds
}

// Every way in which a request can fail outside is classified by what it says of the endpoint, in words that say what to do.
func TestFaultsOutside(t *testing.T) {
	t.Parallel()
	var all []fault
	for _, of := range []func(*testing.T) []fault{connectionFaults, slowFaults, tlsFaults, dnsFaults, httpProxyFaults, socksFaults} {
		all = append(all, of(t)...)
	}
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.options.AllowedNetworks = loopback
			c := newClient(t, f.options)
			if f.roots != nil {
				c.transport.TLSClientConfig.RootCAs = f.roots
			}
			e := endpointAt(f.url)
			e.Timeout = endpoint.Duration(10 * time.Second)
			if f.timeout != 0 {
				e.Timeout = endpoint.Duration(f.timeout)
			}
			res := c.Do(t.Context(), requestTo(e))
			expect(t, res, f.verdict, f.class)
			if !strings.Contains(res.Detail, f.words) {
				t.Errorf("detail %q, want %q", res.Detail, f.words)
			}
			if strings.Contains(res.Detail, "s3cret") {
				t.Errorf("detail %q", res.Detail)
			}
		})
	}
}

// tcpServer hands each connection to handle, and closes it then.
func tcpServer(t testing.TB, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// hold takes all that comes and says nothing, until the other side is gone.
func hold(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

func connectionFaults(t *testing.T) []fault {
	const ended = "the connection ended before a response came"
	partly := func(text string) func(net.Conn) {
		return func(conn net.Conn) { _, _ = io.WriteString(conn, text); reset(conn) }
	}
	return []fault{
		{name: "nobody listens", url: "http://" + closedPort(t), class: ClassConnectionRefused, words: "refused"},
		{name: "reset at once", url: "http://" + tcpServer(t, reset), class: ClassConnectionReset, words: ended},
		{name: "reset after the request", url: rawServer(t, reset), class: ClassConnectionReset, words: ended},
		{name: "reset within the headers", url: rawServer(t, partly("HTTP/1.1 200 OK\r\nX-A: ")), class: ClassConnectionReset, words: ended},
		{name: "reset within the body", url: rawServer(t, partly("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")), verdict: Delivered, class: ClassOK},
		{name: "reset in the handshake", url: "https://" + tcpServer(t, reset), class: ClassConnectionReset, words: ended},
		{name: "not HTTP", url: rawServer(t, answer("SSH-2.0-OpenSSH_9.6\r\n\r\n")), class: ClassBadResponse, words: "not valid"},
	}
}

func slowFaults(t *testing.T) []fault {
	const quick = 300 * time.Millisecond
	drip := func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(conn, "X-A: b\r\n"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond) // this is what is tested
		}
	}
	return []fault{
		{name: "half open", url: "http://" + tcpServer(t, hold), timeout: quick, class: ClassTimeout, words: "no response within 300ms"},
		{name: "half open with TLS", url: "https://" + tcpServer(t, hold), timeout: quick, class: ClassTimeout, words: "no response within 300ms"},
		{name: "headers without end, slowly", url: rawServer(t, drip), timeout: quick, class: ClassTimeout, words: "no response within 300ms"},
		{name: "a body without end", url: rawServer(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")), verdict: Delivered, class: ClassOK},
		{name: "a failure whose body has no end", url: rawServer(t, answer("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nok")), class: ClassStatus, words: "answered 500"},
	}
}

// issue signs a certificate for 127.0.0.1 unless want says otherwise.
func issue(t *testing.T, by *certtest.Pair, want *x509.Certificate) *certtest.Pair {
	t.Helper()
	if want.DNSNames == nil {
		want.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	return by.Sign(t, want)
}

// named is a certificate of that name that is to be signed.
func named(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}}
}

func tlsServer(t *testing.T, c *tls.Config) (url string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS, s.Config.ErrorLog = c, quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func tlsFaults(t *testing.T) []fault {
	root, strange := certtest.Authority(t, "root"), certtest.Authority(t, "corporate")
	good, self := issue(t, root, named("good")).TLS(), issue(t, nil, named("self")).TLS()
	old, new := named("expired"), named("early")
	old.NotBefore, old.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	new.NotBefore, new.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	expired, early := issue(t, root, old).TLS(), issue(t, root, new).TLS()
	other := issue(t, root, &x509.Certificate{DNSNames: []string{"a.example", "b.example"}}).TLS()
	_, _, incomplete := chain(t)
	corporate := issue(t, strange, named("inside")).TLS()
	corporate.Certificate = append(corporate.Certificate, strange.Cert.Raw)
	shows := func(c tls.Certificate) string { return tlsServer(t, &tls.Config{Certificates: []tls.Certificate{c}}) }
	list := []fault{
		{name: "a good certificate", url: shows(good), verdict: Delivered, class: ClassOK},
		{name: "self-signed", url: shows(self), class: ClassTLS, words: "the certificate is self-signed; if it is right, give the endpoint its ca"},
		{name: "expired", url: shows(expired), class: ClassTLS, words: `the certificate of "expired" expired at 20`},
		{name: "not yet valid", url: shows(early), class: ClassTLS, words: `the certificate of "early" is not valid before 20`},
		{name: "another name", url: shows(other), class: ClassTLS, words: "the certificate is for a.example, b.example, not for 127.0.0.1"},
		{name: "an incomplete chain", url: shows(incomplete), class: ClassTLS, words: `the certificate chain is incomplete: the server does not send the certificate of "between"`},
		{name: "an unknown authority", url: shows(corporate), class: ClassTLS, words: `the certificate's authority "corporate" is not trusted here`},
		{name: "no TLS", url: "https://" + tcpServer(t, answer("HTTP/1.1 400 Bad Request\r\n\r\n")), class: ClassTLS, words: "no secure connection"},
		{name: "an old version", url: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), class: ClassTLS, words: "no secure connection"},
		{name: "a client certificate is wanted", url: tlsServer(t, &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert}), class: ClassTLS, words: "the server wants a client certificate"},
	}
	for i := range list {
		list[i].roots = root.Pool()
	}
	return list
}

// names answers DNS questions for addresses as answer says: with addresses or a code, and with nothing at all when say is false.
func names(t *testing.T, answer func(n int) (addrs []string, rcode dnsmessage.RCode, say bool)) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for n := 0; ; {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:size]) != nil {
				continue
			}
			q := m.Questions[0]
			m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA || q.Type == dnsmessage.TypeAAAA {
				addrs, rcode, say := answer(n)
				if !say {
					continue
				}
				m.RCode = rcode
				if q.Type == dnsmessage.TypeA {
					n++
				}
				for _, text := range addrs {
					header := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}
					switch addr := netip.MustParseAddr(text); {
					case addr.Is4() && q.Type == dnsmessage.TypeA:
						m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
					case addr.Is6() && q.Type == dnsmessage.TypeAAAA:
						m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
					}
				}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func dnsFaults(t *testing.T) []fault {
	_, port, _ := net.SplitHostPort(tcpServer(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}
	}))
	at := "http://hook.example.com:" + port
	always := func(rcode dnsmessage.RCode, addrs ...string) Options {
		return Options{Resolver: names(t, func(int) ([]string, dnsmessage.RCode, bool) { return addrs, rcode, true })}
	}
	slow := Options{Resolver: names(t, func(int) ([]string, dnsmessage.RCode, bool) {
		time.Sleep(200 * time.Millisecond) // this is what is tested
		return []string{"127.0.0.1"}, dnsmessage.RCodeSuccess, true
	})}
	// It answers for the root, and so it is the name that is at fault.
	mute := Options{Resolver: names(t, func(int) ([]string, dnsmessage.RCode, bool) { return nil, dnsmessage.RCodeSuccess, false })}
	gone := Options{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", closedPort(t))
	}}}
	return []fault{
		{name: "no such name", url: at, options: always(dnsmessage.RCodeNameError), class: ClassDNS, words: `the host "hook.example.com" is not known`},
		{name: "the name's servers fail", url: at, options: always(dnsmessage.RCodeServerFailure), class: ClassDNS, words: `looking up the host "hook.example.com" failed`},
		{name: "DNS answers slowly", url: at, options: slow, verdict: Delivered, class: ClassOK},
		{name: "DNS answers too slowly", url: at, options: mute, timeout: 300 * time.Millisecond, class: ClassTimeout, words: "no response within 300ms"},
		{name: "one dead address among good ones", url: at, options: always(dnsmessage.RCodeSuccess, "127.0.0.9", "127.0.0.1"), verdict: Delivered, class: ClassOK},
		{name: "one forbidden address among good ones", url: at, options: always(dnsmessage.RCodeSuccess, "10.0.0.1", "127.0.0.1"), verdict: Delivered, class: ClassOK},
		{name: "our resolver is gone", url: at, options: gone, verdict: Aborted, class: ClassLocal, words: "this machine's DNS resolver does not answer"},
	}
}

// The name moved: the next connection goes where it points now.
func TestDNSChanges(t *testing.T) {
	t.Parallel()
	var hits [2]atomic.Int32
	serve := func(address string, hit *atomic.Int32) net.Listener {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip(err) // the port is taken there
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			hit.Add(1)
			w.Header().Set("Connection", "close")
		})}
		go s.Serve(l)
		t.Cleanup(func() { s.Close() })
		return l
	}
	_, port, _ := net.SplitHostPort(serve("127.0.0.1:0", &hits[0]).Addr().String())
	serve("127.0.0.2:"+port, &hits[1])
	c := newClient(t, Options{AllowedNetworks: loopback, Resolver: names(t, func(n int) ([]string, dnsmessage.RCode, bool) {
		return []string{[]string{"127.0.0.1", "127.0.0.2"}[min(n, 1)]}, dnsmessage.RCodeSuccess, true
	})})
	for range 2 {
		expect(t, c.Do(t.Context(), requestTo(endpointAt("http://hook.example.com:"+port))), Delivered, ClassOK)
	}
	if hits[0].Load() != 1 || hits[1].Load() != 1 {
		t.Errorf("the servers got %d and %d requests", hits[0].Load(), hits[1].Load())
	}
}

// through are the options of a client with a proxy.
func through(t *testing.T, proxy string) Options {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Proxy: u}
}
