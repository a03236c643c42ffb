package publish_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/publish/event"
	"jethook/publish/topology"
)

func TestTypeTokens(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"device.down":                   "device.down",
		"order/created":                 "order.created",
		"charge:created":                "charge.created",
		"zen:event-type:ticket.created": "zen.event-type.ticket.created",
		"Push Hook":                     "Push_Hook",
		"":                              "unknown",
		">":                             "_",
		"*":                             "_",
		"orders.*.>":                    "orders._._",
		"...":                           "unknown",
		".a..b.":                        "a.b",
		"://":                           "unknown",
		"a\tb\nc\x00d":                  "a_b_c_d",
		"größe.geändert":                "größe.geändert",
		"zero\u200bwidth":               "zero_width",
		"no\u00a0break":                 "no_break",
		"bad\xffbyte":                   "bad_byte",
		"$SYS.REQ":                      "$SYS.REQ",
		strings.Repeat("x", 10_000):     strings.Repeat("x", 256),
		strings.Repeat("é", 10_000):     strings.Repeat("é", 128),
		strings.Repeat(".x", 10_000):    strings.Repeat("x.", 127) + "x",
	} {
		if got := topology.TypeTokens(in); got != want {
			t.Errorf("%.40q: got %.80q, want %.80q", in, got, want)
		}
	}
}

func FuzzTypeTokens(f *testing.F) {
	for _, s := range []string{"device.down", "a b", ">", "*", "...", "a/b:c", "\x00", "é\xff", strings.Repeat("a.", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := topology.TypeTokens(s)
		subject := topology.WebhookSubject("source", s)
		switch {
		case !server.IsValidLiteralSubject(subject) || !server.IsValidPublishSubject(subject):
			t.Fatalf("%q became %q, which is no subject", s, subject)
		case strings.ContainsAny(subject, " \t\r\n\x00*>"):
			t.Fatalf("%q became %q", s, subject)
		case len(got) > 256 || !utf8.ValidString(got):
			t.Fatalf("%q became %d bytes: %q", s, len(got), got)
		case topology.TypeTokens(got) != got:
			t.Fatalf("%q became %q, and that again %q", s, got, topology.TypeTokens(got))
		}
	})
}

func TestKeysTellEventsApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 120)
	keys := map[string]event.Event{}
	for _, e := range []event.Event{
		{Source: "polar", ID: "1"},
		{Source: "polar", ID: "2"},
		{Source: "stripe", ID: "1"},
		{ID: "1"},
		{Source: "polar", ID: "a.b"},
		{Source: "polar", ID: "a b"},
		{Source: "polar", ID: "a>b"},
		{Source: "polar", ID: long},
		{Source: "polar", ID: long + "y"},
		{Source: long, ID: "1"},
		{Source: "po~lar", ID: "1"},
	} {
		key := e.Key()
		if other, twice := keys[key]; twice {
			t.Errorf("%+v and %+v share the key %q", e, other, key)
		}
		keys[key] = e
		if strings.Contains(key, ".") || !server.IsValidLiteralSubject(key) || len(key) > 128 || strings.Contains(strings.Split(key, ":")[0], "~") {
			t.Errorf("%+v: %q is no subject token", e, key)
		}
	}
	readable := event.Event{Source: "polar", ID: "evt_1-a"}
	if got := readable.Key(); got != "polar:evt_1-a" {
		t.Errorf("got %q", got)
	}
}

func TestCleanID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "evt_1", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "a:b/c"} {
		if got := event.CleanID(id); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	for _, id := range []string{"a b", "a\r\nNats-Rollup: all", "é", strings.Repeat("x", 129)} {
		got := event.CleanID(id)
		if !strings.HasPrefix(got, "sha256-") || got != event.CleanID(id) || got == event.CleanID(id+"!") {
			t.Errorf("%q became %q", id, got)
		}
	}
}
