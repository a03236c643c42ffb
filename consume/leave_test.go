package consume

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

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

// What rests while the connection is lost comes again: the server may have been killed, and the outcome with it.
func TestAnAcknowledgementDoesNotOutliveItsServer(t *testing.T) {
	t.Parallel()
	bus, _, _ := idle(t)
	in := sharedIntake(bus)
	first := takeOne(t, bus, in, true)
	r := resting{h: first, reconnects: bus.Queues().Reconnects(topology.StreamEvents) + 1}
	r.end()
	if again := takeOne(t, bus, in, false); again.seq != first.seq || !again.repeat {
		t.Errorf("another one came: %d after %d", again.seq, first.seq)
	}
}
