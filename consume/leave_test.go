package consume

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// idle opens a bus on which no engine runs, and a client of its own.
func idle(t *testing.T) (*publish.Bus, jetstream.JetStream, *Engine) {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir, cfg.NATSListen, cfg.Sync = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", quantity.Sync(time.Minute)
	cfg.NATSAdminToken = config.NewSecret("an-operator-of-the-tests")
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	nc, err := nats.Connect(bus.Server().ClientURL(), nats.Token(cfg.NATSAdminToken.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return bus, js, New(bus, nil, cfg, "test", log)
}

// takeOne publishes an event and takes it off the shared intake.
func takeOne(t *testing.T, bus *publish.Bus, in *intake, publishFirst bool) *held {
	t.Helper()
	if publishFirst {
		if _, err := bus.Publish(t.Context(), internalEvent("evt_1")); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := bus.Queues().Open(t.Context(), topology.QueueEvents)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	batch, err := consumer.Take(ctx, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := <-batch.Messages()
	if !ok {
		t.Fatal("nothing comes:", batch.Error())
	}
	h := in.hold(m)
	in.bytes.TryAcquire(h.size)
	return h
}

func internalEvent(id string) *event.Event {
	return &event.Event{
		ID: id, Type: "a", Subject: topology.EventSubject("a"), Received: time.Now(),
		ContentType: "application/json", Traceparent: event.NewTraceparent(), Body: []byte("{}"),
	}
}

func sharedIntake(bus *publish.Bus) *intake {
	return &intake{bus: bus, queue: topology.QueueEvents, bytes: semaphore.NewWeighted(1 << 20), held: make(map[uint64]*held), pull: 1 << 20}
}

// An event that was matched before it was known whose it is, and that is the cursor's by the time it reaches the lane, is
// passed over.
func TestTheCursorsEventReachesTheLane(t *testing.T) {
	t.Parallel()
	bus, _, e := idle(t)
	key := cursor.Key{Endpoint: "ep_a", Stream: topology.StreamEvents}
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- e.cursors.Run(ctx, func(cursor.Key) {}) }()
	defer func() { cancel(); <-ended }()
	if _, err := bus.Queues().Open(t.Context(), topology.QueueEvents); err != nil {
		t.Fatal(err)
	}
	if _, err := e.cursors.Leave(t.Context(), key, cursor.Behind); err != nil {
		t.Fatal(err)
	}
	in := sharedIntake(bus)
	h := takeOne(t, bus, in, true)
	if err := e.cursors.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.split(1)
	l := e.lanes.Open(key.Endpoint, func() *endpoint.Endpoint { return &endpoint.Endpoint{ID: key.Endpoint} })
	e.startShared(t.Context(), l, &job{d: delivery.Delivery{Endpoint: key.Endpoint, Attempt: 1}, h: h})
	if in.holds(h) || e.lanes.Busy() > 0 || l.HoldsShared(key.Stream) > 0 {
		t.Error("the lane took it")
	}
}
