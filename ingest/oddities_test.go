package ingest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"jethook/config"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// TestOddJSON: whatever stands where the id and the type should, a verified body is stored as it came, and different
// bodies have different ids.
func TestOddJSON(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), &testClock{at: beforeTurn}
	src := tokenSource("odd", 0)
	src.ID, src.Type = "json:id", "json:type"
	url := serve(t, Options{Publisher: r.bus, Now: c.now, Sources: []config.Source{src}})
	bodies := []string{
		`null`, `[]`, `""`, `{}`, `0`, `true`, ` `, `[[[]]]`, `no JSON`, `{"id":"x"`, "\xff\xfe{\x00}\x00",
		`{"id":[],"n":1}`, `{"id":[],"n":2}`, `{"id":{},"n":1}`, `{"id":{},"n":2}`, `{"id":null,"n":1}`, `{"id":null,"n":2}`,
		`{"id":true,"n":1}`, `{"id":true,"n":2}`, `{"id":"","n":1}`, `{"id":"","n":2}`, `{"id":" ","n":1}`, `{"id":" ","n":2}`,
		`{"id":"\u0000","n":1}`, `{"id":"\u0000","n":2}`, `{"id":"a\u0000b"}`, `{"id":"a\u0000c"}`,
		`{"id":"\ud800"}`, `{"id":"\ud801"}`, `{"id":"\udc00x"}`, `{"id":"\ufffd"}`, "{\"id\":\"\xff\"}", "{\"id\":\"\xfe\"}",
		`{"id":9007199254740992}`, `{"id":9007199254740993}`, `{"id":18446744073709551617}`, `{"id":1e400}`, `{"id":1e401}`,
		`{"id":"1","id":"2"}`, `{"id":"2","id":"1"}`, `{"ID":"3"}`,
		`{"id":"t1","type":[]}`, `{"id":"t2","type":{}}`, `{"id":"t3","type":"\u0000"}`, `{"id":"t4","type":"\ud800.\udfff"}`,
		`{"id":"t5","type":""}`, `{"id":"t6","type":"..."}`, `{"id":"t7","type":12345678901234567890}`, `{"id":"` + strings.Repeat("i", 20<<10) + `"}`,
	}
	for round := range 2 { // the second is a redelivery of each
		for _, body := range bodies {
			before := r.stored(t)
			sendToken(t, url, "odd", body)
			switch stored := r.stored(t) - before; {
			case round == 0 && stored != 1:
				t.Errorf("%.60q is taken for another event", body)
			case round == 1 && stored != 0:
				t.Errorf("%.60q is stored again", body)
			case round == 0 && string(r.last(t).Data) != body:
				t.Errorf("%.60q is stored as %.60q", body, r.last(t).Data)
			}
		}
	}
	wantDistinct(t, r.ids(t), len(bodies))
	selection := query.Events(topology.StreamWebhooks, []string{"webhooks.odd.>"})
	listed, _, err := r.bus.Query().Forward(t.Context(), selection, 0, 2*len(bodies))
	if err != nil || len(listed) != len(bodies) {
		t.Errorf("%d events are listed, want %d: %v", len(listed), len(bodies), err)
	}
}

// TestBeforeJSON: what stands before JSON and is none hides neither type nor id, and stays.
func TestBeforeJSON(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	url := serve(t, Options{Publisher: r.bus, Sources: []config.Source{plain("polaris")}})
	for i, prefix := range []string{
		"\xef\xbb\xbf", "\xef\xbb\xbf\r\n ", "\n\xef\xbb\xbf", "\xef\xbb\xbf\xef\xbb\xbf", "\x1e", "\v\f", ")]}',\n", ")]}'\n", "while(1);", "for(;;);", " \t\r\n",
	} {
		body := prefix + fmt.Sprintf(`{"type":"order.created","id":"e-%d"}`, i)
		if resp, text := do(t, signed(t, url+"/webhooks/polaris", body)); resp.StatusCode != http.StatusAccepted {
			t.Fatal(text)
		}
		m := r.last(t)
		if m.Subject != "webhooks.polaris.order.created" || m.Header.Get(event.HeaderID) != fmt.Sprintf("e-%d", i) || string(m.Data) != body {
			t.Errorf("%q: %s, id %s, %q", prefix, m.Subject, m.Header.Get(event.HeaderID), m.Data)
		}
	}
}

// TestSeveralPlaces: an operator names where type and id stand in the sender's several shapes.
func TestSeveralPlaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	src := tokenSource("acme", 0)
	src.Type, src.ID = "json:event.type or form:command or header:X-Kind or const:other", "json:id or header:X-Delivery or multipartjson:json:id"
	url := serve(t, Options{Publisher: r.bus, Sources: []config.Source{src}})
	const form, multi = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	for _, test := range []struct{ contentType, body, kind, delivery, wantType, wantID string }{
		{"application/json", `{"event":{"type":"a"},"id":1}`, "k", "d", "a", "1"},
		{"application/json", `{"event":{"type":[]},"id":{}}`, "k", "d", "k", "d"},
		{form, "command=%2Fdeploy", "", "d2", "deploy", "d2"},
		{multi, "--b\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"id\":\"m1\"}\r\n--b--\r\n", "", "", "other", "m1"},
	} {
		h := http.Header{"Content-Type": {test.contentType}, "X-Token": {"a-token-of-the-tests"}}
		for name, value := range map[string]string{"X-Kind": test.kind, "X-Delivery": test.delivery} {
			if value != "" {
				h.Set(name, value)
			}
		}
		if resp, text := do(t, request(t, url+"/webhooks/acme", test.body, h)); resp.StatusCode != http.StatusAccepted {
			t.Fatal(text)
		}
		m := r.last(t)
		if m.Subject != "webhooks.acme."+test.wantType || m.Header.Get(event.HeaderID) != test.wantID {
			t.Errorf("%s: %s, id %s; want %s, %s", test.body, m.Subject, m.Header.Get(event.HeaderID), test.wantType, test.wantID)
		}
	}
}
