package consume_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config/logtest"
	"jethook/consume"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/notice"
	"jethook/consume/registry"
	"jethook/publish/query"
)

func (r *rig) total(t testing.TB, id string) uint64 {
	t.Helper()
	pile, err := r.bus.Query().Peek(t.Context(), query.Waiting(id))
	if err != nil {
		t.Fatal(err)
	}
	return pile.Total
}

// notices subscribes a receiver to all operational events.
func notices(t testing.TB, r *rig) func() (notice.Event, request) {
	rc := receive(t, always(http.StatusOK))
	r.add(t, rc.URL, nil, "jethook.ops.>")
	return func() (e notice.Event, got request) {
		got = rc.next(t)
		if err := json.Unmarshal(got.body, &e); err != nil {
			t.Fatal(err)
		}
		return e, got
	}
}

// An operational event says what an operator needs, and nothing that may be secret.
func TestFailingEndpointIsAnnounced(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	next := notices(t, r)
	rc, _ := switchable(t, http.StatusServiceUnavailable)
	name := "billing"
	began := time.Now()
	ep := r.add(t, rc.URL+"/a-secret-path", func(s *endpoint.Spec) { s.Name = &name }, "events.>")
	for i := range 30 {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	e, got := next()
	d := e.Data
	if e.SpecVersion != "1.0" || e.Type != "jethook.ops.endpoint.failing" || e.Subject != ep.ID || e.Time.IsZero() || e.ID != got.header.Get("webhook-id") {
		t.Errorf("got %+v", e)
	}
	if d.Endpoint != ep.ID || d.Name != name || d.Host != strings.TrimPrefix(rc.URL, "http://") || d.LastStatus != 503 || d.LastClass != "status" ||
		d.Failures < 10 || d.FailingSince.Before(began) || d.Reason == "" || d.Waiting == nil || d.Dead == nil {
		t.Errorf("got %+v", d)
	}
	if bytes.Contains(got.body, []byte("a-secret-path")) {
		t.Errorf("the whole URL is told: %s", got.body)
	}
}

// second runs another engine on the same bus until the test ends, and returns what it sees of the endpoints.
func (r *rig) second(t testing.TB) *registry.Registry {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	registry, err := registry.Open(t.Context(), r.bus.Buckets().Endpoints, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- consume.New(r.bus, registry, r.cfg, "test", log).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return registry
}

// That an endpoint was disabled, and enabled again, is told once, whoever did it and however many processes see it.
func TestSwitchingIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	other := r.second(t)
	next := notices(t, r)
	rc := receive(t, always(http.StatusGone))
	ep := r.add(t, rc.URL, nil, "events.>")
	eventually(t, "the other engine sees both endpoints", func() bool { return len(other.All()) == 2 })
	r.publish(t, "evt", "a")
	if e, _ := next(); e.Type != "jethook.ops.endpoint.disabled" || e.Data.Endpoint != ep.ID || e.Data.Reason != "answered 410 Gone" {
		t.Errorf("got %+v", e)
	}
	for _, disabled := range []bool{false, true} {
		e, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) (err error) {
			*e, err = e.With(&endpoint.Spec{Disabled: &disabled}, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		kind := map[bool]string{false: notice.Enabled, true: notice.Disabled}[disabled]
		got, _ := next()
		if got.Type != "jethook.ops."+kind || (got.Data.Reason != "") != disabled || !strings.HasSuffix(got.ID, fmt.Sprint(".", e.Revision)) {
			t.Errorf("got %+v, want %s of revision %d", got, kind, e.Revision)
		}
	}
}

// Each dead letter is an event; the log has a line for the first of an endpoint, until it was well again.
func TestDeadLettersAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	r := startLogging(t, settings(t), slog.New(slog.NewTextHandler(&log, nil)))
	next := notices(t, r)
	rc, status := switchable(t, http.StatusBadGateway)
	none := []string{}
	r.add(t, rc.URL, func(s *endpoint.Spec) { s.RetrySchedule = none }, "events.>")
	die := func(from, n int) {
		for i := range n {
			r.publish(t, fmt.Sprint("evt_", from+i), "a")
		}
		for range n {
			e, _ := next()
			if e.Type != "jethook.ops.delivery.dead" || e.Data.EventID == "" || e.Data.Attempts != 1 || e.Data.LastStatus != 502 ||
				e.Data.Subject != "events.a" || e.Subject != e.Data.Delivery {
				t.Errorf("got %+v", e)
			}
		}
	}
	die(0, 5)
	if n := log.Count("delivery is dead"); n != 1 {
		t.Errorf("%d lines for 5 dead letters in a row", n)
	}
	status.Store(http.StatusOK)
	r.publish(t, "well", "a")
	eventually(t, "it is delivered", func() bool {
		return len(r.list(t, deliveries.Query{Status: deliveries.StatusDelivered, Type: "a"})) == 1
	})
	status.Store(http.StatusBadGateway)
	die(5, 2)
	if n := log.Count("delivery is dead"); n != 2 {
		t.Errorf("%d lines after it was well in between", n)
	}
}
