package status_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/consume/status"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
)

// rig is a bus on which nothing is delivered: what is put on it stays.
type rig struct {
	bus      *publish.Bus
	registry *registry.Registry
	board    *status.Board
}

func start(t testing.TB) *rig {
	t.Helper()
	cfg := bustest.Settings(t)
	log := slog.New(slog.DiscardHandler)
	bus, err := publish.Open(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	registry, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{bus, registry, status.NewBoard(bus, registry, []config.Source{{Name: "shop"}})}
}

// add creates an endpoint.
func (r *rig) add(t testing.TB, name string, change func(*endpoint.Endpoint)) endpoint.Endpoint {
	t.Helper()
	url := "https://" + name + ".example.com/secret-path"
	e, err := endpoint.New(&endpoint.Spec{Name: &name, URL: &url, Events: []string{"events." + name}}, endpoint.NewAddressPolicy(nil), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&e)
	}
	if e, err = r.registry.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// aDelivery is one that failed once and waits.
func aDelivery(ep string, i int, due time.Time) delivery.Delivery {
	return delivery.Delivery{
		Endpoint: ep, Attempt: 2, Due: due, Why: delivery.WhyRetry, Reason: "answered 503",
		Event: event.Event{
			ID: fmt.Sprint("evt_", i), Type: "a", Subject: "events.a", Received: time.Now(), Body: []byte(`{}`),
		},
	}
}

func (r *rig) schedule(t testing.TB, n int, each func(i int) delivery.Delivery) {
	t.Helper()
	bustest.Fill(t, n, func(i int, done func(error)) {
		d := each(i)
		r.bus.Deliveries().Schedule(&d, done)
	})
}
