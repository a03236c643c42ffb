package consume_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"jethook/consume/archive"
	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
	"jethook/consume/recovery"
	"jethook/publish/delivery"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// What waits behind a cursor is listed, each once, and found by its id, its type, its event and its time.
func TestWhatWaitsBehindACursorIsListed(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	const n = 300
	s, ep := r.lag(t, n)
	other := r.add(t, s.URL, nil, "events.b") // it waits for nothing
	waiting := deliveries.Query{Status: deliveries.StatusWaiting}
	eventually(t, "its lane, which stands still, has given back what it held", func() bool { return len(r.record(t, ep.ID).Left) > 0 })
	rec := r.record(t, ep.ID)
	_, last, err := r.bus.Query().Ends(t.Context(), query.Events(topology.StreamEvents, []string{"events.>"}), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	all := r.listAll(t, waiting, 37)
	seen := make(map[string]bool)
	for i, d := range all {
		if seen[d.ID] || d.Endpoint != ep.ID || d.Attempts != 0 || d.Next != nil || d.Waits != string(cursor.Behind) || d.Type != "a" {
			t.Fatalf("got %+v, seen: %t", d, seen[d.ID])
		}
		if i > 0 && d.At.After(all[i-1].At) {
			t.Fatalf("%s is newer than the one before", d.ID)
		}
		seen[d.ID] = true
	}
	if want := int(last-rec.From) + 1 + len(rec.Left); len(all) != want {
		t.Fatalf("%d are listed, want %d", len(all), want)
	}
	d := all[len(all)/2]
	for name, q := range map[string]deliveries.Query{
		"its endpoint": {Endpoint: ep.ID}, "its type": {Type: "a"}, "its time": {Since: all[len(all)-1].At},
	} {
		t.Run("by "+name, func(t *testing.T) {
			q.Status = deliveries.StatusWaiting
			if got := r.listAll(t, q, 100); len(got) != len(all) {
				t.Errorf("got %d, want all %d", len(got), len(all))
			}
		})
	}
	for name, q := range map[string]deliveries.Query{
		"another endpoint": {Endpoint: other.ID}, "another type": {Type: "b"}, "an earlier time": {Until: all[len(all)-1].At}, "a class": {Class: "timeout"},
	} {
		t.Run("by "+name, func(t *testing.T) {
			q.Status = deliveries.StatusWaiting
			if got := r.listAll(t, q, 100); len(got) != 0 {
				t.Errorf("got %d, want none", len(got))
			}
		})
	}
	if got := r.listAll(t, deliveries.Query{EventID: d.EventID}, 10); len(got) != 1 || got[0].ID != d.ID {
		t.Errorf("by its event: %+v", got)
	}
	found, err := r.ledger.Delivery(t.Context(), d.ID)
	if err != nil || fmt.Sprint(found) != fmt.Sprint(d) {
		t.Errorf("got %+v, want %+v: %v", found, d, err)
	}
	h, _, err := archive.New(r.bus, r.registry).Find(t.Context(), d.EventID, archive.Query{})
	if err != nil {
		t.Fatal(err)
	}
	trace, err := archive.New(r.bus, r.registry).Trace(t.Context(), &h)
	if err != nil || len(trace.Deliveries) != 1 || fmt.Sprint(trace.Deliveries[0]) != fmt.Sprint(d) {
		t.Errorf("traced %+v, want %+v: %v", trace.Deliveries, d, err)
	}
	close(s.open)
	r.caughtUp(t, ep.ID)
	if left := r.listAll(t, waiting, 100); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
	if done := r.listAll(t, deliveries.Query{Endpoint: ep.ID}, 100); len(done) != n || countOf(done, func(d deliveries.Delivery) bool { return d.Status == deliveries.StatusDelivered }) != n {
		t.Errorf("%d deliveries", len(done))
	}
}

// While a circuit is open each event is in one state: it failed and is to be retried, or it waits. What a cursor has handed
// out and not got back is listed once, and what it got back not at all.
func TestEachEventIsInOneStateWhileACircuitIsOpen(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	m := newMoody(t)
	ep := r.add(t, m.URL, nil, "events.>")
	m.refuse("")
	const n = 200
	for i := range n {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	eventually(t, "its circuit is open and it lags", func() bool {
		now, _ := r.registry.Lookup(ep.ID)
		rec := r.record(t, ep.ID)
		return !now.FailingSince.IsZero() && rec != nil && rec.Divides()
	})
	r.settled(t, topology.StreamEvents)
	// It is being probed: what moves on while a list is made may be missing in that one.
	for range 5 {
		eventually(t, "all are listed", func() bool {
			all := r.listAll(t, deliveries.Query{Endpoint: ep.ID}, paging.Max)
			seen := make(map[string]string)
			for _, d := range all {
				if seen[d.ID] != "" {
					t.Fatalf("%s waits for %s and %s", d.ID, d.Waits, seen[d.ID])
				}
				seen[d.ID] = d.Waits
			}
			return len(seen) == n && countOf(all, waits("retry", "circuit_open")) == n && countOf(all, waits("circuit_open")) > 0
		})
	}
}

// What waits behind a cursor can be asked for: it is attempted before the others, and once.
func TestRetryOfWhatWaitsBehindACursor(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	const n = 300
	s, ep := r.lag(t, n)
	all := r.listAll(t, deliveries.Query{Status: deliveries.StatusWaiting}, 500)
	wanted := all[0] // the newest
	if err := r.ledger.Retry(t.Context(), wanted.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.ledger.Retry(t.Context(), wanted.ID); !errors.Is(err, deliveries.ErrUnderWay) {
		t.Errorf("asked again: %v", err)
	}
	got := 0
	for _, d := range r.listAll(t, deliveries.Query{Status: deliveries.StatusWaiting}, 500) {
		if d.ID == wanted.ID {
			got++
		}
	}
	if got != 1 {
		t.Errorf("it is listed %d times", got)
	}
	for early := 0; ; early++ {
		s.answer <- struct{}{}
		if s.next(t).header.Get("webhook-id") == wanted.EventID {
			break
		}
		if early > 50 {
			t.Fatal("it does not come before the others")
		}
	}
	close(s.open)
	r.caughtUp(t, ep.ID)
	r.onceEach(t, ep.ID, n)
}

// Whoever takes a place from a cursor may be killed between any two steps: the event is delivered all the same.
func TestGoingAheadThatWasCutOff(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	const n = 300
	s, ep := r.lag(t, n)
	all := r.listAll(t, deliveries.Query{Status: deliveries.StatusWaiting}, 500)
	key := cursor.Key{Endpoint: ep.ID, Stream: topology.StreamEvents}
	for i, sent := range []bool{false, true} {
		_, _, place, _ := delivery.PlaceOf(all[i].ID)
		if noted, err := r.table().GoAhead(t.Context(), key, place); !noted || err != nil {
			t.Fatalf("%s: %t, %v", all[i].ID, noted, err)
		}
		if sent {
			d := delivery.Delivery{Endpoint: ep.ID, Event: *r.stored(t, all[i].EventID), Attempt: 1}
			if err := r.bus.Deliveries().Send(t.Context(), &d, "ahead"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, d := range all[:2] {
		listed := r.listAll(t, deliveries.Query{Status: deliveries.StatusWaiting, EventID: d.EventID}, 100)
		if len(listed) != 1 {
			t.Errorf("%s is listed %d times", d.ID, len(listed))
		}
	}
	close(s.open)
	r.caughtUp(t, ep.ID)
	r.settled(t, topology.StreamDeliveries)
	r.onceEach(t, ep.ID, n)
}

// Sending an event again brings it forward where it waits, and leaves it where it is being requested.
func TestResendOfWhatWaitsBehindACursor(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	const n = 300
	s, ep := r.lag(t, n)
	all := r.listAll(t, deliveries.Query{Status: deliveries.StatusWaiting}, 500)
	if taken := redeliver(t, r, ep.ID, r.stored(t, all[0].EventID), "k"); taken == 0 {
		t.Error("never taken")
	}
	if taken := redeliver(t, r, ep.ID, r.stored(t, "evt_0"), "k"); taken != 0 {
		t.Errorf("taken %d times while it was being requested", taken)
	}
	close(s.open)
	r.caughtUp(t, ep.ID)
	r.settled(t, topology.StreamDeliveries)
	r.onceEach(t, ep.ID, n)
	if taken := redeliver(t, r, ep.ID, r.stored(t, all[0].EventID), "another"); taken == 0 {
		t.Error("a delivered one can't be sent again")
	}
}

// A recovery sends nothing of what waits, and does not wait for it.
func TestRecoveryOfAnEndpointThatLags(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour, time.Hour))
	m := newMoody(t)
	ep := r.add(t, m.URL, nil, "events.>")
	m.refuse("")
	publishAll := func(name string, n int) {
		for i := range n {
			r.publish(t, fmt.Sprint(name, i), "a")
		}
	}
	publishAll("before_", 100)
	eventually(t, "it lags", func() bool {
		now, _ := r.registry.Lookup(ep.ID)
		return !now.FailingSince.IsZero() && r.record(t, ep.ID) != nil
	})
	from := time.Now() // each of those that failed until now would be a probe, of which there is one a second
	const n = 1000
	publishAll("evt_", n)
	r.settled(t, topology.StreamEvents)
	jobs := recovery.New(r.bus)
	counted, err := jobs.Count(t.Context(), &ep, from, time.Time{}, false)
	if err != nil || counted.Counts.Missed != 0 {
		t.Errorf("counted %+v: %v", counted.Counts, err)
	}
	rec, err := jobs.Start(t.Context(), &ep, from, time.Time{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if rec = r.recovered(t, rec.ID); rec.State != recovery.Done || rec.Counts.Missed != 0 || rec.Counts.Dead != 0 {
		t.Errorf("got %+v", rec)
	}
	if r.record(t, ep.ID) == nil {
		t.Error("it waited until the endpoint had caught up")
	}
	m.takeAll()
	r.caughtUp(t, ep.ID)
	for i := range n {
		id := fmt.Sprint("evt_", i)
		waiting := r.list(t, deliveries.Query{EventID: id, Status: deliveries.StatusWaiting})
		if got := m.times(id) + len(waiting); got != 1 {
			t.Errorf("%s was taken %d times, and waits %d times", id, m.times(id), len(waiting))
		}
	}
}

// A removed endpoint that lagged leaves neither a record nor a consumer, also when the record can't be read.
func TestRemovalOfAnEndpointThatLags(t *testing.T) {
	t.Parallel()
	for _, spoilt := range []bool{false, true} {
		t.Run(fmt.Sprintf("spoilt %t", spoilt), func(t *testing.T) {
			t.Parallel()
			r := start(t, settings(t, time.Hour))
			s, ep := r.lag(t, 600)
			eventually(t, "its cursor has a consumer", func() bool {
				select {
				case s.answer <- struct{}{}:
				default:
				}
				return len(r.orderedConsumers(t, ep.ID)) > 0
			})
			key := cursor.Key{Endpoint: ep.ID, Stream: topology.StreamEvents}
			if spoilt {
				if _, err := r.bus.Consumers().Records().PutString(t.Context(), key.String(), "{"); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.registry.Delete(t.Context(), ep.ID); err != nil {
				t.Fatal(err)
			}
			if spoilt { // whoever removes an endpoint does so, too
				if err := r.bus.Deliveries().Forget(t.Context(), ep.ID); err != nil {
					t.Fatal(err)
				}
			}
			close(s.open)
			eventually(t, "nothing is left", func() bool {
				_, err := r.bus.Consumers().Records().Get(t.Context(), key.String())
				return err != nil && len(r.orderedConsumers(t, ep.ID)) == 0
			})
		})
	}
}

// What an ordered endpoint has not come to is listed, and can't be asked for before its turn.
func TestWhatWaitsInOrderIsListed(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	s := newSlow(t)
	ep := r.add(t, s.URL, ordered, "events.>")
	const n = 20
	for i := range n {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	s.next(t)
	all := r.listAll(t, deliveries.Query{Endpoint: ep.ID}, 7)
	if len(all) != n || countOf(all, waits("order")) != n-1 || all[n-1].Waits != "first" {
		t.Fatalf("%d are listed: %+v", len(all), all)
	}
	if err := r.ledger.Retry(t.Context(), all[0].ID); !errors.Is(err, deliveries.ErrInOrder) {
		t.Errorf("the last one: %v", err)
	}
	if err := r.ledger.Retry(t.Context(), all[n-1].ID); !errors.Is(err, deliveries.ErrUnderWay) {
		t.Errorf("the first one: %v", err)
	}
	close(s.open)
	eventually(t, "all is delivered", func() bool {
		return len(r.listAll(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusDelivered}, 50)) == n
	})
	eventually(t, "nothing waits", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})) == 0 })
}
