package archive

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/eventlog"
)

// scribe writes lines into the history.
type scribe struct {
	t   *testing.T
	bus *publish.Bus
}

// write adds lines in no order.
func (s scribe) write(lines ...history.Attempt) {
	s.t.Helper()
	var stored sync.WaitGroup
	for _, a := range lines {
		a.Time, a.Class = time.Now().UTC(), "ok"
		line, err := json.Marshal(a)
		if err != nil {
			s.t.Fatal(err)
		}
		stored.Add(1)
		s.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: a.Endpoint, Outcome: string(a.Outcome), Class: string(a.Class)}, line, func(err error) {
			if err != nil {
				s.t.Error(err)
			}
			stored.Done()
		})
	}
	stored.Wait()
}

// others writes so many attempts at other events, by turns to each of the endpoints.
func (s scribe) others(n int, endpoints ...string) {
	s.t.Helper()
	lines := make([]history.Attempt, n)
	for i := range lines {
		e := event.Event{ID: fmt.Sprint("other_", i), Seq: uint64(1000 + i)}
		lines[i] = attemptAt(&e, endpoints[i%len(endpoints)], history.Delivered)
	}
	s.write(lines...)
}

// event stores an event.
func (s scribe) event(id string) *eventlog.Head {
	s.t.Helper()
	if _, err := s.bus.Publish(s.t.Context(), &event.Event{ID: id, Type: "a", Subject: "events.a", Received: time.Now(), Body: []byte("{}")}); err != nil {
		s.t.Fatal(err)
	}
	h, _, err := New(s.bus, nil).Find(s.t.Context(), id, Query{})
	if err != nil {
		s.t.Fatal(err)
	}
	return &h
}

func attemptAt(e *event.Event, endpoint string, outcome history.Outcome) history.Attempt {
	d := delivery.Delivery{Endpoint: endpoint, Event: *e}
	return history.Attempt{Delivery: d.ID(), Endpoint: endpoint, EventID: e.ID, Attempt: 1, Outcome: outcome}
}

// What is read of the history stays bounded, however much was recorded since the event was stored, and its attempts are found.
func TestAttemptsAreFoundInALongHistory(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	s := scribe{t, bus}
	crowd := make([]string, 100)
	for i := range crowd {
		crowd[i] = fmt.Sprint("ep_", i)
	}
	s.others(2000, crowd...)
	h := s.event("evt_1")
	s.others(2000, crowd...)
	s.write(attemptAt(&h.Event, "ep_7", history.Delivered), attemptAt(&h.Event, "ep_gone", history.Delivered))
	s.others(2000, crowd...)

	a := New(bus, nil)
	if l, err := a.lookup(t.Context(), s.event("evt_2"), nil); err != nil {
		t.Error(err)
	} else if attempts, whole := l.attempts(); attempts == nil || len(attempts) > 0 || !whole { // the API has a list also where there is none
		t.Errorf("of no attempts: %#v, whole %v", attempts, whole)
	}
	look := func(limit int, endpoints ...string) (to []string, whole bool, read int) {
		a.lines = limit
		l, err := a.lookup(t.Context(), h, endpoints)
		if err != nil {
			t.Fatal(err)
		}
		attempts, whole := l.attempts()
		for i := range attempts {
			to = append(to, attempts[i].Endpoint)
		}
		return to, whole, limit - l.left
	}
	if to, whole, read := look(10_000); len(to) != 2 || !whole || read < 6000 {
		t.Errorf("of a short history: %q, whole %v, %d lines read", to, whole, read)
	}
	if to, whole, read := look(500, "ep_7"); !slices.Equal(to, []string{"ep_7"}) || !whole || read > 200 {
		t.Errorf("of a long history: %q, whole %v, %d lines read", to, whole, read)
	}
	if to, whole, read := look(500, "ep_3", "ep_7", "ep_nothing"); !slices.Equal(to, []string{"ep_7"}) || !whole || read > 500 {
		t.Errorf("among others: %q, whole %v, %d lines read", to, whole, read)
	}
	if to, whole, read := look(500, crowd...); whole || read > 500+2*pageLines {
		t.Errorf("to a crowd: %q, whole %v, %d lines read", to, whole, read)
	}
}

// An endpoint that gets very much is read where the attempts must be: each says when the next one is due.
func TestAttemptsAreFoundByWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	s := scribe{t, bus}
	h := s.event("evt_1")
	failed := attemptAt(&h.Event, "ep_1", history.Failed)
	failed.Next = new(time.Now().Add(time.Second))
	s.write(failed)
	for time.Now().Before(*failed.Next) {
		s.others(50, "ep_1")
	}
	second := attemptAt(&h.Event, "ep_1", history.Delivered)
	s.write(second)
	s.others(500, "ep_1")
	again := attemptAt(&h.Event, "ep_1", history.Delivered)
	s.write(again)

	a := New(bus, nil)
	a.lines, a.skew = 500, 0
	l, err := a.lookup(t.Context(), h, []string{"ep_1"})
	if err != nil {
		t.Fatal(err)
	}
	if attempts, whole := l.attempts(); len(attempts) != 3 || !whole || attempts[2].Outcome != history.Failed || a.lines-l.left > 600 {
		t.Errorf("%d lines read, whole %v: %+v", a.lines-l.left, whole, attempts)
	}
}
