package consume_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/toggle"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// set disables or enables an endpoint as the API does.
func (r *rig) set(t testing.TB, id string, disabled bool, from time.Time) {
	t.Helper()
	r.change(t, id, &endpoint.Spec{Disabled: &disabled}, from)
}

func (r *rig) change(t testing.TB, id string, spec *endpoint.Spec, from time.Time) {
	t.Helper()
	s := toggle.New(r.bus, cursor.NewTable(r.bus, slog.New(slog.DiscardHandler)))
	e, err := r.registry.Update(t.Context(), id, func(e *endpoint.Endpoint) error {
		next, err := e.With(spec, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
		if err == nil {
			err = s.Prepare(t.Context(), e, &next, from)
		}
		*e = next
		return err
	})
	if err == nil {
		err = s.Settle(t.Context(), &e)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// publishAll publishes n events in their order.
func (r *rig) publishAll(t testing.TB, prefix string, n int) {
	t.Helper()
	for i := range n {
		r.publish(t, fmt.Sprint(prefix, i), "a")
	}
}

// gets reads n requests, and fails unless they are those of publishAll, each once and in its order.
func (rc *receiver) gets(t testing.TB, prefix string, n int) {
	t.Helper()
	for i := range n {
		if got, want := rc.next(t).header.Get("webhook-id"), fmt.Sprint(prefix, i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// last fails if there is any request but one for an event that is published now.
func (r *rig) last(t testing.TB, rc *receiver, id string) {
	t.Helper()
	r.publish(t, id, "a")
	if got := rc.next(t).header.Get("webhook-id"); got != id {
		t.Errorf("got %s, want nothing but %s", got, id)
	}
	eventually(t, "that is recorded", func() bool { // a moment after it came
		return len(r.list(t, deliveries.Query{Status: deliveries.StatusDelivered, EventID: id})) == 1
	})
}

func (r *rig) lastOf(t testing.TB, stream string) uint64 {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

// one lets an endpoint get one request at once, so that their order tells.
func one(s *endpoint.Spec) {
	n := 1
	s.Concurrency = &n
}

func (r *rig) awaitDisabled(t testing.TB, id string) {
	t.Helper()
	eventually(t, "it is disabled", func() bool { e, _ := r.registry.Lookup(id); return e.Disabled })
}

// gone answers 410 until it is told otherwise.
func gone(t testing.TB) (*receiver, *atomic.Int32) { return switchable(t, http.StatusGone) }

// What comes while Jethook has disabled an endpoint waits in its stream, also when the process is started anew meanwhile.
func TestDisabledByJethookGetsAllWhenEnabled(t *testing.T) {
	t.Parallel()
	cfg := settings(t, 200*time.Millisecond, time.Hour)
	r := start(t, cfg)
	rc, status := gone(t)
	ep := r.add(t, rc.URL, one, "events.>")
	r.publish(t, "first", "a")
	rc.next(t)
	r.awaitDisabled(t, ep.ID)
	const n = 500
	r.publishAll(t, "evt_", n/2)
	r.settled(t, topology.StreamEvents)
	r.stop()
	r = start(t, cfg)
	for i := n / 2; i < n; i++ {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	r.settled(t, topology.StreamEvents)
	for _, d := range r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting}) {
		if d.EventID != "first" && (d.Waits != "disabled" || d.Attempts > 0) {
			t.Fatalf("waits in another way: %+v", d)
		}
	}
	if n, _, err := r.bus.Query().Count(t.Context(), query.Waiting(ep.ID)); n > 1 || err != nil {
		t.Errorf("%d were written: %v", n, err)
	}
	status.Store(http.StatusOK)
	r.set(t, ep.ID, false, time.Time{})
	first := false
	for i := 0; i < n || !first; {
		switch got := rc.next(t).header.Get("webhook-id"); {
		case got == "first" && !first:
			first = true
		case got != fmt.Sprint("evt_", i):
			t.Fatalf("got %s, want evt_%d", got, i)
		default:
			i++
		}
	}
	r.last(t, rc, "end")
	if stored := r.lastOf(t, topology.StreamDeliveries); stored > 10 {
		t.Errorf("%d deliveries were written", stored)
	}
}

// What comes while its operator has disabled an endpoint passes it by, unless it is asked for.
func TestDisabledOnRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ asked, stopped bool }{
		"passed over":                {false, false},
		"passed over by two lives":   {false, true},
		"asked for":                  {true, false},
		"asked for in a second life": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, time.Hour)
			r := start(t, cfg)
			rc := receive(t, always(http.StatusOK))
			ep := r.add(t, rc.URL, one, "events.>")
			r.publishAll(t, "before_", 10)
			rc.gets(t, "before_", 10)
			r.set(t, ep.ID, true, time.Time{})
			const n = 200
			r.publishAll(t, "meanwhile_", n)
			r.settled(t, topology.StreamEvents)
			if test.stopped {
				r.stop()
				r = start(t, cfg)
			}
			var from time.Time
			if test.asked {
				from = toggle.FromDisabled
			}
			r.set(t, ep.ID, false, from)
			if test.asked {
				rc.gets(t, "meanwhile_", n)
			}
			r.last(t, rc, "end")
			if stored := r.lastOf(t, topology.StreamDeliveries); stored > 0 {
				t.Errorf("%d deliveries were written", stored)
			}
			r.set(t, ep.ID, true, time.Time{}) // what was asked for once is not asked for again
			r.publishAll(t, "again_", 20)
			r.settled(t, topology.StreamEvents)
			r.set(t, ep.ID, false, time.Time{})
			r.last(t, rc, "very_end")
		})
	}
}

// What waited for an endpoint before its operator disabled it is delivered when it is enabled, and what was asked for from a
// time on after that.
func TestWhatWaitedBeforeItWasDisabledOnRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from  func(half time.Time) time.Time
		first int // of those that came meanwhile
	}{
		"not asked":     {func(time.Time) time.Time { return time.Time{} }, 100},
		"from half":     {func(half time.Time) time.Time { return half }, 50},
		"from disabled": {func(time.Time) time.Time { return toggle.FromDisabled }, 0},
		"from long ago": {func(half time.Time) time.Time { return half.Add(-time.Hour) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, time.Hour)
			r := start(t, cfg)
			rc := receive(t, always(http.StatusOK))
			hourly := "1/h"
			ep := r.add(t, rc.URL, func(s *endpoint.Spec) { one(s); s.RateLimit = &hourly }, "events.>")
			const n = 300
			r.publishAll(t, "waits_", n)
			rc.gets(t, "waits_", 1)
			r.set(t, ep.ID, true, time.Time{})
			var half time.Time
			for i := range 100 {
				if i == 50 {
					time.Sleep(2 * time.Millisecond) // the server's times have to differ
					half = time.Now()
					time.Sleep(2 * time.Millisecond)
				}
				r.publish(t, fmt.Sprint("meanwhile_", i), "a")
			}
			r.settled(t, topology.StreamEvents)
			none, off := "", false
			r.change(t, ep.ID, &endpoint.Spec{RateLimit: &none, Disabled: &off}, test.from(half))
			want := make(map[string]bool) // what the lane had taken before may come a moment later than the rest
			for i := 1; i < n; i++ {
				want[fmt.Sprint("waits_", i)] = true
			}
			for i := test.first; i < 100; i++ {
				want[fmt.Sprint("meanwhile_", i)] = true
			}
			for len(want) > 0 {
				got := rc.next(t).header.Get("webhook-id")
				if !want[got] {
					t.Fatalf("got %s, which was not to come, or came before", got)
				}
				delete(want, got)
			}
			r.last(t, rc, "end")
		})
	}
}

