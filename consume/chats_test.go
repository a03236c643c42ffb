package consume_test

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/event"
)

// A chat service's webhook that was removed is as gone as one that answers 410: its endpoint is disabled, with the reason.
func TestRemovedWebhookDisables(t *testing.T) {
	t.Parallel()
	for format, answer := range map[string]func(w http.ResponseWriter){
		"slack": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "no_service")
		},
		"discord": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message": "Invalid Webhook Token", "code": 50027}`)
		},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r := start(t, settings(t, time.Hour))
			rc := receive(t, func(_ int, _ request, w http.ResponseWriter) { answer(w) })
			ep := r.add(t, rc.URL, func(s *endpoint.Spec) { s.Format = &format }, "events.>")
			r.publish(t, "evt_1", "a")
			rc.next(t)
			want := map[string]string{
				"slack":   "answered 404 Not Found: no_service: the webhook was removed there",
				"discord": "answered 401 Unauthorized: Invalid Webhook Token (50027): the webhook was removed there",
			}[format]
			eventually(t, "the endpoint is disabled", func() bool {
				e, ok := r.registry.Lookup(ep.ID)
				return ok && e.Disabled && e.DisabledReason == want
			})
		})
	}
}

// An endpoint for Discord learns what its webhook takes from each answer, and is never put off: fifteen at once to one
// that takes three in half a second.
func TestDiscordHeadersTeachTheLane(t *testing.T) {
	t.Parallel()
	const most, per = 3, 500 * time.Millisecond
	r := start(t, settings(t))
	var mu sync.Mutex
	var began time.Time
	n, refused := 0, 0
	rc := receive(t, func(_ int, req request, w http.ResponseWriter) {
		mu.Lock()
		defer mu.Unlock()
		if req.at.Sub(began) >= per {
			began, n = req.at, 0
		}
		n++
		rest := per - req.at.Sub(began)
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(most))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(0, most-n)))
		w.Header().Set("X-RateLimit-Reset-After", strconv.FormatFloat(rest.Seconds(), 'f', 3, 64))
		if n > most {
			refused++
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	format, rate, one := "discord", "1000/s", 1
	r.add(t, rc.URL, func(s *endpoint.Spec) { s.Format, s.RateLimit, s.Concurrency = &format, &rate, &one }, "events.>")
	for i := range 15 {
		r.publish(t, strconv.Itoa(i), "a")
	}
	eventually(t, "all are delivered", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusDelivered})) == 15 })
	mu.Lock()
	defer mu.Unlock()
	if refused > 0 {
		t.Errorf("%d were refused", refused)
	}
}

// A service's event carries headers of its own to its receivers: at the first attempt, at a later one, and out of the dead
// letters.
func TestForwardedHeadersAreKept(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 10*time.Millisecond))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.add(t, rc.URL, func(s *endpoint.Spec) { s.Headers = map[string]string{"X-Team": "the endpoint's"} }, "events.>")
	m := nats.NewMsg("events.a")
	m.Data = []byte(`{}`)
	for name, value := range map[string]string{
		"Jethook-Header-X-Order": "7", "Jethook-Header-X-Team": "the event's", "Jethook-Header-Authorization": "Bearer x",
		"Jethook-Header-Host": "evil", "Ce-Specversion": "1.0", "Ce-Id": "1",
	} {
		m.Header[name] = []string{value}
	}
	if _, err := r.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		h := rc.next(t).header
		if h.Get("X-Order") != "7" || h.Get("X-Team") != "the endpoint's" || h.Get("Authorization") != "" || h.Get("Ce-Id") != "1" {
			t.Errorf("got %v", h)
		}
	}
	check()
	check()
	var dead []deliveries.Delivery
	eventually(t, "it is dead", func() bool {
		dead = r.list(t, deliveries.Query{Status: deliveries.StatusDead})
		return len(dead) == 1
	})
	r.retry(t, dead[0].ID)
	check()
}

// What a sender of CloudEvents in binary mode says of its event in headers reaches the endpoint: there, or in one
// CloudEvent in structured mode.
func TestReceivedCloudEvents(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, always(http.StatusOK))
	format := "cloudevents"
	r.add(t, rc.URL+"/binary", nil, "webhooks.>")
	r.add(t, rc.URL+"/structured", func(s *endpoint.Spec) { s.Format = &format }, "webhooks.>")
	e := &event.Event{
		ID: "shop-7", Type: "com.example.a", Source: "shop", Subject: "webhooks.shop.com.example.a", Received: time.Now(),
		ContentType: "application/json", Body: []byte(`{"n":1}`),
		Header: nats.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"7"}, "Ce-Type": {"com.example.a"}, "Ce-Source": {"/shop"}, "X-Other": {"x"}},
	}
	if _, err := r.bus.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got := rc.next(t)
		switch got.path {
		case "/binary":
			if h := got.header; h.Get("Ce-Id") != "7" || h.Get("Ce-Source") != "/shop" || h.Get("X-Other") != "" || string(got.body) != `{"n":1}` {
				t.Errorf("binary: %v %s", h, got.body)
			}
		case "/structured":
			want := `{"datacontenttype":"application/json","id":"7","source":"/shop","specversion":"1.0","type":"com.example.a","data":{"n":1}}`
			if string(got.body) != want || got.header.Get("Content-Type") != "application/cloudevents+json" || got.header.Get("Ce-Id") != "" {
				t.Errorf("structured: %v %s", got.header, got.body)
			}
		}
	}
}
