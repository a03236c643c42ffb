package main

import (
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"jethook/config/certificate/certtest"
)

// natsWith runs a nats-server with JetStream and further options.
func natsWith(t *testing.T, set func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, MaxPayload: 9 << 20,
	}
	set(opts)
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(limit) {
		t.Fatal("nats-server did not start")
	}
	return s
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// carries holds that a webhook gets through to an endpoint, fails there, comes again, and is listed.
func carries(t *testing.T, env ...string) {
	t.Helper()
	p := newProcess(t, append(env, "JETHOOK_RETRY_SCHEDULE=1s")...)
	sink := newSink(t, func(n int) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+sink.url+`","events":["webhooks.>"]}`, nil)
	p.postSigned(t, []byte(`{"id":"evt_1"}`))
	sink.await(t, "the event comes twice", func() bool { return sink.n == 2 })
	eventually(t, "it is delivered", func() bool {
		all, err := p.walk(t.Context(), "delivered")
		return err == nil && len(all) == 1 && all[0].Event == "evt_1"
	})
	var status struct {
		Incomplete []string `json:"incomplete"`
	}
	eventually(t, "a status that is complete", func() bool {
		p.api(t, "GET", "/api/v1/status", "", &status)
		return len(status.Incomplete) == 0
	})
}

// Each way to reach and to log in to a NATS server works.
func TestWaysToNATS(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]func(t *testing.T) []string{
		"a user and a password in a file, and a server that is down": func(t *testing.T) []string {
			s := natsWith(t, func(o *server.Options) { o.Username, o.Password = "jethook", "pass/word" })
			file := secretFile(t, "nats://jethook:pass%2Fword@"+freePort(t)+","+strings.Replace(s.ClientURL(), "nats://", "nats://jethook:pass%2Fword@", 1))
			return []string{"JETHOOK_NATS_URL_FILE=" + file}
		},
		"an nkey": func(t *testing.T) []string {
			pair, err := nkeys.CreateUser()
			if err != nil {
				t.Fatal(err)
			}
			public, err1 := pair.PublicKey()
			seed, err2 := pair.Seed()
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			s := natsWith(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
			return []string{"JETHOOK_NATS_URL=" + s.ClientURL(), "JETHOOK_NATS_NKEY=" + secretFile(t, string(seed))}
		},
		"a leaf node of the domain that holds the streams": func(t *testing.T) []string {
			address := freePort(t)
			natsWith(t, func(o *server.Options) {
				o.ServerName, o.JetStreamDomain = "hub", "hub"
				o.LeafNode = server.LeafNodeOpts{Host: "127.0.0.1", Port: portOf(t, address)}
			})
			leaf := natsWith(t, func(o *server.Options) {
				o.ServerName, o.JetStreamDomain = "leaf", "leaf"
				o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats", Host: address}}}}
			})
			t.Cleanup(func() {
				account, err := leaf.LookupAccount("$G")
				if err != nil || account.JetStreamUsage().Streams > 0 {
					t.Errorf("the leaf node holds streams: %v", err)
				}
			})
			return []string{"JETHOOK_NATS_URL=" + leaf.ClientURL(), "JETHOOK_NATS_DOMAIN=hub"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carries(t, env(t)...)
		})
	}
}

// A process that starts before its NATS server waits for it, and says so.
func TestStartsBeforeNATS(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+address)
	p.begin(t, exec.Command(binary, "serve"))
	eventually(t, "it says what it waits for", func() bool {
		return strings.Contains(p.log.String(), "waiting for the NATS cluster of JETHOOK_NATS_URL")
	})
	natsServer(t, address, t.TempDir())
	p.await(t, "readyz", http.StatusOK)
}

// A backup is made beside a process whose NATS listener takes clients by TLS alone.
func TestBackupBesideTLS(t *testing.T) {
	t.Parallel()
	ca, m := certtest.Authority(t, "test CA"), &mounted{dir: t.TempDir()}
	files := map[string]string{"ca": ca.CertPEM()}
	files["cert"], files["key"] = issue(t, ca, "jethook.internal")
	m.swap(t, files)
	p := newProcess(t, "JETHOOK_NATS_LISTEN_TLS_CERT="+m.path("cert"), "JETHOOK_NATS_LISTEN_TLS_KEY="+m.path("key"), "JETHOOK_NATS_LISTEN_TLS_CA="+m.path("ca"))
	p.start(t, "serve")
	p.postSigned(t, []byte(`{"id":"evt_1"}`))
	file := filepath.Join(t.TempDir(), "jethook.backup")
	p.must(t, "backup", file)
	if text := p.must(t, "restore", "--check", file); !strings.Contains(text, "1 message in") {
		t.Errorf("the backup holds %s", text)
	}
}