// Disabled and enabled again and again while events come and two processes deliver, which hear of it in between, an endpoint
// gets each once when it asks for what passed by.
func TestSwitchedWhileEventsCome(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	other := r.second(t)
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.>")
	eventually(t, "the other engine sees it", func() bool { _, ok := other.Lookup(ep.ID); return ok })
	const n = 1000
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range n {
			if _, err := r.bus.Publish(t.Context(), internal(fmt.Sprint("evt_", i), "a")); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	rounds := 0
	for done := false; !done; rounds++ {
		for _, disabled := range []bool{true, false} {
			r.set(t, ep.ID, disabled, toggle.FromDisabled)
			eventually(t, "the other engine sees it", func() bool {
				seen, ok := other.Lookup(ep.ID)
				return ok && seen.Disabled == disabled
			})
		}
		select {
		case <-published:
			done = true
		default:
		}
	}
	got := make(map[string]int)
	for len(got) < n {
		got[rc.next(t).header.Get("webhook-id")]++
	}
	r.settled(t, topology.StreamEvents)
	for len(rc.got) > 0 {
		got[rc.next(t).header.Get("webhook-id")]++
	}
	for id, times := range got {
		if times > 1 {
			t.Errorf("%s was delivered %d times", id, times)
		}
	}
	t.Logf("%d rounds", rounds)
}

// phase is in which phase of its record an endpoint is; empty: it has none.
func (r *rig) phase(t testing.TB, id string) cursor.Phase {
	t.Helper()
	entry, err := r.bus.Consumers().Records().Get(t.Context(), id+"."+topology.StreamEvents)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return ""
	}
	var record cursor.Record
	if err == nil {
		err = json.Unmarshal(entry.Value(), &record)
	}
	if err != nil {
		t.Fatal(err)
	}
	return record.Phase
}

