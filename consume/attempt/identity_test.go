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
	if res = c.Do(t.Context(), requestTo(wrong)); res.Class != ClassTLS && !strings.Contains(res.Detail, "may not accept it") {
		t.Errorf("a certificate that is not accepted: %s, %s", res.Class, res.Detail)
	}
	unknown := withClient(t, s.URL, "first", ca, key)
	unknown.CA = certificatePEM(stranger.Raw)
	expect(t, c.Do(t.Context(), requestTo(unknown)), Failed, ClassTLS)
	expect(t, c.Do(t.Context(), requestTo(endpointAt(s.URL))), Failed, ClassTLS)
}
