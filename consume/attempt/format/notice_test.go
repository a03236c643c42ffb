package format

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"jethook/consume/endpoint"
	"jethook/consume/notice"
)

// told is what readers of a chat see of an operational event.
func told(t *testing.T, format endpoint.Format, kind string, d notice.Data) string {
	t.Helper()
	event, err := d.Event(kind, "id", time.Date(2026, 11, 22, 14, 8, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	e := Event{ID: event.ID, Type: event.Type, Subject: event.Subject, Body: event.Body}
	body, contentType := e.In(format)
	var message struct{ Text, Content string }
	if err := json.Unmarshal(body, &message); err != nil || contentType != TypeJSON {
		t.Fatalf("%v: %s", err, body)
	}
	if format == endpoint.FormatDiscord && !strings.Contains(string(body), `"allowed_mentions":{"parse":[]}`) {
		t.Errorf("mentions are not ruled out: %s", body)
	}
	return message.Text + message.Content
}

// Operational events are sentences in a chat.
func TestNoticesReadWell(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 12, 3, 0, 0, time.UTC)
	n := func(n uint64) *uint64 { return &n }
	who := notice.Data{Endpoint: "ep_1", Name: "billing", Host: "billing.example.com"}
	of := func(change func(*notice.Data)) notice.Data {
		d := who
		change(&d)
		return d
	}
	for _, row := range []struct {
		kind string
		data notice.Data
		want string
	}{
		{
			notice.Failing, of(func(d *notice.Data) { d.FailingSince, d.Failures, d.LastStatus = since, 10, 503 }),
			"Endpoint billing (billing.example.com) is failing since 12:03 UTC: 10 failures in a row, last 503.",
		},
		{
			notice.Failing, of(func(d *notice.Data) {
				d.FailingSince, d.Failures, d.LastClass, d.Waiting, d.Dead = since.AddDate(0, 0, -2), 1, "connection_refused", n(12), n(3)
			}),
			"Endpoint billing (billing.example.com) is failing since 2026-11-20 12:03 UTC: 1 failure in a row, last connection refused. 12 waiting, 3 dead.",
		},
		{
			notice.Recovered, of(func(d *notice.Data) { d.FailedSince = since }),
			"Endpoint billing (billing.example.com) is well again after 2h 5m.",
		},
		{
			notice.Disabled, of(func(d *notice.Data) { d.Reason, d.Waiting = "answered 410 Gone", n(7) }),
			"Endpoint billing (billing.example.com) is disabled: answered 410 Gone. 7 waiting.",
		},
		{
			notice.Disabled, of(func(d *notice.Data) { d.Reason = "disabled on request" }),
			"Endpoint billing (billing.example.com) is disabled: on request.",
		},
		{notice.Enabled, who, "Endpoint billing (billing.example.com) is enabled again."},
		{
			notice.Dead, of(func(d *notice.Data) {
				d.EventID, d.EventType, d.Attempts, d.LastClass = "evt_1", "order.paid", 6, "timeout"
			}),
			"Delivery of `order.paid` (`evt_1`) to billing (billing.example.com) has failed for good after 6 attempts, last timeout.",
		},
		{
			notice.Dead,
			notice.Data{Endpoint: "ep_1", EventID: "evt_1", EventType: "a", Attempts: 1, Reason: "it can't be stored"},
			"Delivery of `a` (`evt_1`) to ep_1 has failed for good after 1 attempt, last: it can't be stored.",
		},
	} {
		for _, format := range []endpoint.Format{endpoint.FormatSlack, endpoint.FormatDiscord} {
			if got := told(t, format, row.kind, row.data); got != row.want {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", format, row.kind, got, row.want)
			}
		}
	}
}

// Text from outside can't call anybody, look like markup, or make a message too long.
func TestNoticesAreSafe(t *testing.T) {
	t.Parallel()
	d := notice.Data{Endpoint: "ep_1", Name: "<!channel> & @everyone *b*", Host: "x", EventID: "`@here`", EventType: "a", Attempts: 2, LastStatus: 500}
	want := "Delivery of `a` (`_@\u200bhere_`) to &lt;!channel&gt; &amp; @\u200beveryone _b_ (x) has failed for good after 2 attempts, last 500."
	if got := told(t, endpoint.FormatSlack, notice.Dead, d); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	long := strings.Repeat("&日", 4000)
	d = notice.Data{Endpoint: long, Name: long, Host: long, Reason: long, EventID: long, EventType: long, LastClass: long}
	for _, kind := range []string{notice.Failing, notice.Disabled, notice.Dead} {
		if text := told(t, endpoint.FormatSlack, kind, d); len(utf16.Encode([]rune(text))) > maxMessage || strings.Count(text, "&") != strings.Count(text, "&amp;") {
			t.Errorf("%s: %d characters: %s", kind, len(text), text)
		}
	}
}

// What only looks like an operational event is shown as any other event.
func TestNoticesAreOnlyOurs(t *testing.T) {
	t.Parallel()
	event, err := (&notice.Data{Endpoint: "ep_1"}).Event(notice.Enabled, "id", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for subject, body := range map[string]string{
		"events.a": string(event.Body), "jethook.ops.endpoint.failing": string(event.Body),
		"jethook.ops.endpoint.enabled": `{"type":"jethook.ops.endpoint.enabled"}`, "jethook.ops.other": `{"type":"jethook.ops.other","data":{"endpoint":"x"}}`,
	} {
		if text, ok := notice.Sentence(subject, []byte(body), strings.Clone); ok {
			t.Errorf("%s: %s", subject, text)
		}
	}
}
