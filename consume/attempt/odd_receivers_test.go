package attempt

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"jethook/config/certificate/certtest"
	"jethook/consume/endpoint"
)

// Receivers behind gateways answer 411 to a request without a length.
func TestContentLengthIsAlwaysSent(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	for _, size := range []int{0, 1, 8 << 20} {
		r := requestTo(endpointAt(url))
		r.Body = bytes.Repeat([]byte("x"), size)
		expect(t, local(t).Do(t.Context(), r), Delivered, ClassOK)
		if r := <-got; r.length != int64(size) || r.header.Get("Transfer-Encoding") != "" {
			t.Errorf("%d bytes came with the length %d", size, r.length)
		}
	}
}

// 304 tells a browser that its copy is current: it leads nowhere.
func TestNotModifiedIsNoRedirect(t *testing.T) {
	t.Parallel()
	url := rawServer(t, answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n"))
	res := local(t).Do(t.Context(), requestTo(endpointAt(url)))
	expect(t, res, Failed, ClassStatus)
	if res.Detail != "answered 304 Not Modified" {
		t.Errorf("got %q", res.Detail)
	}
}

// The commonest mistake is an address that redirects to another spelling of itself: the detail says which, without what
// may be secret.
func TestRedirectNamesItsTarget(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"https://www.example.com/hook?token=s3cret#x": "https://www.example.com/hook",
		"/hook/":                        "http://HOST/hook/",
		"https://user:s3cret@other.com": "https://other.com",
		"http://[bad":                   "",
		"":                              "",
		"https://x.com/" + strings.Repeat("a", 4000): "",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header()["Location"] = []string{location}
			}
			w.WriteHeader(http.StatusPermanentRedirect)
		}))
		t.Cleanup(s.Close)
		res := local(t).Do(t.Context(), requestTo(endpointAt(s.URL)))
		expect(t, res, Failed, ClassRedirect)
		want = strings.Replace(want, "HOST", s.Listener.Addr().String(), 1)
		if want != "" {
			want = " to " + want
		}
		if want = "answered 308 Permanent Redirect" + want + ", and redirects are not followed"; res.Detail != want {
			t.Errorf("%q: got %q, want %q", location, res.Detail, want)
		}
	}
}

// A server that wants a client's certificate says so only after the handshake of TLS 1.3, when a large body is on its way
// and the reset that follows is all that is seen.
func TestServerWantsACertificate(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, size := range []int{0, 100, 8 << 20} {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version}
			s.Config.ErrorLog = quiet
			s.StartTLS()
			t.Cleanup(s.Close)
			c := trusting(t, s)
			r := requestTo(endpointAt(s.URL))
			r.Body = bytes.Repeat([]byte("x"), size)
			res := c.Do(t.Context(), r)
			expect(t, res, Failed, ClassTLS)
			if !strings.Contains(res.Detail, "client certificate") {
				t.Errorf("%x, %d bytes: got %q", version, size, res.Detail)
			}
		}
	}
}

// A certificate whose chain lacks its intermediate opens in browsers, which fetch it, and nowhere else.
func TestChainWithoutItsIntermediate(t *testing.T) {
	t.Parallel()
	root, intermediate, leaf := chain(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	c := local(t)
	c.transport.TLSClientConfig.RootCAs = root.Pool()
	res := c.Do(t.Context(), requestTo(endpointAt(s.URL)))
	expect(t, res, Failed, ClassTLS)
	if !strings.Contains(res.Detail, "the certificate chain is incomplete") {
		t.Errorf("got %q", res.Detail)
	}
	s.TLS.Certificates[0].Certificate = append(s.TLS.Certificates[0].Certificate, intermediate.Cert.Raw)
	expect(t, c.Do(t.Context(), requestTo(endpointAt(s.URL))), Delivered, ClassOK)
}

// A 2xx is a delivery once its header and the part of the body that is kept are here. What goes on after that must not hold
// the endpoint's place.
func TestEndlessBodyDoesNotHoldItsPlace(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "little": "ok", "much": strings.Repeat("x", 2*maxResponse),
	} {
		url := rawServer(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"+text))
		e := endpointAt(url)
		e.Timeout = endpoint.Duration(30 * time.Second)
		res := local(t).Do(t.Context(), requestTo(e))
		expect(t, res, Delivered, ClassOK)
		if !res.Truncated || len(res.Response) != min(len(text), maxResponse) {
			t.Errorf("%s: kept %d bytes", name, len(res.Response))
		}
		within(t, res, 10*time.Second) // a third of the timeout: it was not waited for
	}
}

// A server that is about to go, or full, says of a request that it did nothing with it: no attempt was made.
func TestRefusedStreams(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*http2.Framer, uint32) error{
		"REFUSED_STREAM": func(f *http2.Framer, id uint32) error { return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"GOAWAY": func(f *http2.Framer, _ uint32) error {
			return f.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
		},
	} {
		url, c := http2Server(t, refuse)
		e := endpointAt(url)
		e.Timeout = endpoint.Duration(5 * time.Second)
		res := c.Do(t.Context(), requestTo(e))
		expect(t, res, Later, ClassRefused)
		if !strings.Contains(res.Detail, name) {
			t.Errorf("%s: got %q", name, res.Detail)
		}
	}
}

// http2Server answers the header of every stream by refuse, and closes the connection.
func http2Server(t *testing.T, refuse func(*http2.Framer, uint32) error) (url string, c *Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.StartTLS()
	t.Cleanup(s.Close)
	c = trusting(t, s)
	cfg := s.TLS.Clone()
	cfg.NextProtos = []string{"h2"}
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
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
			go serveHTTP2(conn, refuse)
		}
	}()
	return fmt.Sprintf("https://%s/", l.Addr()), c
}

func serveHTTP2(conn net.Conn, refuse func(*http2.Framer, uint32) error) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if f.WriteSettings() != nil {
		return
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok && refuse(f, h.StreamID) != nil {
			return
		}
	}
}

// trusting returns a client that may reach the tests' own servers and takes the certificate of one.
func trusting(t *testing.T, s *httptest.Server) *Client {
	t.Helper()
	c := local(t)
	c.transport.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return c
}

// chain returns an authority, one that it has signed, and a certificate for 127.0.0.1 of that one without the other.
func chain(t *testing.T) (root, intermediate *certtest.Pair, leaf tls.Certificate) {
	t.Helper()
	root = certtest.Authority(t, "root")
	intermediate = root.Sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "between"}, IsCA: true})
	own := intermediate.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "leaf"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IssuingCertificateURL: []string{"http://ca.example.com/between.crt"},
	})
	return root, intermediate, own.TLS()
}

// What an operator pasted into a URL's query arrives, escaped: sent as it is, it breaks the request's first line, and the
// receiver answers 400 for ever.
func TestQueryIsEscaped(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.RawQuery }))
	t.Cleanup(s.Close)
	for query, want := range map[string]string{
		"team=a b":         "team=a%20b",
		"team=Zürich":      "team=Z%C3%BCrich",
		"q=%20+&x=\"<>":    "q=%20+&x=%22%3C%3E",
		"plain=1&other[]=": "plain=1&other[]=",
	} {
		expect(t, local(t).Do(t.Context(), requestTo(endpointAt(s.URL+"/a b?"+query))), Delivered, ClassOK)
		if got := <-asked; got != want {
			t.Errorf("%q: sent %q, want %q", query, got, want)
		}
	}
}
