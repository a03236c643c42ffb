package attempt

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// Whatever event comes, a chat gets a message of its service that fits, and calls nobody where that can be said.
func FuzzForm(f *testing.F) {
	f.Add("webhooks.a.b", "a", "evt_1", "", []byte(`{"text":"<!channel>","content":"@everyone"}`))
	f.Add("events.a", "a", "evt_1", "text/plain", []byte(`{"content":"@everyone","allowed_mentions":null}`))
	f.Add("events.a", "``", "`", "", []byte(strings.Repeat("[", 20_000)))
	f.Add("jethook.ops.delivery.dead", "jethook.ops.delivery.dead", "x", "", []byte(`{"type":"jethook.ops.delivery.dead","data":{"endpoint":"<!here>"}}`))
	f.Add("events.a", "a", "1", "", []byte("\xff```&"))
	f.Fuzz(func(t *testing.T, subject, eventType, id, contentType string, body []byte) {
		for format, field := range map[endpoint.Format]string{endpoint.FormatSlack: "text", endpoint.FormatDiscord: "content"} {
			e := *endpointAt("http://example.com")
			e.Format = format
			got, sent := form(&Request{Endpoint: &e, EventID: id, EventType: eventType, Subject: subject, ContentType: contentType, Body: body})
			var message map[string]json.RawMessage
			if err := json.Unmarshal(got, &message); err != nil || sent != typeJSON {
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

// Whatever a receiver answers, the pause that it asks for has its bounds.
func FuzzAnswer(f *testing.F) {
	f.Add(429, "120", []byte(`{"retry_after":1.5}`))
	f.Add(503, "Wed, 21 Oct 2099 07:28:00 GMT", []byte(`{"retry_after":1e400}`))
	f.Add(429, "-1", []byte(strings.Repeat("[", 16<<10)))
	f.Add(410, strings.Repeat("9", 40), []byte(`{"retry_after":-1`))
	f.Fuzz(func(t *testing.T, status int, pause string, body []byte) {
		res := Result{Status: status, Response: body}
		res.judge(&http.Response{Header: http.Header{"Retry-After": {pause}}}, endpoint.FormatDiscord, time.Unix(0, 0))
		if res.RetryAfter < 0 || res.RetryAfter > maxRetryAfter {
			t.Errorf("%s", res.RetryAfter)
		}
	})
}
