package publish_test

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/topology"
)

// opened opens a bus and closes it, which leaves the streams as its settings ask.
func opened(t *testing.T, cfg *config.Config) {
	t.Helper()
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
}

// A stream that a company already has is copied from the moment on in which it is named, each message once, as the settings
// say, and stays as it is.
func TestExistingStream(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.NATSURL, cfg.DataDir, cfg.MaxBody = bustest.NATSServer(t, func(*server.Options) {}), t.TempDir(), 1<<19
	_, js := bustest.ClientOf(t, cfg.NATSURL)
	orders, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	store := func(subjects ...string) {
		t.Helper()
		for _, s := range subjects {
			if _, err := js.Publish(t.Context(), s, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var copies jetstream.MessagesContext
	expect := func(subjects ...string) {
		t.Helper()
		for _, want := range subjects {
			m, err := copies.Next(jetstream.NextMaxWait(time.Minute))
			if err != nil {
				t.Fatalf("%s does not come: %v", want, err)
			}
			if m.Subject() != want {
				t.Fatalf("%s comes, want %s", m.Subject(), want)
			}
		}
	}
	store("orders.old")
	before := orders.CachedInfo().Config

	cfg.EventsStream, cfg.EventsSubjects = "ORDERS", []string{"orders.*.paid", "orders.made"}
	opened(t, cfg)
	events, err := js.OrderedConsumer(t.Context(), topology.StreamEvents, jetstream.OrderedConsumerConfig{})
	if err == nil {
		copies, err = events.Messages()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer copies.Stop()
	store("orders.eu.paid", "orders.eu.lost", "orders.made")
	expect("events.orders.eu.paid", "events.orders.made")
	opened(t, cfg) // which repeats nothing
	store("orders.us.paid")
	expect("events.orders.us.paid")

	cfg.EventsSubjects = nil
	opened(t, cfg)
	store("orders.eu.lost")
	expect("events.orders.eu.lost")

	cfg.EventsStream = ""
	opened(t, cfg)
	store("orders.made", "events.end")
	expect("events.end")
	after, err := orders.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(after.Config, before) {
		t.Errorf("the stream was changed: %+v, it was %+v", after.Config, before)
	}
}

// A stream that can't be copied as it is stops the start, with the reason.
func TestExistingStreamThatCannotBeCopied(t *testing.T) {
	t.Parallel()
	url := bustest.NATSServer(t, func(*server.Options) {})
	_, js := bustest.ClientOf(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs.>"}, Retention: jetstream.WorkQueuePolicy}); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{"JOBS": "take its messages from others", "NONE": "there is no stream NONE"} {
		cfg := config.Default()
		cfg.NATSURL, cfg.DataDir, cfg.MaxBody, cfg.EventsStream = url, t.TempDir(), 1<<19, name
		_, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if !errors.Is(err, topology.ErrStreamMismatch) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
