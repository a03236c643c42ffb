package cursor_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

func openBus(t testing.TB) *publish.Bus {
	t.Helper()
	return bustest.Open(t, bustest.Settings(t))
}

// publishTo stores n events, of which every third is on events.b and the others on events.a, and returns the first one's
// place.
func publishTo(t testing.TB, bus *publish.Bus, n int) (first uint64) {
	t.Helper()
	for i := range n {
		eventType := "a"
		if i%3 == 2 {
			eventType = "b"
		}
		e := &event.Event{
			ID: fmt.Sprint("evt_", i), Type: eventType, Subject: topology.EventSubject(eventType), Received: time.Now(), Body: []byte(`{}`),
		}
		if _, err := bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	first, _, err := bus.Query().StreamEnds(t.Context(), topology.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func store(t testing.TB, bus *publish.Bus, key cursor.Key, r *cursor.Record) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Consumers().Records().Put(t.Context(), key.String(), data); err != nil {
		t.Fatal(err)
	}
}

// What waits is what the record gives to the cursor, what matches, and what is not acknowledged; and it is counted exactly,
// whether the consumer is there or not.
func TestBacklogIsExact(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	const n = 60
	first := publishTo(t, bus, n)
	at := func(i int) uint64 { return first + uint64(i) }
	places := func(all ...int) (p cursor.Places) {
		for _, i := range all {
			p = append(p, at(i))
		}
		return p
	}
	for name, c := range map[string]struct {
		record      cursor.Record
		events      []string
		take, acked int // of its events; -1: there is no consumer
	}{
		"not begun":         {cursor.Record{Phase: cursor.Own, From: at(10)}, []string{"events.>"}, -1, 0},
		"nothing taken":     {cursor.Record{Phase: cursor.Own, From: at(10), Opened: true}, []string{"events.>"}, 0, 0},
		"some taken":        {cursor.Record{Phase: cursor.Own, From: at(10), Opened: true}, []string{"events.a"}, 12, 5},
		"all taken":         {cursor.Record{Phase: cursor.Own, From: at(10), Opened: true}, []string{"events.>"}, 50, 50},
		"overlapping":       {cursor.Record{Phase: cursor.Own, From: at(10)}, []string{"events.a", "events.*"}, -1, 0},
		"left":              {cursor.Record{Phase: cursor.Own, From: at(30), Left: places(3, 4, 7)}, []string{"events.>"}, -1, 0},
		"left, some taken":  {cursor.Record{Phase: cursor.Own, From: at(30), Left: places(3, 4, 7), Opened: true}, []string{"events.>"}, 2, 1},
		"joined":            {cursor.Record{Phase: cursor.Joined, From: at(10), Until: at(40), Opened: true}, []string{"events.>"}, 7, 7},
		"left again":        {cursor.Record{Phase: cursor.Own, From: at(10), Gaps: []cursor.Gap{{at(20), at(30)}}, Opened: true}, []string{"events.a"}, 3, 3},
		"not begun, a gap":  {cursor.Record{Phase: cursor.Own, From: at(10), Gaps: []cursor.Gap{{at(20), at(30)}}}, []string{"events.b"}, -1, 0},
		"ahead":             {cursor.Record{Phase: cursor.Own, From: at(10), Ahead: places(12, 50), Opened: true}, []string{"events.>"}, 5, 5},
		"going":             {cursor.Record{Phase: cursor.Own, From: at(10), Going: places(50)}, []string{"events.>"}, -1, 0},
		"about to leave":    {cursor.Record{Phase: cursor.Leaving}, []string{"events.>"}, -1, 0},
		"about to join":     {cursor.Record{Phase: cursor.Joining, From: at(10), Opened: true}, []string{"events.>"}, 5, 5},
		"leaving once more": {cursor.Record{Phase: cursor.Leaving, From: at(10), Until: at(40), Opened: true}, []string{"events.>"}, 5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.record
			r.Epoch = "e"
			ep := &endpoint.Endpoint{ID: "ep_" + event.HashID(name)[7:20], Events: c.events}
			key := cursor.Key{Endpoint: ep.ID, Stream: topology.StreamEvents}
			store(t, bus, key, &r)
			settled := make(map[uint64]bool)
			taken := uint64(0)
			if c.take >= 0 {
				consumer, _, err := bus.Consumers().OpenCursor(t.Context(), pull.Own{Stream: key.Stream, Endpoint: key.Endpoint, Epoch: r.Epoch}, c.events, r.Start())
				if err != nil {
					t.Fatal(err)
				}
				for i := range c.take {
					batch, err := consumer.TakeStored(t.Context(), 1)
					if err != nil {
						t.Fatal(err)
					}
					for m := range batch.Messages() {
						meta, err := m.Metadata()
						if err != nil {
							t.Fatal(err)
						}
						taken = meta.Sequence.Stream
						// What the cursor passes over is acknowledged at once.
						if i >= c.take-c.acked || !r.HasCursor(taken) || !r.Delivers(taken) {
							if err := m.DoubleAck(t.Context()); err != nil {
								t.Fatal(err)
							}
							settled[taken] = true
						}
					}
				}
			}
			table := cursor.NewTable(bus, slog.New(slog.DiscardHandler))
			b, err := table.Backlog(t.Context(), ep, key.Stream)
			if err != nil || b == nil {
				t.Fatalf("got %v, %v", b, err)
			}
			want := uint64(0)
			for i := range n {
				place, subject := at(i), "events.a"
				if i%3 == 2 {
					subject = "events.b"
				}
				if !topology.MatchesAny(subject, c.events) {
					continue
				}
				stand := cursor.Waits
				switch {
				case r.Phase == cursor.Leaving && r.From == 0, !r.HasCursor(place), !r.Delivers(place):
					stand = cursor.Elsewhere
				case place <= taken:
					stand = cursor.Taken
				}
				if stand != cursor.Elsewhere && !settled[place] {
					want++
				}
				if got := b.Of(place); got != stand && (stand != cursor.Taken || got != cursor.Elsewhere || !settled[place]) {
					t.Errorf("%d stands %d, want %d", i, got, stand)
				}
				if from, end := b.Span(); b.Of(place) != cursor.Elsewhere && (place < from || end != 0 && place >= end) {
					t.Errorf("%d waits beyond %d and %d", i, from-first, end-first)
				}
			}
			counts, err := table.CountBacklogs(t.Context(), []*cursor.Backlog{b})
			if err != nil || counts[0] != want {
				t.Errorf("counted %d, want %d: %v", counts[0], want, err)
			}
		})
	}
}

// A consumer of an earlier record says nothing of a later one.
func TestBacklogOfAnotherEpoch(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	first := publishTo(t, bus, 30)
	ep := &endpoint.Endpoint{ID: "ep_1", Events: []string{"events.>"}}
	key := cursor.Key{Endpoint: ep.ID, Stream: topology.StreamEvents}
	consumer, _, err := bus.Consumers().OpenCursor(t.Context(), pull.Own{Stream: key.Stream, Endpoint: key.Endpoint, Epoch: "before"}, ep.Events, first)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.TakeStored(t.Context(), 30)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	store(t, bus, key, &cursor.Record{Phase: cursor.Own, Epoch: "now", From: first + 10})
	table := cursor.NewTable(bus, slog.New(slog.DiscardHandler))
	all, err := table.Backlogs(t.Context(), []*endpoint.Endpoint{ep, {ID: "ep_2", Events: ep.Events}})
	if err != nil || len(all) != 1 || all[0].Of(first+15) != cursor.Waits {
		t.Fatalf("got %+v, %v", all, err)
	}
	counts, err := table.CountBacklogs(t.Context(), all)
	if err != nil || counts[0] != 20 {
		t.Errorf("counted %d: %v", counts[0], err)
	}
}

// Hundreds of endpoints that lag are counted in a moment.
func BenchmarkCountBacklogs(b *testing.B) {
	for _, begun := range []bool{true, false} {
		b.Run(fmt.Sprintf("begun %t", begun), func(b *testing.B) {
			bus := openBus(b)
			first := publishTo(b, bus, 3000)
			var endpoints []*endpoint.Endpoint
			for i := range 300 {
				ep := &endpoint.Endpoint{ID: fmt.Sprint("ep_", i), Events: []string{"events.>"}}
				endpoints = append(endpoints, ep)
				store(b, bus, cursor.Key{Endpoint: ep.ID, Stream: topology.StreamEvents}, &cursor.Record{
					Phase: cursor.Own, Epoch: "e", From: first + uint64(i), Opened: begun,
				})
				if !begun {
					continue
				}
				if _, _, err := bus.Consumers().OpenCursor(b.Context(), pull.Own{Stream: topology.StreamEvents, Endpoint: ep.ID, Epoch: "e"}, ep.Events, first+uint64(i)); err != nil {
					b.Fatal(err)
				}
			}
			table := cursor.NewTable(bus, slog.New(slog.DiscardHandler))
			for b.Loop() {
				all, err := table.Backlogs(b.Context(), endpoints)
				if err != nil {
					b.Fatal(err)
				}
				counts, err := table.CountBacklogs(b.Context(), all)
				var sum uint64
				for _, n := range counts {
					sum += n
				}
				if err != nil || sum != 300*3000-299*300/2 {
					b.Fatalf("counted %d: %v", sum, err)
				}
			}
		})
	}
}
