package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config/certificate/certtest"
)

// websockets starts a NATS server that also listens for websockets, and returns where.
func websockets(t *testing.T, secure *tls.Config) (url string) {
	t.Helper()
	return natsWith(t, func(o *server.Options) {
		o.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, TLSConfig: secure, NoTLS: secure == nil}
		o.Users = []*server.User{{Username: "jethook", Password: "secret"}}
	}).WebsocketURL()
}

// Jethook runs on a cluster that it reaches by websockets alone: in clear, by TLS under a CA of its own, and behind a proxy at
// a path.
func TestWebsockets(t *testing.T) {
	t.Parallel()
	ca := certtest.Authority(t, "test CA")
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(ca.CertPEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	own := ca.Sign(t, &x509.Certificate{DNSNames: []string{"localhost"}})
	secure := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own.TLS()}}
	named := func(url string) string {
		return strings.NewReplacer("127.0.0.1", "localhost", "://", "://jethook:secret@").Replace(url)
	}
	for name, set := range map[string]func(*testing.T) []string{
		"ws": func(t *testing.T) []string { return []string{"JETHOOK_NATS_URL=" + named(websockets(t, nil))} },
		"wss": func(t *testing.T) []string {
			return []string{"JETHOOK_NATS_URL=" + named(websockets(t, secure)), "JETHOOK_NATS_TLS_CA=" + file}
		},
		"proxy": func(t *testing.T) []string {
			return []string{"JETHOOK_NATS_URL=" + named(proxied(t, websockets(t, nil))) + "/nats/ws"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, set(t)...)
			p.start(t, "serve")
			_, came := bridged(t, p)
			if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status != http.StatusAccepted {
				t.Fatal(status)
			}
			came("evt_1")
			p.must(t, "event", "send", "order.paid", "--data", "{}", "--id", "evt_2")
			came("evt_2")
			ear := p.listening(t, "webhooks.>", "--since", "1h", "--limit", "1", "--json")
			if h := ear.heard(); h.ID != "evt_1" {
				t.Errorf("it hears %+v", h)
			}
			ear.end()
		})
	}
}

// proxied is a proxy in front of websockets, which it serves at a path alone.
func proxied(t *testing.T, target string) (address string) {
	t.Helper()
	to, err := url.Parse(strings.Replace(target, "ws://", "http://", 1))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/nats/ws", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.URL.Path = "/"
	}})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "http://", "ws://", 1)
}
