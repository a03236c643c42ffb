package ingest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// TestStoreOutage stops the NATS server under a running endpoint and starts it again: meanwhile senders are
// asked to come back, then they are served again, and what they were told is stored is.
func TestStoreOutage(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	srv := startNATS(t, dir, port)
	cfg := config.Default()
	cfg.NATSURL = srv.ClientURL()
	bus := bustest.Open(t, cfg)
	url := serve(t, Options{Publisher: bus, Sources: []config.Source{plain("plain")}}) + "/webhooks/plain"
	event := func(n int) string { return fmt.Sprintf(`{"type":"a","id":"evt_%d"}`, n) }

	if resp, body := do(t, signed(t, url, event(1))); resp.StatusCode != 202 {
		t.Fatal(resp.Status, body)
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	resp, body := do(t, signed(t, url, event(2)))
	wantError(t, resp, body, 503, "unavailable")

	srv = startNATS(t, dir, port)
	retry, tooLong := time.Tick(50*time.Millisecond), time.After(20*time.Second)
	for resp.StatusCode != 202 {
		select {
		case <-retry:
			resp, body = do(t, signed(t, url, event(2)))
		case <-tooLong:
			t.Fatalf("still %d %s", resp.StatusCode, body)
		}
	}
	_, js := bustest.ClientOf(t, srv.ClientURL())
	stream, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != 2 {
		t.Errorf("%d events stored, want 2", got)
	}
}

func startNATS(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true, MaxPayload: 9 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

// freePort returns a port that nobody listens on, and that the system gives to nobody by itself: while the server is
// started again, another one's connection must not take it.
func freePort(t *testing.T) int {
	t.Helper()
	const first, last = 10_000, 32_000 // below the ephemeral ports
	for range 100 {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
