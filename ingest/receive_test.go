package ingest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/publish/event"
)

// TestSenders sends each sender's documented sample and receives it with a NATS client that knows nothing of
// Jethook.
func TestSenders(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	for _, test := range []struct {
		vector, subject, eventType, id string
		status                         int
		kept, dropped                  string // headers
	}{
		{"polaris-01", "webhooks.polaris.device.down", "device.down", "63a42653-8ca2-3c73-bda7-5428f6527d0e", 202, "X-Polaris-Signature", ""},
		{"polytomic-01", "webhooks.polytomic.sync.records", "sync.records", "sha256-", 200, "Polytomic-Signature-Timestamp", "Authorization"},
		{"notify-01", "webhooks.notify.connection.updated", "connection.updated", "evt_ck7to833c68r1r7g5cfg", 200, "X-Notify-Signature", ""},
		{"polar-01", "webhooks.polar.order.created", "order.created", "7f0c1b5e-7b1f-4c8e-9f3f-0c7ad3f0a001", 202, "Webhook-Signature", ""},
		{"protocol-01", "webhooks.protocol.conversation.updated", "conversation.updated", "a056V7R7NmNRjl70", 202, "X-Protocol-Signature", ""},
		{"standard-webhooks-01", "webhooks.standard-webhooks.unknown", "unknown", "msg_p5jXN8AQM9LWM0D4loKWxJek", 202, "Webhook-Id", ""},
	} {
		t.Run(test.vector, func(t *testing.T) {
			v := readVector(t, test.vector)
			url := serve(t, v.options(rig.bus)) + "/webhooks/" + v.Preset
			sub, err := rig.nc.SubscribeSync(test.subject)
			if err != nil {
				t.Fatal(err)
			}
			if err := rig.nc.Flush(); err != nil {
				t.Fatal(err)
			}
			before := rig.stored(t)
			resp, body := do(t, request(t, url, v.Body, v.header()))
			if resp.StatusCode != test.status || body != "" {
				t.Fatalf("answer %d %q, want %d and nothing", resp.StatusCode, body, test.status)
			}
			msg, err := sub.NextMsg(5 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if string(msg.Data) != v.Body {
				t.Errorf("body %q, want %q", msg.Data, v.Body)
			}
			id := msg.Header.Get("Jethook-Id")
			if !strings.HasPrefix(id, test.id) {
				t.Errorf("id %q, want %q", id, test.id)
			}
			for name, want := range map[string]string{
				"Nats-Msg-Id": v.Preset + ":" + id, "Jethook-Type": test.eventType, "Jethook-Source": v.Preset,
				"Content-Type": "application/json", test.kept: v.header().Get(test.kept), test.dropped: "",
			} {
				if got := msg.Header.Get(name); got != want {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
			if _, err := time.Parse(time.RFC3339, msg.Header.Get("Jethook-Received")); err != nil {
				t.Error(err)
			}
			if !event.ValidTraceparent(msg.Header.Get("traceparent")) {
				t.Errorf("traceparent %q", msg.Header.Get("traceparent"))
			}

			if resp, _ := do(t, request(t, url, v.Body, v.header())); resp.StatusCode != test.status {
				t.Errorf("the same event again: %d", resp.StatusCode)
			}
			if got := rig.stored(t) - before; got != 1 {
				t.Errorf("%d events stored of one sent twice", got)
			}
		})
	}
}

// TestRefused shows that what does not verify gets the sender's refusal and is not stored, and that the
// answer does not tell why.
func TestRefused(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	for _, test := range []struct {
		vector string
		status int
		reason string // in the log alone
		change func(h http.Header, body *string)
	}{
		{"polaris-02", 401, "bad_signature", nil},
		{"polaris-03", 401, "bad_signature", nil},
		{"polaris-01", 401, "missing_header", func(h http.Header, _ *string) { h.Del("X-Polaris-Signature") }},
		{"notify-02", 401, "bad_signature", nil},
		{"protocol-03", 401, "bad_signature", nil},
		{"polytomic-02", 401, "bad_signature", nil},
		{"polytomic-01", 401, "too_old", func(h http.Header, _ *string) { h.Set("Polytomic-Signature-Timestamp", "2021-06-01T22:50:35Z") }},
		{"polytomic-01", 401, "too_new", func(h http.Header, _ *string) { h.Set("Polytomic-Signature-Timestamp", "2021-06-01T23:00:37Z") }},
		{"polar-01", 403, "bad_signature", func(_ http.Header, body *string) { *body += " " }},
		{"polar-01", 403, "missing_header", func(h http.Header, _ *string) { h.Del("Webhook-Id") }},
		{"polar-01", 403, "malformed_header", func(h http.Header, _ *string) { h.Set("Webhook-Signature", "v1,?") }},
		{"standard-webhooks-03", 401, "too_old", nil},
		{"standard-webhooks-04", 401, "too_new", nil},
	} {
		t.Run(test.vector+" "+test.reason, func(t *testing.T) {
			v := readVector(t, test.vector)
			o := v.options(rig.bus)
			var log logtest.Buffer
			o.Log = newTestLog(&log)
			url := serve(t, o) + "/webhooks/" + v.Preset
			h, body := v.header(), v.Body
			if test.change != nil {
				test.change(h, &body)
			}
			for range 3 {
				resp, answer := do(t, request(t, url, body, h.Clone()))
				wantError(t, resp, answer, test.status, "not_verified")
				if strings.Contains(answer, test.reason) || strings.Contains(answer, "signature") {
					t.Errorf("the answer tells why: %s", answer)
				}
			}
			lines := strings.TrimSpace(log.String())
			if strings.Count(lines, "\n") != 0 || !strings.Contains(lines, "reason="+test.reason) {
				t.Errorf("want one line with %s in the log:\n%s", test.reason, lines)
			}
			if strings.Contains(lines, v.Secret) {
				t.Errorf("the log tells the secret:\n%s", lines)
			}
		})
	}
	if got := rig.stored(t); got != 0 {
		t.Errorf("%d refused requests stored", got)
	}
}

// TestTypes shows that a verified event is stored whatever its form and type, and on a subject that exists.
func TestTypes(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	url := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{plain("plain")}}) + "/webhooks/plain"
	for _, test := range []struct{ body, subject string }{
		{`{"type":"order.created"}`, "order.created"},
		{`{"type":"orders/create:now"}`, "orders.create.now"},
		{`{"type":">"}`, "_"},
		{`{"type":"*"}`, "_"},
		{`{"type":"a.*.>"}`, "a._._"},
		{`{"type":"Push Hook"}`, "Push_Hook"},
		{`{"type":"  "}`, "__"},
		{`{"type":"...."}`, "unknown"},
		{`{"type":"..a..b.."}`, "a.b"},
		{`{"type":"a\r\nNats-Rollup: all\u0000"}`, "a__Nats-Rollup._all_"},
		{`{"type":"` + strings.Repeat("x", 10_000) + `"}`, strings.Repeat("x", 256)},
		{`{"type":7}`, "7"},
		{`{"type":null}`, "unknown"},
		{`{"type":{}}`, "unknown"},
		{`{"type":"a"`, "unknown"},
		{`type=a`, "unknown"},
		{"\x00\xff\xfe", "unknown"},
		{``, "unknown"},
	} {
		resp, answer := do(t, signed(t, url, test.body))
		if resp.StatusCode != 202 {
			t.Errorf("%.60q: %d %s", test.body, resp.StatusCode, answer)
			continue
		}
		msg := rig.last(t)
		if want := "webhooks.plain." + test.subject; msg.Subject != want {
			t.Errorf("%.60q: subject %q, want %q", test.body, msg.Subject, want)
		}
		if string(msg.Data) != test.body {
			t.Errorf("%.60q stored as %.60q", test.body, msg.Data)
		}
	}
}

// TestGzip shows that a compressed body is stored decompressed, and is the same event as the plain one.
func TestGzip(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	v := readVector(t, "polytomic-01")
	url := serve(t, v.options(rig.bus)) + "/webhooks/" + v.Preset
	for _, body := range []string{zip(v.Body), zip(v.Body[:10]) + zip(v.Body[10:]), v.Body} {
		h := v.header()
		if body != v.Body {
			h.Set("Content-Encoding", "GZip")
		}
		if resp, answer := do(t, request(t, url, body, h)); resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	if got := rig.stored(t); got != 1 {
		t.Errorf("%d events stored, want one", got)
	}
	msg := rig.last(t)
	if string(msg.Data) != v.Body || msg.Header.Get("Content-Encoding") != "" {
		t.Errorf("stored %q as %q", msg.Data, msg.Header.Get("Content-Encoding"))
	}
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}
