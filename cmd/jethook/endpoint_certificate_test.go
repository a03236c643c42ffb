package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jethook/config/certificate/certtest"
)

// An endpoint inside a company, whose certificate its own authority signed and which wants one of Jethook: made by flags,
// tried, described by a manifest that changes nothing, and its key shown nowhere.
func TestEndpointWithCertificates(t *testing.T) {
	t.Parallel()
	ca := certtest.Authority(t, "test CA")
	cert, key := issue(t, ca, "localhost")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	s.StartTLS()
	t.Cleanup(s.Close)
	url := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)

	dir := t.TempDir()
	own, ownKey := issue(t, ca, "jethook")
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, content := range map[string]string{"ca": ca.CertPEM(), "cert": own, "key": ownKey} {
		if err := os.WriteFile(path(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newProcess(t, "JETHOOK_ENCRYPTION_KEY=a-key-of-the-tests-0123456789abcd", "JETHOOK_ALLOWED_NETWORKS=127.0.0.0/8,::1", "CLIENT_KEY="+ownKey)
	p.start(t, "serve")
	said := p.run(t, "endpoint", "add", "--name", "inside", "--url", url, "--events", "events.>",
		"--ca-file", path("ca"), "--client-cert-file", path("cert"), "--client-key-file", path("key"))
	said += p.run(t, "endpoint", "test", "inside")
	said += p.run(t, "endpoint", "show", "inside", "--json")
	if !strings.Contains(said, `"client_certificate":"-----BEGIN CERTIFICATE`) {
		t.Errorf("got %s", said)
	}
	exported := p.run(t, "endpoint", "export")
	manifest := manifestFile(t, exported)
	said += p.run(t, "endpoint", "apply", "-f", manifest)
	if !strings.Contains(said, "up to date") {
		t.Errorf("what was exported is a change: %s", said)
	}
	manifest = manifestFile(t, strings.Replace(exported, "    client_certificate:", "    client_key: ${CLIENT_KEY}\n    client_certificate:", 1))
	if out := p.run(t, "endpoint", "apply", "-f", manifest); !strings.Contains(out, "up to date") {
		t.Errorf("with the same key there is a change: %s", out)
	}
	p.run(t, "endpoint", "rm", "inside", "--yes")
	said += p.run(t, "endpoint", "apply", "-f", manifest)
	said += p.run(t, "endpoint", "test", "inside")
	said += p.run(t, "endpoint", "update", "inside", "--clear", "client_certificate")
	if text := said + exported + p.log.String(); strings.Contains(text, "PRIVATE KEY") {
		t.Errorf("the key is shown: %s", text)
	}
	if got := p.run(t, "endpoint", "show", "inside", "--json"); strings.Contains(got, "client_certificate") || !strings.Contains(got, `"ca":`) {
		t.Errorf("after --clear: %s", got)
	}
}
