package format

import (
	"encoding/json"
	"strings"
	"testing"

	"jethook/consume/endpoint"
)

// Whatever event comes, a chat gets a message of its service that fits, and calls nobody where that can be said.
func FuzzIn(f *testing.F) {
	f.Add("webhooks.a.b", "a", "evt_1", "", []byte(`{"text":"<!channel>","content":"@everyone"}`))
	f.Add("events.a", "a", "evt_1", "text/plain", []byte(`{"content":"@everyone","allowed_mentions":null}`))
	f.Add("events.a", "``", "`", "", []byte(strings.Repeat("[", 20_000)))
	f.Add("jethook.ops.delivery.dead", "jethook.ops.delivery.dead", "x", "", []byte(`{"type":"jethook.ops.delivery.dead","data":{"endpoint":"<!here>"}}`))
	f.Add("events.a", "a", "1", "", []byte("\xff```&"))
	f.Fuzz(func(t *testing.T, subject, eventType, id, contentType string, body []byte) {
		for format, field := range map[endpoint.Format]string{endpoint.FormatSlack: "text", endpoint.FormatDiscord: "content"} {
			e := Event{ID: id, Type: eventType, Subject: subject, ContentType: contentType, Body: body}
			got, sent := e.In(format)
			var message map[string]json.RawMessage
			if err := json.Unmarshal(got, &message); err != nil || sent != TypeJSON {
				t.Fatalf("%s: %v: %.200q", format, err, got)
			}
			var text string
			if raw, ok := message[field]; ok && (json.Unmarshal(raw, &text) != nil || units(text) > maxMessage) {
				t.Errorf("%s: %d units: %.200q", format, units(text), got)
			}
			if format == endpoint.FormatDiscord && !strings.HasPrefix(string(message["allowed_mentions"]), "{") {
				t.Errorf("it may call anybody: %.200q", got)
			}
			if !strings.HasPrefix(subject, "events.") && strings.ContainsAny(text, "<>") && format == endpoint.FormatSlack {
				t.Errorf("it holds markup: %.200q", text)
			}
		}
	})
}
