package publish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/net/http/httpguts"

	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/quarantine"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// asStored is a message as a client reads it from its stream; false when its headers can't be read.
func asStored(subject, headers string, body []byte) (query.Stored, bool) {
	h, err := nats.DecodeHeadersMsg([]byte("NATS/1.0\r\n" + headers + "\r\n\r\n"))
	return query.Stored{Subject: subject, Seq: 7, Time: time.Unix(1, 0), Header: h, Data: body}, err == nil
}

// isToken reports whether s is one token of a subject.
func isToken(s string) bool {
	return server.IsValidLiteralSubject(s) && !strings.Contains(s, ".")
}

// Whatever lies on a stream of events, it decodes to an event that can be delivered and named.
func FuzzEvent(f *testing.F) {
	for _, subject := range []string{"events.a", "webhooks.acme.a.b", "webhooks.", "jethook.ops.endpoint.failing", "x", ""} {
		f.Add(subject, "Jethook-Id: evt_1\r\nJethook-Type: a.b\r\nContent-Type: text/plain", []byte("x"))
		f.Add(subject, "Nats-Msg-Id: \xff\r\nJethook-Received: yesterday\r\ntraceparent: 00-0-0-0", []byte{})
	}
	f.Fuzz(func(t *testing.T, subject, headers string, body []byte) {
		s, ok := asStored(subject, headers, body)
		if !ok {
			return
		}
		for _, stream := range topology.EventStreams {
			e := event.Of(&s, stream)
			if e.ID == "" || e.ID != event.CleanID(e.ID) || e.Type == "" || !httpguts.ValidHeaderFieldValue(e.Type) ||
				!event.ValidTraceparent(e.Traceparent) || e.Received.IsZero() {
				t.Errorf("%+v", e)
			}
			if e.Source != "" && stream != topology.StreamWebhooks || !isToken(e.Key()) {
				t.Errorf("source %q, key %q", e.Source, e.Key())
			}
			if other := (&event.Event{ID: e.ID + "x", Source: e.Source}).Key(); other == e.Key() {
				t.Errorf("two events have the key %q", other)
			}
			u := event.Unread(stream, subject, 7, s.Time, body)
			if !isToken(u.Key()) || u.Type == "" {
				t.Errorf("unread: %+v", u)
			}
		}
	})
}

// A delivery that nobody may decode stays the one that it is.
func TestUnreadDeliveryKeepsItsID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"ep_1.acme:evt_1.2s", "ep_1.events:evt_1", "ep_1.events:EVENTS-7.7"} {
		for _, prefix := range []string{"jethook.due.", "jethook.turn."} {
			d := delivery.Unread(prefix+id, 99, time.Now(), nil)
			if d.ID() != id {
				t.Errorf("%s%s became %s", prefix, id, d.ID())
			}
		}
	}
}

// Whatever lies on a stream of deliveries, it decodes to a delivery that can be named, or to none.
func FuzzDelivery(f *testing.F) {
	f.Add("jethook.due.ep_1.events:evt_1", "Jethook-Endpoint: ep_1\r\nJethook-Attempt: 1\r\nJethook-Id: evt_1", []byte("x"))
	f.Add("jethook.dead.ep_1.acme:~0", "Jethook-Endpoint: ep_1\r\nJethook-Attempt: -1\r\nJethook-Id: \r\nJethook-Status: x", []byte("x"))
	f.Add("jethook.due.ep_1.acme:evt_1.2s", "Jethook-Endpoint: ep_1\r\nJethook-Attempt: 1\r\nJethook-Id: evt_1\r\nJethook-Source: acme\r\nJethook-Sequence: 100", []byte("x"))
	f.Add("jethook.retry.ep_1", "Jethook-Endpoint: ep_1\r\nJethook-Attempt: 99999999999999999999\r\nJethook-Replays: 1\r\nJethook-Due: 2026-01-02T15:04:05Z", []byte{})
	f.Fuzz(func(t *testing.T, subject, headers string, body []byte) {
		s, ok := asStored(subject, headers, body)
		if !ok {
			return
		}
		if d, err := delivery.Of(&s); err == nil && (d.Endpoint == "" || d.Attempt < 1 || d.Event.ID == "" || !isToken(d.Event.Key()) || !strings.HasPrefix(d.ID(), d.Endpoint+"."+d.Event.Key())) {
			t.Errorf("%+v", d)
		}
		d := delivery.Unread(subject, 7, s.Time, body)
		if !isToken(d.Event.Key()) || d.Attempt != 1 {
			t.Errorf("unread: %+v", d)
		}
	})
}

// Whatever lies on the stream of rejected requests, it decodes to one of its place and source, or to none.
func FuzzRejected(f *testing.F) {
	f.Add("jethook.rejected.acme", `Jethook-Request: {"reason":"signature","method":"POST","header":{"A":["b"]},"size":1}`, []byte("x"))
	f.Add("jethook.rejected", `Jethook-Request: {"seq":1,"Source":"x","header":null}`, []byte{})
	f.Add("", `Jethook-Request: [[[[`, []byte{})
	f.Fuzz(func(t *testing.T, subject, headers string, body []byte) {
		s, ok := asStored(subject, headers, body)
		if !ok {
			return
		}
		if r, err := quarantine.RequestOf(&s); err == nil && (r.Seq != 7 || string(r.Body) != string(body) || !strings.HasSuffix(subject, r.Source)) {
			t.Errorf("%+v", r)
		}
	})
}
