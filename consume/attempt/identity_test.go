package attempt

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"jethook/config"
	"jethook/config/certificate/certtest"
	"jethook/consume/endpoint"
)

// withClient returns an endpoint that shows a certificate for that name, and trusts the authority.
func withClient(t *testing.T, url, name string, ca *certtest.Pair) *endpoint.Endpoint {
	t.Helper()
	own := issue(t, ca, named(name))
	e := endpointAt(url)
	e.CA, e.ClientCertificate, e.ClientKey = ca.CertPEM(), own.CertPEM(), config.NewSecret(own.KeyPEM(t))
	return e
}

// Each endpoint shows its own certificate, also where several are at one host, and believes its own authority.
func TestOwnCertificates(t *testing.T) {
	t.Parallel()
	ca := certtest.Authority(t, "inside")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	s.TLS = &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
		Certificates: []tls.Certificate{issue(t, ca, named("receiver")).TLS()},
	}
	s.Config.ErrorLog = quiet
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := local(t)
	first, second := withClient(t, s.URL, "first", ca), withClient(t, s.URL, "second", ca)
	for range 3 { // connections and sessions are used again, each by its own
		for want, e := range map[string]*endpoint.Endpoint{"first": first, "second": second} {
			res := c.Do(t.Context(), requestTo(e))
			expect(t, res, Delivered, ClassOK)
			if string(res.Response) != want {
				t.Errorf("the receiver saw %q, want %q", res.Response, want)
			}
		}
	}
	none := endpointAt(s.URL)
	none.CA = first.CA
	res := c.Do(t.Context(), requestTo(none))
	expect(t, res, Failed, ClassTLS)
	if !strings.Contains(res.Detail, "wants a client certificate") {
		t.Errorf("detail %q", res.Detail)
	}
	stranger := certtest.Authority(t, "stranger")
	wrong := withClient(t, s.URL, "wrong", stranger)
	wrong.CA = first.CA
	expectRefused(t, c, wrong)
	unknown := withClient(t, s.URL, "first", ca)
	unknown.CA = stranger.CertPEM()
	expect(t, c.Do(t.Context(), requestTo(unknown)), Failed, ClassTLS)
	expect(t, c.Do(t.Context(), requestTo(endpointAt(s.URL))), Failed, ClassTLS)
}

// expectRefused makes a request to an endpoint that does not accept the client's certificate. The server may have reset the
// connection while the request was on its way, and then its alert is lost.
func expectRefused(t *testing.T, c *Client, e *endpoint.Endpoint) {
	t.Helper()
	res := c.Do(t.Context(), requestTo(e))
	if lost := res.Class == ClassConnectionReset && strings.Contains(res.Detail, "may not accept it"); res.Class != ClassTLS && !lost {
		t.Errorf("a certificate that is not accepted: %s, %s", res.Class, res.Detail)
	}
}

// A server of TLS 1.3 says that it does not accept a certificate when the client takes the handshake to be over. That is
// told from a connection that ended, by HTTP/1.1 and HTTP/2, at whatever moment the alert comes.
func TestAlertAfterTheHandshake(t *testing.T) {
	t.Parallel()
	ca := certtest.Authority(t, "inside")
	stranger := certtest.Authority(t, "stranger")
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.TLS = &tls.Config{
				MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
				Certificates: []tls.Certificate{issue(t, ca, named("receiver")).TLS()},
			}
			s.Config.ErrorLog, s.EnableHTTP2 = quiet, http2
			s.StartTLS()
			t.Cleanup(s.Close)
			c := local(t)
			wrong := withClient(t, s.URL, "wrong", stranger)
			wrong.CA = ca.CertPEM()
			for range 20 {
				expectRefused(t, c, wrong)
			}
		})
	}
}

// What a connection was told by an alert, which somebody else has read, is asked of it.
func TestAlertThatAnotherRead(t *testing.T) {
	t.Parallel()
	ca := certtest.Authority(t, "inside")
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	own := issue(t, nil, named("wrong")).TLS()
	conn, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	var h handshake
	h.conn.Store(conn)
	res := Result{Class: ClassConnectionReset}
	h.explain(&res, err)
	if res.Class != ClassTLS || !strings.Contains(res.Detail, "tls: ") || conn.Close() != nil {
		t.Errorf("%s, %s (%v)", res.Class, res.Detail, err)
	}
}
