// Package heldtest takes messages off a bus for tests of those who work on held messages, and breaks the connection that
// brought them.
package heldtest

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"jethook/consume/ack"
	"jethook/consume/held"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// Endpoint is the one that the events of the tests are for.
const Endpoint = "ep_a"

// Intake holds events that the tests publish.
type Intake struct {
	*held.Set
	bus    *publish.Bus
	breaks atomic.Uint64
}

// NewIntake returns one of the events of a bus, which acknowledges messages by way of a queue.
func NewIntake(bus *publish.Bus, acks *ack.Queue) *Intake {
	in := &Intake{bus: bus}
	in.Set = held.NewSet(held.Settings{
		Origin: held.Origin{Stream: topology.StreamEvents}, Connections: in, Deaths: bus.Server().Deaths,
		Bytes: semaphore.NewWeighted(1 << 20), Most: 1 << 20, Acks: acks, Log: slog.New(slog.DiscardHandler),
	})
	return in
}

// Reconnects is of [held.Connections].
func (in *Intake) Reconnects(stream string) uint64 {
	return in.bus.Queues().Reconnects(stream) + in.breaks.Load()
}

// IsConnected is of [held.Connections].
func (in *Intake) IsConnected(stream string) bool { return in.bus.Queues().IsConnected(stream) }

// Break breaks the connection, and restores it: for all that anybody knows, the server was killed.
func (in *Intake) Break() { in.breaks.Add(1) }

// Publish publishes events.
func (in *Intake) Publish(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, err := in.bus.Publish(t.Context(), &event.Event{
			ID: id, Type: "a", Subject: topology.EventSubject("a"), Received: time.Now(),
			ContentType: "application/json", Traceparent: event.NewTraceparent(), Body: []byte("{}"),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// Take takes so many events, each a message that is held.
func (in *Intake) Take(t testing.TB, n int) (messages []*held.Message) {
	t.Helper()
	consumer, err := in.bus.Queues().Open(t.Context(), topology.QueueEvents)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	batch, err := consumer.Take(ctx, n, 0)
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		m := in.HoldWithoutRoom(msg)
		if err := m.AwaitRoom(t.Context()); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	if len(messages) != n {
		t.Fatalf("%d of %d events came: %v", len(messages), n, batch.Error())
	}
	return messages
}

// Job returns the job of a message, which has no other part.
func Job(t testing.TB, m *held.Message) *held.Job {
	t.Helper()
	event, err := event.Decode(m.Msg)
	if err != nil {
		t.Fatal(err)
	}
	m.Split(1)
	return &held.Job{Delivery: delivery.Delivery{Endpoint: Endpoint, Event: event, Attempt: 1}, Message: m}
}

// Stored returns the error with which a write ends.
func Stored(write func(done func(error))) error {
	result := make(chan error, 1)
	write(func(err error) { result <- err })
	return <-result
}

// Delivered records that a job's delivery was delivered.
func Delivered(t testing.TB, bus *publish.Bus, j *held.Job) {
	t.Helper()
	if err := Stored(func(done func(error)) {
		bus.Deliveries().Record(delivery.HistoryKey{Endpoint: Endpoint, Outcome: "delivered", Class: "ok", Status: 200},
			[]byte(`{"delivery":"`+j.Delivery.ID()+`","attempt":1,"outcome":"delivered"}`), done)
	}); err != nil {
		t.Fatal(err)
	}
}

// Dead makes a dead letter of a job's delivery.
func Dead(t testing.TB, bus *publish.Bus, j *held.Job) {
	t.Helper()
	if err := Stored(func(done func(error)) { bus.Deliveries().DeadLetter(&j.Delivery, done) }); err != nil {
		t.Fatal(err)
	}
}
