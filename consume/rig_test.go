package consume_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/consume"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// patience is how long a test waits for what must come; it is never waited out in a test that passes, however busy the machine
// is.
const patience = 3 * time.Minute

// rig is an engine that runs on its own embedded server.
type rig struct {
	cfg      *config.Config
	bus      *publish.Bus
	registry *registry.Registry
	ledger   *deliveries.Store
	engine   *consume.Engine
	js       jetstream.JetStream
	stop     func() // ends the engine and closes the bus; idempotent
}

func settings(t testing.TB, schedule ...time.Duration) *config.Config {
	cfg := config.Default()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	cfg.NATSListen = "127.0.0.1:0"
	cfg.NATSAdminToken = config.NewSecret("an-operator-of-the-tests")
	cfg.Sync = quantity.Sync(2 * time.Minute)
	cfg.RetrySchedule = schedule
	cfg.DeliveryTimeout = 5 * time.Second
	cfg.AllowedNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return cfg
}

func start(t testing.TB, cfg *config.Config) *rig {
	t.Helper()
	return startLogging(t, cfg, slog.New(slog.DiscardHandler))
}

func startLogging(t testing.TB, cfg *config.Config, log *slog.Logger) *rig {
	t.Helper()
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(bus.Server().ClientURL(), nats.Token(cfg.NATSAdminToken.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	engine := consume.New(bus, registry, cfg, "test", log)
	engine.ShortenRests()
	go func() { ended <- engine.Run(ctx) }()
	r := &rig{cfg: cfg, bus: bus, registry: registry, ledger: deliveries.New(bus, registry), engine: engine, js: js}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		nc.Close()
		bus.Close()
	})
	t.Cleanup(r.stop)
	return r
}

// add creates an endpoint that this process knows of when add returns.
func (r *rig) add(t testing.TB, url string, change func(*endpoint.Spec), events ...string) endpoint.Endpoint {
	t.Helper()
	name := "test"
	spec := &endpoint.Spec{Name: &name, URL: &url, Events: events}
	if change != nil {
		change(spec)
	}
	e, err := endpoint.New(spec, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.registry.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the endpoint is seen", func() bool { _, ok := r.registry.Lookup(e.ID); return ok })
	return e
}

func (r *rig) publish(t testing.TB, id, eventType string) {
	t.Helper()
	if _, err := r.bus.Publish(t.Context(), internal(id, eventType)); err != nil {
		t.Fatal(err)
	}
}

// burst publishes n events as fast as the bus takes them, and does not wait for that. The test ends only when all are stored.
func (r *rig) burst(t testing.TB, n int) {
	t.Helper()
	var publishers errgroup.Group
	ctx := context.WithoutCancel(t.Context()) // the last one may come before it is known to be stored
	for i := range n {
		publishers.Go(func() error {
			_, err := r.bus.Publish(ctx, internal(fmt.Sprint("evt_", i), "a"))
			return err
		})
	}
	t.Cleanup(func() {
		if err := publishers.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func internal(id, eventType string) *event.Event {
	return &event.Event{
		ID: id, Type: eventType, Subject: topology.EventSubject(eventType), Received: time.Now(),
		ContentType: "application/json", Traceparent: event.NewTraceparent(), Body: fmt.Appendf(nil, `{"id":%q}`, id),
	}
}

func (r *rig) list(t testing.TB, q deliveries.Query) []deliveries.Delivery {
	t.Helper()
	q.Limit = paging.Max
	items, _, err := r.ledger.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// retry attempts a delivery now. One that is seen to be dead, or to wait, is so a moment before its attempt is over.
func (r *rig) retry(t testing.TB, id string) {
	t.Helper()
	eventually(t, id+" is retried", func() bool {
		err := r.ledger.Retry(t.Context(), id)
		if err != nil && !errors.Is(err, deliveries.ErrUnderWay) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// history returns the recorded attempts of an endpoint, the oldest first.
func (r *rig) history(t testing.TB, id string) (out []history.Attempt) {
	t.Helper()
	page, _, err := r.bus.Query().Reverse(t.Context(), delivery.HistoryKey{Endpoint: id}.Selection(), 0, 500)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(page) - 1; i >= 0; i-- {
		var a history.Attempt
		if err := json.Unmarshal(page[i].Data, &a); err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// settled waits until what the stream held when it was called has its outcome. A consumer learns of a message a
// moment after the publisher does, so its own count of what is pending says nothing yet.
func (r *rig) settled(t testing.TB, stream string) {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	last := s.CachedInfo().State.LastSeq
	if stream == topology.StreamDeliveries {
		eventually(t, "nothing is due", func() bool {
			s, err := r.js.Stream(t.Context(), stream)
			if err != nil {
				return false
			}
			due, err1 := s.Info(t.Context(), jetstream.WithSubjectFilter("jethook.due.>"))
			turns, err2 := s.Info(t.Context(), jetstream.WithSubjectFilter("jethook.turn.>"))
			return err1 == nil && err2 == nil && len(due.State.Subjects)+len(turns.State.Subjects) == 0
		})
		return
	}
	eventually(t, stream+" is settled", func() bool {
		c, err := r.js.Consumer(t.Context(), stream, "jethook") // the engine makes it when it starts
		if err != nil {
			return false
		}
		info := c.CachedInfo()
		return info.NumPending == 0 && info.NumAckPending == 0 && info.AckFloor.Stream >= last
	})
}

// eventually polls a state that sends no event of its own.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never happened: %s", what)
		}
	}
}

// request is one delivery as a receiver saw it.
type request struct {
	at     time.Time
	header http.Header
	body   []byte
	path   string
}

// receiver is an HTTP endpoint; answer is asked for each request, the first being number 1.
type receiver struct {
	*httptest.Server
	got chan request
}

func receive(t testing.TB, answer func(n int, r request, w http.ResponseWriter)) *receiver {
	t.Helper()
	rc := &receiver{got: make(chan request, 100_000)}
	var mu sync.Mutex
	n := 0
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r := request{at: time.Now(), header: req.Header, body: body, path: req.URL.Path}
		mu.Lock()
		n++
		k := n
		mu.Unlock()
		rc.got <- r
		answer(k, r, w)
	}))
	t.Cleanup(rc.Server.Close)
	return rc
}

func (rc *receiver) next(t testing.TB) request {
	t.Helper()
	select {
	case r := <-rc.got:
		return r
	case <-time.After(patience):
		t.Fatal("no request came")
		return request{}
	}
}

// always answers every request with one status.
func always(status int) func(int, request, http.ResponseWriter) {
	return func(_ int, _ request, w http.ResponseWriter) { w.WriteHeader(status) }
}

// after answers every request with 200 after a while.
func after(t testing.TB, d time.Duration) func(int, request, http.ResponseWriter) {
	return func(int, request, http.ResponseWriter) {
		select {
		case <-time.After(d):
		case <-t.Context().Done():
		}
	}
}

// schedule stores n deliveries as each describes them.
func (r *rig) schedule(t testing.TB, n int, each func(i int) delivery.Delivery) {
	t.Helper()
	var stored sync.WaitGroup
	room := make(chan struct{}, 8000) // fewer than the bus lets wait for it
	for i := range n {
		d := each(i)
		room <- struct{}{}
		stored.Add(1)
		r.bus.Deliveries().Schedule(&d, func(err error) {
			if err != nil {
				t.Error(err)
			}
			<-room
			stored.Done()
		})
	}
	stored.Wait()
}
