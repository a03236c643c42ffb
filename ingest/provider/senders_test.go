package provider

import (
	"testing"
	"time"
)

// TestEventsOfOneObject: what happens to an object after another thing did is another event. The id differs, or there is none,
// so that the bytes of the body stand for it.
func TestEventsOfOneObject(t *testing.T) {
	t.Parallel()
	for sender, bodies := range map[string][2]string{
		"box":             {`{"id":"1","trigger":"FILE.UPLOADED","source":{"id":"7"}}`, `{"id":"2","trigger":"FILE.UPLOADED","source":{"id":"7"}}`},
		"cal-com":         {`{"triggerEvent":"BOOKING_CREATED","payload":{"uid":"7"}}`, `{"triggerEvent":"BOOKING_CANCELLED","payload":{"uid":"7"}}`},
		"cashfree":        {`{"type":"PAYMENT_FAILED_WEBHOOK","data":{"payment":{"cf_payment_id":7}}}`, `{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"payment":{"cf_payment_id":7}}}`},
		"documenso":       {`{"event":"DOCUMENT_SENT","payload":{"id":7}}`, `{"event":"DOCUMENT_COMPLETED","payload":{"id":7}}`},
		"expo":            {`{"id":"7","status":"errored"}`, `{"id":"7","status":"finished"}`},
		"front":           {`{"type":"x","payload":{"id":"7","emitted_at":1.5}}`, `{"type":"x","payload":{"id":"7","emitted_at":1.6}}`},
		"knock":           {`{"type":"message.sent","data":{"id":"7"}}`, `{"type":"message.read","data":{"id":"7"}}`},
		"mailjet":         {`[{"event":"open","MessageID":7}]`, `[{"event":"click","MessageID":7}]`},
		"microsoft-teams": {`{"type":"message","id":"7","timestamp":"1"}`, `{"type":"message","id":"7","timestamp":"2"}`},
		"netbox":          {`{"event":"created","request_id":"7","data":{"id":1}}`, `{"event":"updated","request_id":"7","data":{"id":2}}`},
		"onfido":          {`{"payload":{"action":"check.started","object":{"id":"7"}}}`, `{"payload":{"action":"check.completed","object":{"id":"7"}}}`},
		"plivo":           {`CallUUID=7&Event=StartApp`, `CallUUID=7&Event=Hangup`},
		"pusher":          {`{"time_ms":1,"events":[{"name":"channel_occupied"}]}`, `{"time_ms":2,"events":[{"name":"channel_occupied"}]}`},
		"recurly":         {`{"id":"7","object_type":"account","event_type":"created"}`, `{"id":"7","object_type":"account","event_type":"updated"}`},
		"retell":          {`{"event":"call_started","call":{"call_id":"7"}}`, `{"event":"call_ended","call":{"call_id":"7"}}`},
		"telnyx":          {`{"data":{"id":"1","event_type":"message.sent","payload":{"id":"7"}}}`, `{"data":{"id":"2","event_type":"message.finalized","payload":{"id":"7"}}}`},
		"travis-ci":       {`payload=%7B%22id%22%3A7%2C%22state%22%3A%22started%22%7D`, `payload=%7B%22id%22%3A7%2C%22state%22%3A%22passed%22%7D`},
		"webex":           {`{"id":"hook","resource":"rooms","event":"created","data":{"id":"7"}}`, `{"id":"hook","resource":"rooms","event":"updated","data":{"id":"7"}}`},
	} {
		row, found := Lookup(sender)
		if !found {
			t.Fatal(sender)
		}
		var ids [2]string
		for i, body := range bodies {
			events := (&Receiver{Sender: row}).events(formOrJSON("", body))
			if len(events) != 1 {
				t.Fatalf("%s: %d events", sender, len(events))
			}
			ids[i] = events[0].ID
		}
		if ids[0] != "" && ids[0] == ids[1] {
			t.Errorf("%s: two events have the id %q", sender, ids[0])
		}
	}
}

// TestSetUp: what senders ask when an address is set up.
func TestSetUp(t *testing.T) {
	t.Parallel()
	front := sampleFor(t, "front").with(`{"type":"sync","authorization":{"id":"cmp_abc"}}`)
	sync, rc := front.bound(t)
	sync.Header.Set("X-Front-Challenge", "c-1")
	outcome, err := rc.Receive(sync, at)
	if err != nil || outcome.Answer.Body != "c-1" || outcome.Handshake == "" {
		t.Errorf("front: %+v, %v", outcome, err)
	}
	sync.Header.Set("X-Front-Signature", "AAAA")
	if outcome, err := rc.Receive(sync, at); err == nil {
		t.Errorf("front, not signed: %+v", outcome)
	}
	nylas := receiver(t, "nylas", "secret one")
	if outcome, err := nylas.Receive(asked("GET", "challenge=c-1", ""), at); err != nil || outcome.Answer.Body != "c-1" {
		t.Errorf("nylas: %+v, %v", outcome, err)
	}
	monday := receiver(t, "monday")
	if outcome, err := monday.Receive(asked("POST", "", `{"challenge":"c-1"}`), at); err != nil || outcome.Answer.Body != `{"challenge":"c-1"}` {
		t.Errorf("monday: %+v, %v", outcome, err)
	}
	for _, body := range []string{`{"challenge":"c-1","event":{"type":"create_pulse"}}`, `{"challenge":7.5e3,"event":{"type":"x"}}`, `{"challenge":["c"]}`} {
		if outcome, err := monday.Receive(asked("POST", "", body), at); err == nil {
			t.Errorf("monday %s: %+v", body, outcome)
		}
	}
}

