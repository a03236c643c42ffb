package publish_test

import (
	"bytes"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/eventlog"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// A delivery without its body reads its own event and nothing else: not what lies in the event's place in a stream that was
// made anew, and not what a message names that somebody has written.
func TestBodyIsThatOfTheEvent(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	b := bustest.Open(t, cfg)
	_, js := bustest.Client(t, b)
	const subject = "events.big"
	put := func(id string) eventlog.Head {
		t.Helper()
		e := event.Event{ID: id, Type: "big", Subject: subject, Received: time.Now(), Body: bytes.Repeat([]byte(id[len(id)-1:]), delivery.LargeBody)}
		r, err := b.Publish(t.Context(), &e)
		if err != nil {
			t.Fatal(err)
		}
		h, err := b.EventLog().Read(t.Context(), r.Stream, r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := put("evt_1")
	d := delivery.Delivery{Endpoint: "ep_1", Event: h.Event, Attempt: 2, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry}
	schedule(t, b, &d)
	found, err := b.Find().Waiting(t.Context(), d.ID())
	if err != nil || !found.Detached() || found.BodySize() != delivery.LargeBody || len(found.Event.Body) > 0 {
		t.Fatalf("detached: %v, %d bytes, has %d: %v", found.Detached(), found.BodySize(), len(found.Event.Body), err)
	}
	if body, err := b.Deliveries().Body(t.Context(), &found); err != nil || !bytes.Equal(body, h.Body) {
		t.Errorf("got %d bytes: %v", len(body), err)
	}

	for what, header := range map[string]nats.Header{
		"another subject":  {"Jethook-Subject": {"events.other"}},
		"another stream":   {"Jethook-Subject": {"webhooks.acme.big"}},
		"a stream of ours": {"Jethook-Subject": {"jethook.retry." + d.ID()}},
		"a bucket":         {"Jethook-Subject": {"$KV.jethook_endpoints.ep_1"}},
		"another id":       {"Jethook-Id": {"evt_2"}},
		"another size":     {"Jethook-Body-Size": {"70000"}},
		"another place":    {"Jethook-Sequence": {strconv.FormatUint(h.Seq+1, 10)}},
		"no place":         {"Jethook-Sequence": {"0"}},
		"a body kept":      {"Jethook-Body-Kept": {"20000"}, "Jethook-Subject": {"events.other"}},
		"kept, wildcards":  {"Jethook-Body-Kept": {">"}, "Jethook-Subject": {"events.other"}},
	} {
		m := &nats.Msg{Subject: "jethook.dead.ep_1.forged", Header: nats.Header{
			"Jethook-Endpoint": {"ep_1"}, "Jethook-Attempt": {"1"}, "Jethook-Id": {"evt_1"}, "Jethook-Subject": {subject},
			"Jethook-Sequence": {strconv.FormatUint(h.Seq, 10)}, "Jethook-Body-Size": {strconv.Itoa(delivery.LargeBody)},
		}}
		for name, values := range header {
			m.Header[name] = values
		}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		forged, err := b.Find().Dead(t.Context(), "ep_1.forged")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := b.Deliveries().Body(t.Context(), &forged); !errors.Is(err, failure.ErrBodyGone) {
			t.Errorf("%s: got %d bytes, %v", what, len(body), err)
		}
	}

	s, err := js.Stream(t.Context(), topology.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	again := s.CachedInfo().Config
	again.FirstSeq = h.Seq
	if err := js.DeleteStream(t.Context(), again.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if other := put("evt_2"); other.Seq != h.Seq {
		t.Fatalf("the other event lies at %d, not at %d", other.Seq, h.Seq)
	}
	if body, err := b.Deliveries().Body(t.Context(), &found); !errors.Is(err, failure.ErrBodyGone) {
		t.Errorf("got %d bytes of another event: %v", len(body), err)
	}
}

// A body waits with its event only where that is kept for long enough.
func TestBodyIsCarried(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*jetstream.StreamConfig)
		wait   time.Duration
		carry  bool
	}{
		"kept for ever":     {func(c *jetstream.StreamConfig) { c.MaxAge = 0 }, 1000 * time.Hour, false},
		"kept for longer":   {func(c *jetstream.StreamConfig) { c.MaxAge = 8 * time.Hour }, 5 * time.Hour, false},
		"gone a little on":  {func(c *jetstream.StreamConfig) { c.MaxAge = 8 * time.Hour }, 7 * time.Hour, true},
		"drops of subjects": {func(c *jetstream.StreamConfig) { c.MaxAge, c.AllowRollup = 0, true }, time.Hour, true},
		"each its own time": {func(c *jetstream.StreamConfig) { c.MaxAge, c.AllowMsgTTL = 0, true }, time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			reopen(t, cfg, func(js jetstream.JetStream) {
				changed := streamConfig(t, js, topology.StreamEvents)
				c.change(&changed)
				if _, err := js.UpdateStream(t.Context(), changed); err != nil {
					t.Fatal(err)
				}
			})
			b := bustest.Open(t, cfg)
			e := event.Event{ID: "evt_1", Type: "big", Subject: "events.big", Received: time.Now(), Body: make([]byte, delivery.LargeBody)}
			r, err := b.Publish(t.Context(), &e)
			if err != nil {
				t.Fatal(err)
			}
			h, err := b.EventLog().Read(t.Context(), r.Stream, r.Seq)
			if err != nil {
				t.Fatal(err)
			}
			d := delivery.Delivery{Endpoint: "ep_1", Event: h.Event, Attempt: 2, Due: time.Now().Add(c.wait), Why: delivery.WhyRetry}
			schedule(t, b, &d)
			found, err := b.Find().Waiting(t.Context(), d.ID())
			if err != nil || b.Deliveries().MustCarry(&d) != c.carry || found.Detached() == c.carry {
				t.Errorf("must carry: %v, detached: %v, want %v: %v", b.Deliveries().MustCarry(&d), found.Detached(), c.carry, err)
			}
		})
	}
}
