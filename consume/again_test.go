package consume_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/deliveries"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// offline gives do a bus on which no engine runs.
func offline(t *testing.T, r *rig, do func(bus *publish.Bus, js jetstream.JetStream)) {
	t.Helper()
	bus, err := publish.Open(t.Context(), r.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	_, js := bustest.ClientOf(t, bus.Server().ClientURL(), nats.Token(r.cfg.NATSAdminToken.Reveal()))
	do(bus, js)
}

func schedule(t *testing.T, bus *publish.Bus, d *delivery.Delivery) {
	t.Helper()
	stored := make(chan error)
	bus.Deliveries().Schedule(d, func(err error) { stored <- err })
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
}

// A server that is killed after it made a delivery due and before it removed the schedule makes it due once more:
// of the two, one is attempted.
func TestDueAndStillScheduled(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.>")
	r.stop()
	d := delivery.Delivery{
		Endpoint: ep.ID, Event: *internal("evt_1", "a"), Attempt: 2, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry,
	}
	offline(t, r, func(bus *publish.Bus, js jetstream.JetStream) {
		schedule(t, bus, &d)
		s, err := js.Stream(t.Context(), topology.StreamDeliveries)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetLastMsgForSubject(t.Context(), "jethook.retry."+d.ID())
		if err != nil {
			t.Fatal(err)
		}
		for name := range m.Header {
			if name == "Nats-Schedule" || name == "Nats-Schedule-Target" || name == "Nats-Rollup" || name == "Jethook-Due" {
				delete(m.Header, name)
			}
		}
		due := &nats.Msg{Subject: "jethook.due." + d.ID(), Header: m.Header, Data: m.Data}
		if _, err := js.PublishMsg(t.Context(), due); err != nil {
			t.Fatal(err)
		}
	})
	r = start(t, r.cfg)
	r.settled(t, topology.StreamDeliveries)
	if waiting := r.list(t, deliveries.Query{Status: deliveries.StatusWaiting}); len(waiting) != 1 || len(rc.got) > 0 {
		t.Errorf("%d requests, waiting: %+v", len(rc.got), waiting)
	}
	if err := r.ledger.Retry(t.Context(), d.ID()); err != nil {
		t.Fatal(err)
	}
	if n := rc.next(t).header.Get("Jethook-Attempt"); n != "2" {
		t.Errorf("attempt %s", n)
	}
}

// An event that comes again after its delivery was recorded is not delivered again.
func TestDeliveredAndNotAcknowledged(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n > 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	r.stop()
	offline(t, r, func(_ *publish.Bus, js jetstream.JetStream) { // a consumer that is made anew gives out everything
		if err := js.DeleteConsumer(t.Context(), topology.StreamEvents, "jethook"); err != nil {
			t.Fatal(err)
		}
	})
	r = start(t, r.cfg)
	r.settled(t, topology.StreamEvents)
	if all := r.list(t, deliveries.Query{}); len(all) != 1 || all[0].Status != deliveries.StatusDelivered || len(rc.got) > 0 {
		t.Errorf("%d more requests, deliveries: %+v", len(rc.got), all)
	}
}

// What waits for an endpoint that was enabled goes on, also when the process was killed before it had released all.
func TestReleaseCutOff(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.>")
	r.stop()
	offline(t, r, func(bus *publish.Bus, _ jetstream.JetStream) {
		parked := delivery.Delivery{
			Endpoint: ep.ID, Event: *internal("evt_1", "a"), Attempt: 1, Due: time.Now().Add(time.Hour), Why: delivery.WhyDisabled,
		}
		schedule(t, bus, &parked)
	})
	start(t, r.cfg)
	rc.next(t)
}

// A server that is killed while this process lives forgets what it gave out last, and that it was acknowledged: what comes
// again from it is not delivered again either.
func TestServerForgetsWhatItGaveOut(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n > 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	// A consumer that is made anew gives out everything, and for the first time.
	if err := r.js.DeleteConsumer(t.Context(), topology.StreamEvents, "jethook"); err != nil {
		t.Fatal(err)
	}
	r.settled(t, topology.StreamEvents)
	if all := r.list(t, deliveries.Query{}); len(all) != 1 || all[0].Status != deliveries.StatusDelivered || len(rc.got) > 0 {
		t.Errorf("%d more requests, deliveries: %+v", len(rc.got), all)
	}
}
