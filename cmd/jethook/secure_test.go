package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"jethook/config/certificate/certtest"
)

// issue returns a certificate for a name, and its key, both in PEM.
func issue(t *testing.T, ca *certtest.Pair, name string) (cert, key string) {
	t.Helper()
	own := ca.Sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}})
	return own.CertPEM(), own.KeyPEM(t)
}

// trusting trusts the authority, and takes every server for the one of that name.
func trusting(ca *certtest.Pair, name string) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), ServerName: name}
}

// shown is the name on the certificate that a listener shows.
func shown(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// Every listener speaks TLS alone, by certificates that are swapped while the process runs, and the commands find it.
func TestListenersWithTLS(t *testing.T) {
	t.Parallel()
	ca := certtest.Authority(t, "test CA")
	m := &mounted{dir: t.TempDir()}
	files := map[string]string{"ca": ca.CertPEM()}
	renew := func(name string) { files["cert"], files["key"] = issue(t, ca, name) }
	renew("jethook.internal")
	m.swap(t, files)
	p := newProcess(t, "JETHOOK_NATS_TOKEN=the-token-of-services", "JETHOOK_NATS_LISTEN_TLS_CA="+m.path("ca"))
	for _, listener := range []string{"", "ADMIN_", "NATS_LISTEN_"} {
		p.env = append(p.env, "JETHOOK_"+listener+"TLS_CERT="+m.path("cert"), "JETHOOK_"+listener+"TLS_KEY="+m.path("key"))
	}
	p.log = &processLog{}
	p.cmd = exec.Command(binary, "serve")
	p.cmd.Env, p.cmd.Stderr = p.env, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(ca, "jethook.internal"), DisableKeepAlives: true}}
	ask := func(method, url string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		res, err := secure.Transport.RoundTrip(req)
		if err != nil {
			return nil
		}
		res.Body.Close()
		return res
	}
	p.until(t, "the admin listener is ready", func() bool {
		res := ask("GET", "https://"+p.admin+"/readyz")
		return res != nil && res.StatusCode == http.StatusOK
	})

	req, err := p.signed(t.Context(), []byte(`{"id":"evt_1","type":"a"}`), secret)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Scheme = "https"
	if res, err := secure.Do(req); err != nil || res.StatusCode != http.StatusAccepted {
		t.Errorf("webhook: %v, %v", res, err)
	}
	if res, err := http.Get("http://" + p.public + "/healthz"); err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %v, %v", res, err)
	}

	// The commands of this machine trust the file, elsewhere the CA.
	run := func(env []string, args ...string) string {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(p.env[:len(p.env):len(p.env)], env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("jethook %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run(nil, "health")
	run(nil, "source", "ls")
	link := run(nil, "dashboard", "--no-open")
	res := ask("GET", link)
	if !strings.HasPrefix(link, "https://") || res == nil || len(res.Cookies()) == 0 || !res.Cookies()[0].Secure {
		t.Errorf("%s: %+v", link, res)
	}
	_, port, _ := net.SplitHostPort(p.admin)
	cmd := exec.Command(binary, "source", "ls", "--admin", "https://localhost:"+port)
	cmd.Env = append(p.env[:len(p.env):len(p.env)], "JETHOOK_ADMIN_CA="+m.path("ca"))
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "valid for jethook.internal, not localhost") {
		t.Errorf("another name: %v: %s", err, out)
	}

	// NATS clients begin TLS after the greeting, with a certificate and a token.
	cert, key := issue(t, ca, "a service")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	known := trusting(ca, "jethook.internal")
	known.Certificates = []tls.Certificate{pair}
	nc, err := nats.Connect("nats://"+p.nats, nats.Secure(known), nats.Token("the-token-of-services"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	got, err := nc.SubscribeSync("events.large")
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), 300_000)
	if err := nc.Publish("events.large", large); err != nil {
		t.Fatal(err)
	}
	if msg, err := got.NextMsg(limit); err != nil || !bytes.Equal(msg.Data, large) {
		t.Errorf("a large message: %v", err)
	}
	if nc, err := nats.Connect("nats://"+p.nats, nats.Secure(known), nats.Token("wrong")); err == nil {
		nc.Close()
		t.Error("a wrong token got in")
	}
	if nc, err := nats.Connect("nats://"+p.nats, nats.Secure(trusting(ca, "jethook.internal")), nats.Token("the-token-of-services")); err == nil {
		nc.Close()
		t.Error("a client without a certificate got in")
	}

	// Half of a new pair changes nothing, the whole of it everything but the connections that stand.
	before := files["key"]
	renew("new.internal")
	whole := files["key"]
	files["key"] = before
	m.swap(t, files)
	p.signal(t, syscall.SIGHUP)
	p.until(t, "a word about a certificate without its key", func() bool { return strings.Contains(p.log.String(), "JETHOOK_ADMIN_TLS_CERT") })
	if name := shown(t, p.public); name != "jethook.internal" {
		t.Errorf("after half a pair %s is shown", name)
	}
	files["key"] = whole
	m.swap(t, files)
	p.signal(t, syscall.SIGHUP)
	for _, address := range []string{p.public, p.admin} {
		p.until(t, "the new certificate is shown", func() bool { return shown(t, address) == "new.internal" })
	}
	if err := nc.Publish("events.large", []byte("again")); err != nil {
		t.Fatal(err)
	}
	if _, err := got.NextMsg(limit); err != nil {
		t.Errorf("the connection from before: %v", err)
	}
	known.ServerName = "new.internal"
	p.until(t, "NATS clients see the new certificate", func() bool {
		nc, err := nats.Connect("nats://"+p.nats, nats.Secure(known), nats.Token("the-token-of-services"))
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	run(nil, "health")
	if strings.Contains(p.log.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
}
