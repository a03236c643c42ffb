package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// limited is a nats-server whose account requires that each stream says how much it may hold, as hosted ones do.
func limited(t *testing.T, limits server.JetStreamAccountLimits) (*config.Config, jetstream.JetStream) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, JetStreamMaxStore: 1 << 40, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	limits.MaxMemory, limits.MaxStreams, limits.MaxConsumers, limits.MemoryMaxStreamBytes, limits.StoreMaxStreamBytes = -1, -1, -1, -1, -1
	limits.MaxBytesRequired = true
	if err := srv.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.NATSURL, cfg.MaxBody, cfg.LargeBodies = srv.ClientURL(), 1<<19, true
	_, js := bustest.ClientOf(t, cfg.NATSURL)
	return cfg, js
}

// An account that requires a size of each stream is used as it is, with the sizes that are set, and shares of it for the
// others. They all fit into it, those among them that are made when they are first needed.
func TestAnAccountThatRequiresSizes(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]int64{"bounded": 10 << 30, "boundless": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, js := limited(t, server.JetStreamAccountLimits{MaxStore: store})
			cfg.WebhooksMaxBytes, cfg.DeadMaxBytes = 1<<29, 1<<26
			b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if _, err := b.Publish(t.Context(), bustest.Event("evt_1")); err != nil {
				t.Fatal(err)
			}
			sizes := map[string]int64{}
			var sum int64
			streams := js.ListStreams(t.Context())
			for s := range streams.Info() {
				if s.Config.MaxBytes <= 0 {
					t.Errorf("%s has no size", s.Config.Name)
				}
				sizes[s.Config.Name] = s.Config.MaxBytes
				sum += s.Config.MaxBytes
			}
			if err := streams.Err(); err != nil {
				t.Fatal(err)
			}
			if sizes["WEBHOOKS"] != 1<<29 || sizes["DEAD"] != 1<<26 || len(sizes) < 12 || store > 0 && (sizes["EVENTS"] != store/5 || sum > store*9/10) {
				t.Errorf("in %d bytes: %v", store, sizes)
			}
		})
	}
}

// A stream of events that is full takes nothing more, and keeps what it has.
func TestFullStreamsOfEvents(t *testing.T) {
	t.Parallel()
	cfg, js := limited(t, server.JetStreamAccountLimits{MaxStore: 1 << 30})
	cfg.WebhooksMaxBytes = 1 << 20
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	stored := 0
	for err == nil {
		e := bustest.Event(fmt.Sprint("evt_", stored))
		e.Body = []byte(strings.Repeat("x", 50_000))
		if _, err = b.Publish(t.Context(), e); err == nil {
			stored++
		}
	}
	s, sErr := js.Stream(t.Context(), "WEBHOOKS")
	if sErr != nil {
		t.Fatal(sErr)
	}
	if got := s.CachedInfo().State.Msgs; !errors.Is(err, failure.ErrFull) || stored < 10 || got != uint64(stored) {
		t.Errorf("%d were stored, of which there are %d; then %v", stored, got, err)
	}
}

// What waits is never dropped to make room, although JetStream has no other way with schedules: new deliveries are refused
// before, while a retry of one that came due still fits.
func TestFullDeliveries(t *testing.T) {
	t.Parallel()
	cfg, js := limited(t, server.JetStreamAccountLimits{MaxStore: 1 << 30})
	cfg.DeliveriesMaxBytes = 1 << 20
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	schedule := func(d *delivery.Delivery) error {
		stored := make(chan error, 1)
		b.Deliveries().Schedule(d, func(err error) { stored <- err })
		return <-stored
	}
	waiting := 0
	for ; err == nil; waiting++ {
		d := delivery.Delivery{Endpoint: "ep_1", Attempt: 2, Due: time.Now().Add(time.Hour), Event: event.Event{
			ID: fmt.Sprint("evt_", waiting), Type: "thing", Source: "acme", Subject: "webhooks.acme.thing", Body: []byte(strings.Repeat("x", 20_000)),
		}}
		if waiting == 0 {
			d.Due = time.Now()
		}
		err = schedule(&d)
	}
	if waiting--; !errors.Is(err, failure.ErrFull) || waiting < 10 {
		t.Fatalf("%d are stored, then %v", waiting, err)
	}
	c, err := b.Queues().Open(t.Context(), topology.QueueDue)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	batch, err := c.Take(ctx, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := <-batch.Messages()
	if m == nil {
		t.Fatal(batch.Error())
	}
	d, err := delivery.Decode(m)
	if err != nil {
		t.Fatal(err)
	}
	d.Attempt, d.Due = 3, time.Now().Add(time.Hour)
	if err := schedule(&d); err != nil {
		t.Errorf("a retry of what came due: %v", err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "DELIVERIES")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().State.Msgs; got != uint64(waiting) {
		t.Errorf("of %d deliveries, %d wait", waiting, got)
	}
	if err := b.Ready(t.Context()); err != nil && !errors.Is(err, failure.ErrFull) {
		t.Error(err)
	}
}
