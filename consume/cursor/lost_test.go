package cursor_test

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config"
	"jethook/consume/cursor"
	"jethook/publish"
	"jethook/publish/topology"
)

// serve runs a nats-server on a store, on a free port when port is -1.
func serve(t *testing.T, port int, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { stop(s) })
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// A server that loses power may have lost what it told: the table has then what the bucket has, also when the bucket has
// come to later revisions since.
func TestBucketThatLostChanges(t *testing.T) {
	t.Parallel()
	open := func(url string) *publish.Bus {
		cfg := config.Default()
		cfg.NATSURL, cfg.DataDir = url, t.TempDir()
		bus, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(bus.Close)
		return bus
	}
	key := cursor.Key{Endpoint: "ep_a", Stream: topology.StreamEvents}
	store := func(bus *publish.Bus, key cursor.Key, phase cursor.Phase) {
		t.Helper()
		_, err := bus.Consumers().Records().Put(t.Context(), key.String(), fmt.Appendf(nil, `{"phase":%q,"epoch":"e","from":1}`, phase))
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, before := t.TempDir(), t.TempDir()
	s := serve(t, -1, dir)
	port := s.Addr().(*net.TCPAddr).Port
	setup := open(s.ClientURL())
	store(setup, key, cursor.Own)
	setup.Close()
	stop(s)
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}

	bus := open(serveAgain(t, &s, port, dir))
	table, changed := cursor.NewTable(bus, slog.New(slog.DiscardHandler)), make(chan cursor.Key, 100)
	ended := make(chan error)
	go func() { ended <- table.Run(t.Context(), func(k cursor.Key) { changed <- k }) }()
	t.Cleanup(func() { <-ended })
	store(bus, key, cursor.Leaving)
	for r := table.Of(key); r == nil || r.Phase != cursor.Leaving; r = table.Of(key) {
		<-changed
	}
	stop(s)

	// The store is as it was, and has gone on without the process.
	other := open(serveAgain(t, &s, -1, before))
	last := cursor.Key{}
	for n := range 3 {
		last = cursor.Key{Endpoint: fmt.Sprint("ep_", n), Stream: topology.StreamEvents}
		store(other, last, cursor.Own)
	}
	other.Close()
	stop(s)
	serveAgain(t, &s, port, before)
	for table.Of(last) == nil {
		<-changed
	}
	if err := table.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := table.Of(key); r == nil || r.Phase != cursor.Own {
		t.Errorf("the table has %+v", r)
	}
}

func serveAgain(t *testing.T, s **server.Server, port int, dir string) string {
	t.Helper()
	*s = serve(t, port, dir)
	return (*s).ClientURL()
}
