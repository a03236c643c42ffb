package bustest

import (
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/publish"
	"jethook/publish/event"
)

// Settings are those of a bus on its own embedded server that nothing else reaches.
func Settings(t testing.TB) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.NATSListen = "127.0.0.1:0"
	cfg.NATSAdminToken = config.NewSecret(AdminToken)
	cfg.Sync = quantity.Sync(2 * time.Minute) // tests are not after power cuts
	return cfg
}

// AdminToken is that of the embedded servers of the tests.
const AdminToken = "an-operator-of-the-tests"

// Open opens a bus that closes with its test.
func Open(t testing.TB, cfg *config.Config) *publish.Bus {
	t.Helper()
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Client is an operator's NATS client.
func Client(t testing.TB, b *publish.Bus) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	return ClientOf(t, b.Server().ClientURL(), nats.Token(AdminToken))
}

// ClientOf is a NATS client that closes with its test.
func ClientOf(t testing.TB, url string, opts ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// Event is a webhook with an id.
func Event(id string) *event.Event {
	return &event.Event{
		ID: id, Type: "device.down", Source: "polaris", Subject: "webhooks.polaris.device.down",
		Received: time.Now(), ContentType: "application/json", Body: []byte(`{"id":"` + id + `"}`),
		Header: nats.Header{"X-Kept": {"yes"}},
	}
}

// NATSServer starts a nats-server that not everybody may use.
func NATSServer(t *testing.T, guard func(*server.Options)) (url string) {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}
	guard(opts)
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	return srv.ClientURL()
}

// Keys of the tests.
const (
	OneKey     = "one-key-of-the-tests-0123456789ab"
	AnotherKey = "another-key-of-the-tests-01234567"
)

// Fill has put store n messages, and returns when they are there.
func Fill(t testing.TB, n int, put func(i int, done func(error))) {
	t.Helper()
	var stored sync.WaitGroup
	room := make(chan struct{}, 1000) // stored in a moment, also by a busy machine
	for i := range n {
		room <- struct{}{}
		stored.Add(1)
		put(i, func(err error) {
			if err != nil {
				t.Error(err)
			}
			<-room
			stored.Done()
		})
	}
	stored.Wait()
}
