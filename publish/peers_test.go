package publish_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/processes"
	"jethook/publish/report"
)

// cluster is a nats-server beside Jethook.
func cluster(t *testing.T) (url string) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	return srv.ClientURL()
}

// peer is a process that answers until stop is called.
type peer struct {
	bus *publish.Bus
	id  string
}

func join(t *testing.T, url string, endpoints int) (p *peer, stop func()) {
	t.Helper()
	cfg := bustest.Settings(t)
	cfg.NATSURL, cfg.MaxBody = url, 1<<19
	bus, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	self := processes.Self("consume")
	own := report.Process{Peer: self, Endpoints: make([]report.Endpoint, endpoints)}
	for i := range own.Endpoints {
		e := &own.Endpoints[i]
		e.ID = fmt.Sprintf("ep_%020d", i)
		e.Hour.Delivered = uint64(i)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- bus.Processes().Answer(ctx, func() report.Process { return own }) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		bus.Close()
	}
	return &peer{bus: bus, id: self.ID}, stop
}

func (p *peer) ask(t *testing.T) ([]report.Process, []processes.Missing) {
	t.Helper()
	all, missing, err := p.bus.Processes().Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all, missing
}

// awaitPeers asks until so many answer.
func (p *peer) awaitPeers(t *testing.T, n int) []report.Process {
	t.Helper()
	for {
		if all, _ := p.ask(t); len(all) == n {
			return all
		}
		if t.Context().Err() != nil {
			t.Fatal("the peers never answered")
		}
	}
}

// Every process hears of every other one, whatever the size of their reports; one that stops is not missed, and one
// that falls silent is.
func TestProcessesKnowEachOther(t *testing.T) {
	t.Parallel()
	url := cluster(t)
	a, stopA := join(t, url, 0)
	defer stopA()
	b, stopB := join(t, url, 10_000) // far more than fits into one message
	for _, r := range a.awaitPeers(t, 2) {
		if r.ID != b.id {
			continue
		}
		if n := len(r.Endpoints); n != 10_000 || r.Endpoints[n-1].Hour.Delivered != 9_999 {
			t.Errorf("the report of %d endpoints is not whole", n)
		}
	}
	stopB()
	if all, missing := a.ask(t); len(all) != 1 || len(missing) != 0 {
		t.Errorf("after one stopped: %d answer, missing %v", len(all), missing)
	}

	c, stopC := join(t, url, 0)
	defer stopC()
	a.awaitPeers(t, 2)
	c.bus.Silence()
	if all, missing := a.ask(t); len(all) != 1 || len(missing) != 1 || missing[0].ID != c.id || missing[0].Heard.IsZero() {
		t.Errorf("after one fell silent: %d answer, missing %+v", len(all), missing)
	}
}

// Nobody answers in a process that only looks.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	all, missing, err := bustest.Open(t, bustest.Settings(t)).Processes().Ask(t.Context())
	if err != nil || len(all)+len(missing) != 0 {
		t.Errorf("got %v, %v, %v", all, missing, err)
	}
}

// Who asks names where the answer goes. An answer on any other subject than an inbox could be stored as an event.
func TestAnswersGoToInboxesOnly(t *testing.T) {
	t.Parallel()
	url := cluster(t)
	a, stop := join(t, url, 1)
	defer stop()
	a.awaitPeers(t, 1)
	nc, js := bustest.ClientOf(t, url)
	inbox, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{"webhooks.stripe.forged", "events.forged", "jethook.due.ep_1", "$KV.jethook_endpoints.ep_1"} {
		if err := nc.PublishRequest("jethook.rpc.status", reply, nil); err != nil {
			t.Fatal(err)
		}
	}
	// Questions are answered in their order.
	if err := nc.PublishRequest("jethook.rpc.status", inbox.Subject, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := inbox.NextMsg(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	for info := range js.ListStreams(t.Context()).Info() {
		if info.State.Msgs != 0 {
			t.Errorf("%s holds %d messages", info.Config.Name, info.State.Msgs)
		}
	}
}