// TestRotations: signatures of an old and a new key come side by side, in each sender's own way.
func TestRotations(t *testing.T) {
	t.Parallel()
	for sender, header := range map[string]string{
		"persona": "Persona-Signature", "recurly": "Recurly-Signature", "tailscale": "Tailscale-Webhook-Signature", "outpost": "X-Outpost-Signature",
	} {
		s := sampleFor(t, sender)
		r, rc := s.bound(t)
		old := s.send("the key before", s.body, at).Header.Get(header)
		now := r.Header.Get(header)
		joined := map[string]string{
			"persona": old + " " + now, "recurly": old + "," + now[len("1790000000000,"):],
			"tailscale": old + now[len("t=1790000000"):], "outpost": old + "," + now[len("v0=00,"):],
		}[sender]
		r.Header.Set(header, joined)
		if _, err := rc.Receive(r, at); err != nil {
			t.Errorf("%s %s: %v", sender, joined, err)
		}
	}
	box := sampleFor(t, "box")
	r, rc := box.bound(t)
	r.Header.Set("Box-Signature-Secondary", r.Header.Get("Box-Signature-Primary"))
	r.Header.Set("Box-Signature-Primary", box.send("the key before", box.body, at).Header.Get("Box-Signature-Primary"))
	if _, err := rc.Receive(r, at); err != nil {
		t.Error("box:", err)
	}
}

// TestUnits: a time of a unit that is not said is one of the two that there are.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		unit Unit
		text string
		want time.Time // zero: refused
	}{
		{Epoch, "1790000000", at},
		{Epoch, "1790000000000", at},
		{Epoch, "100000000000", time.UnixMilli(100_000_000_000)},
		{Epoch, "99999999999", time.Unix(99_999_999_999, 0)},
		{Epoch, "1790000000000000", time.Time{}},
		{Epoch, "2026-09-21T14:13:20Z", time.Time{}},
		{UTC, "2026-09-21T14:13:20", at},
		{UTC, "2026-09-21T14:13:20.551", at.Add(551 * time.Millisecond)},
		{UTC, "2026-09-21T14:13:20Z", time.Time{}},
		{UTC, "1790000000", time.Time{}},
		{RFC2822, "Mon, 21 Sep 2026 14:13:20 -0000", at},
		{RFC2822, "Mon, 21 Sep 2026 16:13:20 +0200", at},
		{RFC2822, "Fri, 1 May 2026 00:00:00 +0000", time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)},
		{RFC2822, "Mon, 21 Sep 2026 14:13:20 GMT", time.Time{}},
		{RFC2822, "2026-09-21T14:13:20Z", time.Time{}},
	} {
		got, ok := test.unit.parse(test.text)
		if ok == test.want.IsZero() || ok && !got.Equal(test.want) {
			t.Errorf("%s: %s, %t", test.text, got, ok)
		}
	}
}

// TestMessageBird: a token that says nothing of the body stands for one without.
func TestMessageBird(t *testing.T) {
	t.Parallel()
	claims := map[string]any{"iss": "MessageBird", "url_hash": hexSum(sampleURL)}
	sent := func(body string) *Request {
		r := request(body)
		r.Header.Set("Messagebird-Signature-Jwt", compact(map[string]any{"alg": "HS256"}, claims, hs256("token-one")))
		return r
	}
	rc := receiver(t, "messagebird", "token-one")
	if _, err := rc.Receive(sent(""), at); err != nil {
		t.Error(err)
	}
	if _, err := rc.Receive(sent("{}"), at); Reason(err) != "bad_signature" {
		t.Errorf("a body beside it: %v", err)
	}
	elsewhere := sent("")
	elsewhere.URL = ""
	if _, err := rc.Receive(elsewhere, at); err == nil {
		t.Error("taken without an address")
	}
	claims["url_hash"] = 7
	if _, err := rc.Receive(sent(""), at); Reason(err) != "bad_signature" {
		t.Errorf("a hash that is none: %v", err)
	}
}
