package archive

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
)

// A search that ran out of time says how far it came, and still finds what waits or is dead.
func TestSearchEndsInTime(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	put := func(source, subject, id string) event.Event {
		e := event.Event{ID: id, Type: "a", Source: source, Subject: subject, Received: time.Now(), Body: []byte(id)}
		if _, err := bus.Publish(t.Context(), &e); err != nil {
			t.Error(err)
		}
		return e
	}
	put("", "events.a", "gone_by")
	for i, e := range []event.Event{put("", "events.a", "waits"), put("shop", "webhooks.shop.a", "is_dead")} {
		d := delivery.Delivery{Endpoint: "ep_1", Event: e, Attempt: 1, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry}
		done := make(chan error, 1)
		[]func(*delivery.Delivery, func(error)){bus.Deliveries().Schedule, bus.Deliveries().DeadLetter}[i](&d, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	var others sync.WaitGroup
	for i := range 1200 {
		others.Go(func() { put("", "events.b", fmt.Sprint(i)) })
	}
	others.Wait()

	a := New(bus, nil, "shop")
	a.patience = 0
	for _, id := range []string{"waits", "is_dead"} {
		if h, _, err := a.Find(t.Context(), id, Query{}); err != nil || string(h.Body) != id {
			t.Errorf("%s: %+v, %v", id, h, err)
		}
	}
	_, _, err := a.Find(t.Context(), "gone_by", Query{})
	far, ok := errors.AsType[*SearchError](err)
	if !ok || !errors.Is(err, ErrSearchTime) || far.Passed != 1024 || time.Since(far.Back) > time.Minute {
		t.Errorf("got %v", err)
	}
	for _, q := range []Query{{Subject: "webhooks.>"}, {Until: time.Now().Add(-time.Hour)}, {Since: time.Now().Add(time.Hour)}} {
		if _, _, err := a.Find(t.Context(), "waits", q); !errors.Is(err, ErrNoEvent) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, _, err := a.Find(t.Context(), "gone_by", Query{Subject: "events.a"}); err != nil {
		t.Errorf("narrowed: %v", err)
	}
}
