package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
)

// nodes are the options of a cluster of three that are to be started one after the other.
func nodes(t *testing.T) []*server.Options {
	t.Helper()
	var routes []*url.URL
	all := make([]*server.Options, 3)
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
		all[i] = &server.Options{
			ServerName: fmt.Sprint("node-", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: port},
		}
	}
	for i := range all {
		all[i].Routes = routes
	}
	return all
}

func startNode(t *testing.T, opts *server.Options) (url string) {
	t.Helper()
	return startServer(t, opts).ClientURL()
}

func startServer(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	return srv
}

func onCluster(url string) *config.Config {
	cfg := config.Default()
	cfg.NATSURL, cfg.MaxBody, cfg.Replicas = url, 1<<19, 3
	return cfg
}

// heard is a log that tells of each line that holds a text.
type heard struct {
	slog.Handler
	text  string
	lines chan string
}

func listenFor(text string) heard {
	return heard{slog.DiscardHandler, text, make(chan string, 100)}
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return h }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if strings.Contains(line, h.text) {
		h.lines <- line
	}
	return nil
}

// Four processes start at once on a cluster of which a majority is not there yet: each says what it waits for, and all of
// them start once it is.
func TestStartingWaitsForTheCluster(t *testing.T) {
	t.Parallel()
	cluster := nodes(t)
	cfg := onCluster(startNode(t, cluster[0]))
	var running sync.WaitGroup
	var logs []heard
	opened := make(chan *publish.Bus, 4)
	for range cap(opened) {
		log := listenFor("waiting for")
		logs = append(logs, log)
		running.Go(func() {
			defer close(log.lines)
			b, err := publish.Open(t.Context(), cfg, slog.New(log))
			if err != nil {
				t.Errorf("the process ended: %v", err)
				return
			}
			opened <- b
		})
	}
	defer running.Wait()
	for _, log := range logs {
		if said := <-log.lines; !strings.Contains(said, "JetStream") {
			t.Errorf("it does not say what it waits for: %s", said)
		}
	}
	for _, node := range cluster[1:] {
		startNode(t, node)
	}
	running.Wait()
	close(opened)
	for b := range opened {
		if _, err := b.Publish(t.Context(), bustest.Event("evt_1")); err != nil {
			t.Error(err)
		}
		b.Close()
	}
}

// Waiting ends with its context, and says what it waited for.
func TestStartingGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	cfg, log := onCluster(startNode(t, nodes(t)[0])), listenFor("waiting for")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-log.lines
		cancel()
	}()
	if _, err := publish.Open(ctx, cfg, slog.New(log)); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "JetStream") {
		t.Errorf("got %v", err)
	}
}

// A login that may do everything but answer is told so by the subject: processes could not tell each other how they fare.
func TestStartingNeedsAnswers(t *testing.T) {
	t.Parallel()
	url := bustest.NATSServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "jethook", Password: "secret", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"_INBOX.>"}},
		}}}
	})
	cfg := onCluster(strings.Replace(url, "nats://", "nats://jethook:secret@", 1))
	cfg.Replicas = 1
	if b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil {
		b.Close()
		t.Error("it starts")
	} else if text := strings.ToLower(err.Error()); !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(text, "publish to _inbox.>") {
		t.Errorf("got %v", err)
	}
}

// A login that may not do what is needed is told at once: nothing would come of waiting.
func TestStartingDoesNotWaitForPermissions(t *testing.T) {
	t.Parallel()
	url := bustest.NATSServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "jethook", Password: "secret", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"$JS.API.INFO", "$JS.API.STREAM.INFO.>"}},
		}}}
	})
	cfg := onCluster(strings.Replace(url, "nats://", "nats://jethook:secret@", 1))
	cfg.Replicas = 1
	if b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil {
		b.Close()
		t.Error("it starts")
	} else if !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("got %v", err)
	}
}
