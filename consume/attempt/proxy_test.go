package attempt

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// proxyServer is an HTTP proxy that works, for whoever shows the password. It notes what it is asked for.
func proxyServer(t *testing.T) (address string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var list []string
	address = tcpServer(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		mu.Lock()
		list = append(list, req.Method+" "+req.RequestURI)
		mu.Unlock()
		if req.Header.Get("Proxy-Authorization") != "Basic dXNlcjpzM2NyZXQ=" { // user:s3cret
			_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
			return
		}
		to, err := net.Dial("tcp", req.RequestURI)
		if err != nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		relay(conn, in, to)
	})
	return address, func() []string { mu.Lock(); defer mu.Unlock(); return list }
}

func relay(conn net.Conn, in io.Reader, to net.Conn) {
	defer to.Close()
	go func() { _, _ = io.Copy(conn, to); conn.Close() }()
	_, _ = io.Copy(to, in)
}

func httpProxyFaults(t *testing.T) []fault {
	target, _ := recorder(t)
	working, _ := proxyServer(t)
	const quick = 300 * time.Millisecond
	says := func(text string) Options {
		return through(t, "http://user:s3cret@"+strings.TrimPrefix(rawServer(t, answer(text)), "http://"))
	}
	resolver := dnsServer(t, "10.0.0.1")
	guarded := through(t, "http://user:s3cret@"+working)
	guarded.Resolver = resolver
	const its = "the proxy of JETHOOK_EGRESS_PROXY "
	return []fault{
		{name: "through a proxy", url: target, options: through(t, "http://user:s3cret@"+working), verdict: Delivered, class: ClassOK},
		{name: "a proxy that is asked for a private address", url: "http://hook.example.com", options: guarded, class: ClassAddressRefused, words: "10.0.0.1 is not a public address"},
		{name: "a proxy without its password", url: target, options: through(t, "http://"+working), verdict: Aborted, class: ClassProxy, words: its + "answered 407 Proxy Authentication Required"},
		{name: "a proxy that forbids", url: target, options: says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), verdict: Aborted, class: ClassProxy, words: its + "answered 403"},
		{name: "a proxy that can't reach the address", url: "http://" + closedPort(t), options: through(t, "http://user:s3cret@"+working), verdict: Later, class: ClassProxy, words: its + "answered 502 Bad Gateway"},
		{name: "a proxy that is down", url: target, options: through(t, "http://user:s3cret@"+closedPort(t)), verdict: Aborted, class: ClassProxy, words: its + "can't be reached"},
		{name: "a proxy that hangs", url: target, timeout: quick, options: through(t, "http://user:s3cret@"+tcpServer(t, hold)), verdict: Aborted, class: ClassProxy, words: its + "does not answer"},
		{name: "a proxy that resets", url: target, options: through(t, "http://user:s3cret@"+tcpServer(t, reset)), verdict: Aborted, class: ClassProxy, words: its},
		{name: "a proxy that is none", url: target, options: says("SSH-2.0-OpenSSH_9.6\r\n\r\n"), verdict: Aborted, class: ClassProxy, words: its + "gives no answer"},
		{name: "a dead receiver behind a proxy", url: rawServer(t, reset), options: through(t, "http://user:s3cret@"+working), class: ClassConnectionReset, words: "ended"},
	}
}

// socksServer speaks SOCKS5 as far as a request for an IPv4 address, and answers it with a code; 0: it connects.
func socksServer(t *testing.T, code byte) string {
	t.Helper()
	return tcpServer(t, func(conn net.Conn) {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		if _, err := io.ReadFull(conn, make([]byte, head[1])); err != nil {
			return
		}
		_, _ = conn.Write([]byte{5, 0})
		req := make([]byte, 10)
		if _, err := io.ReadFull(conn, req); err != nil || req[3] != 1 {
			return
		}
		var to net.Conn
		if code == 0 {
			var err error
			if to, err = net.DialTCP("tcp", nil, &net.TCPAddr{IP: req[4:8], Port: int(binary.BigEndian.Uint16(req[8:]))}); err != nil {
				code = 5
			}
		}
		_, _ = conn.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
		if to != nil {
			relay(conn, conn, to)
		}
	})
}

func socksFaults(t *testing.T) []fault {
	target, _ := recorder(t)
	at := func(address string) Options { return through(t, "socks5://"+address) }
	return []fault{
		{name: "through SOCKS5", url: target, options: at(socksServer(t, 0)), verdict: Delivered, class: ClassOK},
		{name: "SOCKS5 fails", url: target, options: at(socksServer(t, 1)), verdict: Aborted, class: ClassProxy, words: "general SOCKS server failure"},
		{name: "SOCKS5 forbids", url: target, options: at(socksServer(t, 2)), verdict: Aborted, class: ClassProxy, words: "not allowed"},
		{name: "SOCKS5 can't reach the host", url: target, options: at(socksServer(t, 4)), verdict: Later, class: ClassProxy, words: "answered: host unreachable"},
		{name: "SOCKS5 is down", url: target, options: at(closedPort(t)), verdict: Aborted, class: ClassProxy, words: "makes no connection"},
		{name: "SOCKS5 hangs", url: target, timeout: 300 * time.Millisecond, options: at(tcpServer(t, hold)), verdict: Aborted, class: ClassProxy, words: "does not answer"},
	}
}

// The proxy is asked for addresses that were checked here, never for a name: it could stand for another address there.
func TestProxyIsAskedForAddresses(t *testing.T) {
	t.Parallel()
	target, _ := recorder(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(target, "http://"))
	address, asked := proxyServer(t)
	o := through(t, "http://user:s3cret@"+address)
	o.AllowedNetworks = loopback
	o.Resolver = names(t, func(int) ([]string, dnsmessage.RCode, bool) {
		return []string{"10.0.0.1", "127.0.0.9", "127.0.0.1"}, dnsmessage.RCodeSuccess, true
	})
	expect(t, newClient(t, o).Do(t.Context(), requestTo(endpointAt("http://hook.example.com:"+port))), Delivered, ClassOK)
	got := strings.Join(asked(), ", ")
	if !strings.HasSuffix(got, "CONNECT 127.0.0.1:"+port) || strings.Contains(got, "10.0.0.1") || strings.Contains(got, "example") {
		t.Errorf("asked for %s", got)
	}
}

// TLS to the receiver goes through the proxy with the receiver's name.
func TestProxyCarriesTLS(t *testing.T) {
	t.Parallel()
	address, _ := proxyServer(t)
	for _, f := range tlsFaults(t) {
		if f.words != "the certificate is for a.example, b.example, not for 127.0.0.1" && f.verdict != Delivered {
			continue
		}
		o := through(t, "http://user:s3cret@"+address)
		o.AllowedNetworks = loopback
		c := newClient(t, o)
		c.transport.TLSClientConfig.RootCAs = f.roots
		res := c.Do(t.Context(), requestTo(endpointAt(f.url)))
		expect(t, res, f.verdict, f.class)
		if !strings.Contains(res.Detail, f.words) {
			t.Errorf("detail %q", res.Detail)
		}
	}
}
