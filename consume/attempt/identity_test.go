package attempt

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
)

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// withClient returns an endpoint that shows a certificate for that name, and trusts the authority.
func withClient(t *testing.T, url, name string, ca *x509.Certificate, by *ecdsa.PrivateKey) *endpoint.Endpoint {
	t.Helper()
	pair := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, -time.Hour, time.Hour, ca, by)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	e := endpointAt(url)
	e.CA, e.ClientCertificate = certificatePEM(ca.Raw), certificatePEM(pair.Certificate[0])
	e.ClientKey = config.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	return e
}

// Each endpoint shows its own certificate, also where several are at one host, and believes its own authority.
func TestOwnCertificates(t *testing.T) {
	t.Parallel()
	ca, key := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "inside"}, IsCA: true}, nil, nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	s.TLS = &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		Certificates: []tls.Certificate{issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "receiver"}}, -time.Hour, time.Hour, ca, key)},
	}
	s.Config.ErrorLog = quiet
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := local(t)
	first, second := withClient(t, s.URL, "first", ca, key), withClient(t, s.URL, "second", ca, key)
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
	stranger, strangerKey := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "stranger"}, IsCA: true}, nil, nil)
	wrong := withClient(t, s.URL, "wrong", stranger, strangerKey)
	wrong.CA = first.CA
	expectRefused(t, c, wrong)
	unknown := withClient(t, s.URL, "first", ca, key)
	unknown.CA = certificatePEM(stranger.Raw)
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
	ca, key := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "inside"}, IsCA: true}, nil, nil)
	stranger, strangerKey := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "stranger"}, IsCA: true}, nil, nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.TLS = &tls.Config{
				MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
				Certificates: []tls.Certificate{issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "receiver"}}, -time.Hour, time.Hour, ca, key)},
			}
			s.Config.ErrorLog, s.EnableHTTP2 = quiet, http2
			s.StartTLS()
			t.Cleanup(s.Close)
			c := local(t)
			wrong := withClient(t, s.URL, "wrong", stranger, strangerKey)
			wrong.CA = certificatePEM(ca.Raw)
			for range 20 {
				expectRefused(t, c, wrong)
			}
		})
	}
}

// What a connection was told by an alert, which somebody else has read, is asked of it.
func TestAlertThatAnotherRead(t *testing.T) {
	t.Parallel()
	ca, _ := certify(t, &x509.Certificate{Subject: pkix.Name{CommonName: "inside"}, IsCA: true}, nil, nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	own := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "wrong"}}, -time.Hour, time.Hour, nil, nil)
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
