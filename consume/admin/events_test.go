package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/consume/admin/events"
	"jethook/consume/admin/sources"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// last returns the event that was sent last, and nobody read yet.
func (a *api) last() event.Event {
	a.t.Helper()
	c, err := a.bus.Queues().Open(a.t.Context(), topology.QueueEvents)
	if err != nil {
		a.t.Fatal(err)
	}
	m, err := c.Next()
	if err != nil {
		a.t.Fatal(err)
	}
	e, err := event.Decode(m)
	if err != nil {
		a.t.Fatal(err)
	}
	return e
}

func TestSendEvent(t *testing.T) {
	t.Parallel()
	a := start(t)
	// Bytes that a decoder would change: order, spaces, a large number, escapes.
	data := `{ "b": 1.0,  "a":12345678901234567890, "c":"\u00e9<&>" }`
	before := time.Now()
	sent := get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"order.created","data":`+data+`}`)
	e := a.last()
	if !strings.HasPrefix(sent.ID, "evt_") || sent.Duplicate || e.ID != sent.ID {
		t.Errorf("sent %+v, stored %q", sent, e.ID)
	}
	if string(e.Body) != data {
		t.Errorf("data changed: %s", e.Body)
	}
	if e.Subject != "events.order.created" || e.Type != "order.created" || e.ContentType != "application/json" || e.Source != "" ||
		e.Received.Before(before) || len(e.Traceparent) != 55 {
		t.Errorf("stored %+v", e)
	}
}

func TestSendEventOfAnyJSON(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, data := range []string{`null`, `false`, `7`, `"text"`, `[]`, `{}`} {
		get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"a","data":`+data+`}`)
		if e := a.last(); string(e.Body) != data {
			t.Errorf("%s became %s", data, e.Body)
		}
	}
}

func TestSendEventTwice(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, duplicate := range []bool{false, true, true} {
		got := get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"a","data":1,"id":"my/id:7"}`)
		if got.ID != "my/id:7" || got.Duplicate != duplicate {
			t.Errorf("got %+v, want duplicate %v", got, duplicate)
		}
	}
}

func TestSendEventKeepsItsTrace(t *testing.T) {
	t.Parallel()
	a := start(t)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for given, kept := range map[string]bool{
		trace: true, "": false, "nonsense": false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": false,
		strings.ToUpper(trace): false,
	} {
		got := a.send("POST", "/api/v1/events", `{"type":"a","data":1}`, http.Header{
			"Authorization": {"Bearer " + token}, "Traceparent": {given},
		})
		if got.status != http.StatusAccepted {
			t.Fatalf("%q: %d %s", given, got.status, got.body)
		}
		if e := a.last(); (e.Traceparent == given) != kept || len(e.Traceparent) != 55 {
			t.Errorf("%q became %q", given, e.Traceparent)
		}
	}
}

func TestRefusedEvents(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, eventType := range []string{
		"", "*", ">", "a.*", "a.>", "a b", ".", "a.", ".a", "a..b", "a/b", "a:b", `a\nb`, `a\u0000`, `a\u200b`,
		strings.Repeat("x", 257), "events.order.created",
	} {
		got := a.do("POST", "/api/v1/events", `{"type":"`+eventType+`","data":1}`)
		if got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != "type" {
			t.Errorf("type %q: %d %s", eventType, got.status, got.body)
		}
	}
	for _, id := range []string{"", "a b", `\n`, "é", strings.Repeat("x", 129)} {
		got := a.do("POST", "/api/v1/events", `{"type":"a","data":1,"id":"`+id+`"}`)
		if got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != "id" {
			t.Errorf("id %q: %d %s", id, got.status, got.body)
		}
	}
	if n, _, err := a.bus.Query().Count(t.Context(), query.Webhooks("x")); n != 0 || err != nil {
		t.Errorf("stored %d: %v", n, err)
	}
}

func TestListSources(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, id := range []string{"1", "2"} {
		if _, err := a.bus.Publish(t.Context(), &event.Event{
			ID: id, Type: "sale", Source: "shop", Subject: "webhooks.shop.sale", Received: time.Now(), Body: []byte("{}"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	got := get[sources.SourcePage](a, http.StatusOK, "GET", "/api/v1/sources", "")
	if len(got.Items) != 3 || got.NextCursor != "" {
		t.Fatalf("got %+v", got)
	}
	shop, quiet := got.Items[0], got.Items[1]
	if shop.Name != "shop" || shop.Provider != "standard-webhooks" || shop.Received != 2 || shop.LastSeen == nil || time.Since(*shop.LastSeen) > time.Minute {
		t.Errorf("got %+v", shop)
	}
	if shop.VerifiedBy != "HMAC" || !shop.CoversBody || quiet.VerifiedBy != "" || quiet.CoversBody {
		t.Errorf("how they are verified: %+v, %+v", shop, quiet)
	}
	if quiet.Name != "quiet" || quiet.Received != 0 || quiet.LastSeen != nil {
		t.Errorf("got %+v", quiet)
	}
}