// A process that is killed between the steps of disabling or enabling leaves nothing undone and nothing lost.
func TestSwitchCutOff(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (r *rig, rc *receiver, ep, off endpoint.Endpoint, s *toggle.Switch) {
		t.Parallel()
		r = start(t, settings(t, time.Hour))
		rc = receive(t, always(http.StatusOK))
		ep = r.add(t, rc.URL, one, "events.>")
		r.publishAll(t, "before_", 3)
		rc.gets(t, "before_", 3)
		off = ep
		off.Switch(true, "disabled on request", time.Now())
		return r, rc, ep, off, toggle.New(r.bus, cursor.NewTable(r.bus, slog.New(slog.DiscardHandler)))
	}
	t.Run("before it is disabled", func(t *testing.T) {
		r, rc, ep, off, s := begin(t)
		if err := s.Prepare(t.Context(), &ep, &off, time.Time{}); err != nil {
			t.Fatal(err)
		}
		cfg := r.cfg
		r.stop()
		r = start(t, cfg)
		r.publishAll(t, "after_", 20)
		rc.gets(t, "after_", 20)
		eventually(t, "it has joined the others again", func() bool { return r.phase(t, ep.ID) == "" })
		r.last(t, rc, "end")
	})
	t.Run("before what comes passes by", func(t *testing.T) {
		r, rc, ep, _, s := begin(t)
		if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) error {
			next := *e
			next.Switch(true, "disabled on request", time.Now())
			err := s.Prepare(t.Context(), e, &next, time.Time{})
			*e = next
			return err
		}); err != nil {
			t.Fatal(err)
		}
		cfg := r.cfg
		r.stop()
		r = start(t, cfg)
		eventually(t, "what comes passes by", func() bool { return r.phase(t, ep.ID) == cursor.Joined })
		r.publishAll(t, "meanwhile_", 20)
		r.settled(t, topology.StreamEvents)
		r.set(t, ep.ID, false, time.Time{})
		r.last(t, rc, "end")
	})
	t.Run("before it is enabled", func(t *testing.T) {
		r, rc, ep, _, s := begin(t)
		r.set(t, ep.ID, true, time.Time{})
		r.publishAll(t, "meanwhile_", 20)
		r.settled(t, topology.StreamEvents)
		off, err := r.registry.Get(t.Context(), ep.ID)
		if err == nil {
			on := off
			on.Switch(false, "", time.Now())
			err = s.Prepare(t.Context(), &off, &on, toggle.FromDisabled)
		}
		if err != nil {
			t.Fatal(err)
		}
		cfg := r.cfg
		r.stop()
		r = start(t, cfg)
		r.set(t, ep.ID, false, toggle.FromDisabled) // again
		rc.gets(t, "meanwhile_", 20)
		r.last(t, rc, "end")
	})
}
