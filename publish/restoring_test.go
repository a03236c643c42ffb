package publish_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/publish/backup"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/stores"
	"jethook/publish/topology"
)

const backedUpEvents = 64

// backedUp is a backup of a store with events of 100 KB.
func backedUp(t *testing.T) []byte {
	t.Helper()
	cfg := bustest.Settings(t)
	b := bustest.Open(t, cfg)
	var events []*event.Event
	for i := range backedUpEvents {
		e := bustest.Event(fmt.Sprint("evt_", i))
		e.Body = make([]byte, 100_000)
		rand.Read(e.Body)
		events = append(events, e)
	}
	if err := b.PublishAll(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	b.Close()
	store, err := stores.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var whole bytes.Buffer
	if _, err := backup.Write(t.Context(), store, &whole, backup.Options{Progress: t.Logf}); err != nil {
		t.Fatal(err)
	}
	return whole.Bytes()
}

// hasAll checks that what was backed up is on a cluster, from which processes may start.
func hasAll(t *testing.T, cfg *config.Config) {
	t.Helper()
	bustest.Open(t, cfg)
	_, js := bustest.ClientOf(t, cfg.NATSURL)
	s, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != backedUpEvents {
		t.Errorf("it has %d events, want %d", n, backedUpEvents)
	}
}

// A restore waits for a cluster of which not all servers are there that its streams need, says what it waits for, and goes on
// once they are.
func TestRestoreWaitsForTheCluster(t *testing.T) {
	t.Parallel()
	whole, cluster := backedUp(t), nodes(t)
	for _, node := range cluster[:2] { // these form a cluster, which the third joins
		node.Routes = node.Routes[:2]
	}
	cfg := onCluster(startNode(t, cluster[0]))
	startNode(t, cluster[1])
	log := listenFor("no suitable peers")
	restored := make(chan error, 1)
	go func() {
		restored <- func() error {
			target, err := stores.BeginRestore(t.Context(), cfg, backup.Streams(), false, slog.New(log))
			if err != nil {
				return err
			}
			defer target.Close()
			if _, err := backup.Restore(t.Context(), target, &keyring.Keyring{}, bytes.NewReader(whole), backup.Options{Progress: t.Logf}); err != nil {
				return err
			}
			return target.Finish(t.Context())
		}()
	}()
	select {
	case <-log.lines:
	case err := <-restored:
		t.Fatalf("it does not wait: %v", err)
	}
	startNode(t, cluster[2])
	if err := <-restored; err != nil {
		t.Fatal(err)
	}
	hasAll(t, cfg)
}

// hooked is a reader that calls do once so many bytes were read.
type hooked struct {
	io.Reader
	left int
	do   func()
}

func (h *hooked) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if before := h.left; before > 0 {
		if h.left -= n; h.left <= 0 {
			h.do()
		}
	}
	return n, err
}

// The server that takes a stream goes away in the middle of it: the restore begins anew, and all is there in the end.
func TestRestoreOutlivesALeader(t *testing.T) {
	t.Parallel()
	whole, cluster := backedUp(t), nodes(t)
	var urls []string
	var servers []*server.Server
	for _, node := range cluster {
		servers = append(servers, startServer(t, node))
		urls = append(urls, servers[len(servers)-1].ClientURL())
	}
	cfg := onCluster(strings.Join(urls, ","))
	target, err := stores.BeginRestore(t.Context(), cfg, backup.Streams(), false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	attempts, stopped := 0, ""
	stop := func() {
		for i, srv := range servers {
			if srv.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, topology.StreamWebhooks) {
				stopped = srv.Name()
				srv.Shutdown()
				srv.WaitForShutdown()
				servers[i] = startServer(t, cluster[i])
				return
			}
		}
	}
	if err := target.Attempt(t.Context(), t.Logf, func() error {
		attempts++
		from := &hooked{bytes.NewReader(whole), 0, stop}
		if attempts == 1 {
			from.left = len(whole) / 2
		}
		_, err := backup.Restore(t.Context(), target, &keyring.Keyring{}, from, backup.Options{Progress: t.Logf})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if stopped == "" || attempts < 2 {
		t.Errorf("%d attempts; stopped: %q", attempts, stopped)
	}
	if err := target.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	hasAll(t, cfg)
}
