package cursor_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"jethook/consume/cursor"
	"jethook/publish"
	"jethook/publish/event"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

// stepped is a process that does one step of the protocol at a time.
type stepped struct {
	*testing.T
	bus   *publish.Bus
	table *cursor.Table
	key   cursor.Key
	first uint64 // the place of the first event
}

// newStepped publishes n events of the type a.
func newStepped(t *testing.T, n int) *stepped {
	t.Helper()
	bus := newModel(t, 0).open()
	s := &stepped{T: t, bus: bus, table: cursor.NewTable(bus, slog.New(slog.DiscardHandler)), key: cursor.Key{Endpoint: "ep_a", Stream: topology.StreamEvents}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.table.Run(ctx, func(cursor.Key) {}) }()
	t.Cleanup(func() { cancel(); <-ended })
	for range n {
		s.publish("a")
	}
	return s
}

func (s *stepped) publish(kind string) uint64 {
	s.Helper()
	r, err := s.bus.Publish(s.Context(), &event.Event{
		ID: time.Now().String(), Type: kind, Subject: topology.EventSubject(kind), Received: time.Now(),
		ContentType: "application/json", Traceparent: event.NewTraceparent(), Body: []byte("{}"),
	})
	if err != nil {
		s.Fatal(err)
	}
	if s.first == 0 {
		s.first = r.Seq
	}
	return r.Seq
}

// take takes n events, acknowledges them if done, and returns their places.
func (s *stepped) take(c *pull.Consumer, err error, n int, done bool) (places []uint64) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	batch, err := c.Take(ctx, n, 0)
	if err != nil {
		s.Fatal(err)
	}
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err == nil && done {
			err = m.Ack()
		}
		if err != nil {
			s.Fatal(err)
		}
		places = append(places, meta.Sequence.Stream)
	}
	if len(places) != n {
		s.Fatalf("%d events came: %v", len(places), batch.Error())
	}
	return places
}

func (s *stepped) takeShared(n int, done bool) []uint64 {
	s.Helper()
	c, err := s.bus.Queues().Open(s.Context(), topology.QueueEvents)
	return s.take(c, err, n, done)
}

func (s *stepped) takeOwn(n int) []uint64 {
	s.Helper()
	c, _, _, err := s.table.Consumer(s.Context(), s.key, []string{"events.a"})
	return s.take(c, err, n, true)
}

func (s *stepped) leave() *cursor.Record {
	s.Helper()
	r, err := s.table.Leave(s.Context(), s.key, cursor.Behind)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

func (s *stepped) join() *cursor.Record {
	s.Helper()
	r, err := s.table.Join(s.Context(), s.key)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// expect compares which of the events are the cursor's: "c", or the shared intake's: "s".
func (s *stepped) expect(r *cursor.Record, want string) {
	s.Helper()
	got := ""
	for i := range len(want) {
		got += map[bool]string{true: "c", false: "s"}[r.HasCursor(s.first+uint64(i))]
	}
	if got != want {
		s.Errorf("%s, want %s: %+v", got, want, r)
	}
}

// An endpoint that left, joined and left again before its cursor was opened can hand over what it got in between.
func TestHandOverFromAGap(t *testing.T) {
	t.Parallel()
	s := newStepped(t, 6)
	s.takeShared(1, false)
	s.expect(s.leave(), "sccccc")
	s.takeShared(1, false)
	s.expect(s.join(), "scssss")
	between := s.takeShared(2, false)
	s.expect(s.leave(), "scsscc")
	for range 2 { // the second time as if the first answer had been lost
		if err := s.table.LeaveTo(t.Context(), s.key, between[1:]); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.table.Get(t.Context(), s.key)
	if err != nil {
		t.Fatal(err)
	}
	s.expect(r, "scsccc")
	s.takeOwn(1)
	if err := s.table.LeaveTo(t.Context(), s.key, between[1:]); err != nil {
		t.Errorf("what is left already: %v", err)
	}
	if err := s.table.LeaveTo(t.Context(), s.key, between); !errors.Is(err, cursor.ErrOpened) {
		t.Errorf("what comes too late: %v", err)
	}
}

// A cursor that is ahead of the shared intake stays until that has passed over what was the cursor's.
func TestFinishWaitsForTheSharedIntake(t *testing.T) {
	t.Parallel()
	s := newStepped(t, 3)
	s.takeShared(1, true)
	s.leave()
	s.takeOwn(2)
	r := s.join()
	s.expect(r, "scc")
	finish := func() bool {
		t.Helper()
		ended, err := s.table.Finish(t.Context(), r, []string{"events.a"})
		if err != nil {
			t.Fatal(err)
		}
		return ended
	}
	if finish() {
		t.Fatal("the shared intake would deliver the second event again")
	}
	s.takeShared(2, true)
	for deadline := time.Now().Add(time.Minute); !finish(); {
		if time.Now().After(deadline) {
			t.Fatal("it stays for ever")
		}
	}
}

// An event that nobody has handed out yet keeps a cursor, and one that is not the endpoint's does not.
func TestFinishLooksIntoTheStream(t *testing.T) {
	t.Parallel()
	s := newStepped(t, 2)
	s.takeShared(1, true)
	s.leave()
	other := s.publish("other")
	s.takeOwn(1)
	s.takeShared(2, true)
	r := s.join()
	for deadline := time.Now().Add(time.Minute); ; {
		ended, err := s.table.Finish(t.Context(), r, []string{"events.a"})
		if err != nil {
			t.Fatal(err)
		}
		if ended {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the event at %d keeps it: %+v", other, r)
		}
	}
	for _, left := range []bool{true, false} {
		holds, err := s.bus.Consumers().HoldsBetween(t.Context(), topology.StreamEvents, []string{"events.other"}, s.first, map[bool]uint64{true: other + 1, false: other}[left])
		if err != nil || holds != left {
			t.Errorf("holds %t, want %t: %v", holds, left, err)
		}
	}
}

// A record has a consumer of its own, which nobody removes who is late to remove that of an earlier one.
func TestConsumerOfAnotherRecord(t *testing.T) {
	t.Parallel()
	s := newStepped(t, 3)
	s.takeShared(1, true)
	old := s.leave()
	s.takeOwn(1)
	// As if a process were killed after it had removed the record, and before its consumer.
	if err := s.bus.Consumers().Records().Delete(t.Context(), s.key.String()); err != nil {
		t.Fatal(err)
	}
	s.takeShared(1, true)
	now := s.leave()
	if places := s.takeOwn(1); places[0] != s.first+2 {
		t.Errorf("it begins at the event %d", places[0]-s.first)
	}
	if err := s.bus.Consumers().Drop(t.Context(), old.Consumer()); err != nil {
		t.Fatal(err)
	}
	if lag, err := s.bus.Consumers().Lag(t.Context(), now.Consumer()); err != nil || lag.NotThere {
		t.Errorf("a process that is late has removed it: %+v %v", lag, err)
	}
}

// Patterns that are about to be stored count for the cursor at once: it must not pass over what comes a moment later.
func TestWidenCursors(t *testing.T) {
	t.Parallel()
	s := newStepped(t, 1)
	s.takeShared(1, true)
	s.leave()
	c, _, _, err := s.table.Consumer(t.Context(), s.key, []string{"events.a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.bus.Consumers().WidenCursors(t.Context(), s.key.Endpoint, []string{"events.a", "events.b"}); err != nil {
		t.Fatal(err)
	}
	place := s.publish("b")
	s.publish("a")
	if got := s.take(c, nil, 1, true); got[0] != place {
		t.Errorf("it has passed over the event at %d: %v", place, got)
	}
}
