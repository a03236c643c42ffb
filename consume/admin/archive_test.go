package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"jethook/consume/admin/events"
	"jethook/publish/event"
)

// put stores an event.
func (a *api) put(e *event.Event) {
	a.t.Helper()
	if e.Received.IsZero() {
		e.Received = time.Now()
	}
	if _, err := a.bus.Publish(a.t.Context(), e); err != nil {
		a.t.Fatal(err)
	}
}

func TestListEvents(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.put(&event.Event{ID: "w1", Type: "sale", Source: "shop", Subject: "webhooks.shop.sale", ContentType: "text/plain", Body: []byte("four")})
	for i := range 5 {
		a.put(&event.Event{ID: fmt.Sprint("e", i), Type: "order", Subject: "events.order"})
	}
	a.put(&event.Event{ID: "o1", Type: "x", Subject: "jethook.ops.x"})
	var all []string
	for cursor, page := "", 0; page == 0 || cursor != ""; page++ {
		got := get[events.EventPage](a, http.StatusOK, "GET", "/api/v1/events?limit=2&cursor="+cursor, "")
		for _, e := range got.Items {
			all = append(all, e.ID)
		}
		cursor = got.NextCursor
	}
	if got := strings.Join(all, " "); got != "e4 e3 e2 e1 e0 w1" {
		t.Errorf("got %s", got)
	}
	one := get[events.EventPage](a, http.StatusOK, "GET", "/api/v1/events?subject=webhooks.*.sale&since=1h&until=0s", "").Items
	if len(one) != 1 || one[0].Size != 4 || one[0].ContentType != "text/plain" || one[0].Source != "shop" || one[0].Stream != "WEBHOOKS" ||
		one[0].Sequence != 1 || one[0].Type != "sale" || time.Since(one[0].Received) > time.Minute {
		t.Errorf("got %+v", one)
	}
	if got := get[events.EventPage](a, http.StatusOK, "GET", "/api/v1/events?subject=jethook.ops.*", "").Items; len(got) != 1 || got[0].ID != "o1" {
		t.Errorf("got %+v", got)
	}
	place := get[events.EventPage](a, http.StatusOK, "GET", "/api/v1/events?subject=events.%3E&limit=2", "").NextCursor
	for query, field := range map[string]string{
		"subject=webhooks.%3E&cursor=" + place: "cursor", // a place in another stream: it would pass over some
		"subject=orders":                       "subject", "subject=events.%3E.x": "subject", "since=x": "since", "until=-1h": "until",
		"limit=0": "limit", "cursor=x": "cursor", "cursor=1": "cursor", "type=x": "type",
	} {
		if got := a.do("GET", "/api/v1/events?"+query, ""); got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != field {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestReadEvent(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"n","url":"https://example.com/x","events":["events.order.*"]}`)
	d := aDelivery(e.ID, "my/id%2F:7")
	d.Event.Header = map[string][]string{"X-Custom": {"1", "2"}, "Nats-Rollup": {"all"}}
	a.put(&d.Event)
	a.schedule(d)
	path := "/api/v1/events/" + url.PathEscape(d.Event.ID)
	got := get[events.EventDetail](a, http.StatusOK, "GET", path, "")
	if got.ID != d.Event.ID || got.Text != "{}" || got.Base64 != "" || got.Truncated || got.Size != 2 ||
		strings.Join(got.Headers["X-Custom"], " ") != "1 2" || got.Headers["Jethook-Id"] == nil || got.Headers["Nats-Msg-Id"] == nil {
		t.Errorf("got %+v", got)
	}
	for name := range got.Headers {
		if strings.HasPrefix(name, "Nats-") && name != "Nats-Msg-Id" {
			t.Errorf("header %s is none of the event's", name)
		}
	}
	if len(got.Deliveries) != 1 || got.Deliveries[0].ID != d.ID() || got.Deliveries[0].Attempts != 1 || len(got.Attempts) != 0 {
		t.Errorf("got %+v", got.Trace)
	}
	a.deliver(d)
	if got := get[events.EventDetail](a, http.StatusOK, "GET", path, ""); len(got.Attempts) != 1 || got.Attempts[0].Status != 204 {
		t.Errorf("got %+v", got.Trace)
	}
	for _, path := range []string{"/api/v1/events/none", "/api/v1/events/EVENTS-99", path + "?until=1h", path + "?subject=webhooks.%3E", "/api/v1/events/none/body"} {
		if got := a.do("GET", path, ""); got.status != http.StatusNotFound || got.code() != "not_found" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := a.do("GET", path+"?subject=x", ""); strings.Join(got.fields(), " ") != "subject" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestBodiesOfEvents(t *testing.T) {
	t.Parallel()
	a := start(t)
	long := strings.Repeat("é", 1<<19) + "é" // its 1 MiB and 2 bytes
	odd := "x" + long                        // 1 MiB ends within a character
	for i, tt := range []struct {
		body, text, base64 string
		cut                bool
	}{
		{body: ""},
		{body: "<script>é", text: "<script>é"},
		{body: "\xff\x00", base64: "/wA="},
		{body: long, text: long[:1<<20], cut: true},
		{body: odd, text: odd[:1<<20-1], cut: true},
	} {
		id := fmt.Sprint("id", i)
		a.put(&event.Event{ID: id, Type: "a", Subject: "events.a", ContentType: "text/html", Body: []byte(tt.body)})
		got := get[events.EventDetail](a, http.StatusOK, "GET", "/api/v1/events/"+id, "")
		if got.Text != tt.text || got.Base64 != tt.base64 || got.Truncated != tt.cut || got.Size != len(tt.body) {
			t.Errorf("%d: got %d and %d bytes, %v", i, len(got.Text), len(got.Base64), got.Truncated)
		}
		raw := a.do("GET", "/api/v1/events/"+id+"/body", "")
		if raw.status != http.StatusOK || raw.body != tt.body || raw.header.Get("Content-Type") != "application/octet-stream" ||
			raw.header.Get("Content-Disposition") != "attachment" || raw.header.Get("X-Content-Type-Options") != "nosniff" ||
			raw.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%d: got %d, %d bytes, %v", i, raw.status, len(raw.body), raw.header)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	a := start(t)
	on := a.create(`{"name":"on","url":"https://example.com/x","events":["events.>","events.order.*","webhooks.>"]}`)
	off := a.create(`{"name":"off","url":"https://example.com/x","events":["events.order.created"],"disabled":true}`)
	a.create(`{"name":"other","url":"https://example.com/x","events":["webhooks.shop.*"]}`)
	got := get[events.MatchPage](a, http.StatusOK, "GET", "/api/v1/match?subject=events.order.created", "").Items
	if len(got) != 2 || got[0].Endpoint != on.ID || got[0].Disabled || strings.Join(got[0].Events, " ") != "events.> events.order.*" ||
		got[1].Endpoint != off.ID || !got[1].Disabled || got[1].Name != "off" {
		t.Errorf("got %+v", got)
	}
	if got := get[events.MatchPage](a, http.StatusOK, "GET", "/api/v1/match?subject=jethook.ops.x", ""); got.Items == nil || len(got.Items) != 0 {
		t.Errorf("got %+v", got)
	}
	for _, subject := range []string{"", "events", "events.", "events.*", "events.%3E", "events.a%20b", "events..a", "orders.a", "jethook.retry.a"} {
		if got := a.do("GET", "/api/v1/match?subject="+subject, ""); got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != "subject" {
			t.Errorf("%q: %d %s", subject, got.status, got.body)
		}
	}
}
