package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"jethook/consume/admin/events"
	"jethook/consume/admin/trials"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

func (a *api) preview(id string, query ...string) trials.Preview {
	a.t.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	return get[trials.Preview](a, http.StatusOK, "GET", "/api/v1/endpoints/"+id+"/preview?"+q.Encode(), "")
}

func TestPreviewFindsWhatWouldGoOut(t *testing.T) {
	t.Parallel()
	a := start(t, local)
	id, got := a.endpointAt(ok, "")
	d := aDelivery(id, "waits")
	a.schedule(d)
	dead := aDelivery(id, "dead")
	a.bury(dead)
	sent := get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"order.created","data":{"n": 7}}`)
	if _, err := a.bus.Publish(t.Context(), &event.Event{
		ID: "hook-1", Type: "sale", Source: "shop", Subject: "webhooks.shop.sale", Received: time.Now(), Body: []byte("{}"),
	}); err != nil {
		t.Fatal(err)
	}
	place, _, err := a.bus.Query().Ends(t.Context(), query.Events(topology.StreamEvents, []string{"events.>"}), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		query   []string
		event   string
		attempt int
		body    string
	}{
		{[]string{"event", sent.ID}, sent.ID, 1, `{"n": 7}`},
		{[]string{"event", fmt.Sprintf("EVENTS-%d", place)}, sent.ID, 1, `{"n": 7}`},
		{[]string{"event", "hook-1"}, "hook-1", 1, "{}"},
		{[]string{"delivery", d.ID()}, "waits", d.Attempt, string(d.Event.Body)},
		{[]string{"delivery", dead.ID()}, "dead", 1, string(dead.Event.Body)},
		{[]string{"type", "a.b", "data", "[1]"}, "", 1, "[1]"},
	} {
		p := a.preview(id, tt.query...)
		if tt.event != "" && p.EventID != tt.event || p.Attempt != tt.attempt || p.Request.Body != tt.body || value(p.Request.Headers, "Webhook-Id") != p.EventID {
			t.Errorf("%v: %+v", tt.query, p)
		}
	}
	// An event that waits for the endpoint shows its next attempt.
	stored := d.Event
	if _, err := a.bus.Publish(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	if p := a.preview(id, "event", "waits"); p.Attempt != d.Attempt {
		t.Errorf("attempt %d, want %d", p.Attempt, d.Attempt)
	}
	if len(got) != 0 {
		t.Error("something was sent")
	}
}

func TestRefusedPreviews(t *testing.T) {
	t.Parallel()
	a := start(t, local)
	id, _ := a.endpointAt(ok, "")
	for query, want := range map[string]string{
		"event=a&delivery=" + id + ".events:x": "422 delivery",
		"event=a&type=x&data=1":                "422 data type",
		"data={":                               "422 data",
		"type=a%20b":                           "422 type",
		"delivery=ep_other.events:x":           "422 delivery",
		"delivery=" + id + ".*":                "422 delivery",
		"reveal=x":                             "422 reveal",
		"event=none":                           "404 ",
		"event=EVENTS-99":                      "404 ",
		"delivery=" + id + ".events:none":      "404 ",
	} {
		got := a.do("GET", "/api/v1/endpoints/"+id+"/preview?"+query, "")
		if want != strconv.Itoa(got.status)+" "+strings.Join(got.fields(), " ") {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

func TestPreviewHidesCredentials(t *testing.T) {
	t.Parallel()
	a := start(t, local)
	id, _ := a.endpointAt(ok, `,"secret":"Geheimnis-1","signature":{"scheme":"bearer"},"headers":{"X-Api-Key":"Geheimnis-2","X-Team":"a"}`)
	hidden := a.do("GET", "/api/v1/endpoints/"+id+"/preview", "")
	if hidden.status != http.StatusOK || strings.Contains(hidden.body, "Geheimnis") || !strings.Contains(hidden.body, "X-Team") {
		t.Errorf("%d %s", hidden.status, hidden.body)
	}
	p := a.preview(id, "reveal", "true")
	if value(p.Request.Headers, "Authorization") != "Bearer Geheimnis-1" || value(p.Request.Headers, "X-Api-Key") != "Geheimnis-2" ||
		!strings.Contains(p.Curl, "Bearer Geheimnis-1") {
		t.Errorf("got %+v", p)
	}
}

// The command, pasted into a shell, sends what the preview shows.
func TestPreviewAsCurl(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "curl", "base64"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	a := start(t, local)
	for name, tt := range map[string]struct{ endpoint, contentType, body string }{
		"JSON":     {"", "application/json", `{"a": "it's $HOME \n \\ ! % ` + "`id`" + `"}`},
		"lines":    {"", "text/plain", "@one\n\ntwo\n"},
		"binary":   {"", "application/octet-stream", "\x00\xff\r\n\x1b[31m"},
		"tab":      {"", "text/plain", "a\tb"},
		"empty":    {"", "text/plain", ""},
		"large":    {"", "text/plain", strings.Repeat("x'", 1<<17)},
		"hmac":     {`,"signature":{"scheme":"hmac"},"headers":{"X-Odd":"%s \u00e9 it's","X-Empty":"","Accept":"text/plain","User-Agent":""}`, "", "{}"},
		"bearer":   {`,"signature":{"scheme":"bearer"},"secret":"p'ass word"`, "", "{}"},
		"discord":  {`,"format":"discord"`, "", `{"a":1}`},
		"trailing": {"", "text/plain", "-n \\"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, got := a.endpointAt(ok, tt.endpoint)
			e := event.Event{
				ID: "evt_" + name, Type: "order.created", Subject: "events.order.created", Received: time.Now(),
				ContentType: tt.contentType, Body: []byte(tt.body),
			}
			if _, err := a.bus.Publish(t.Context(), &e); err != nil {
				t.Fatal(err)
			}
			p := a.preview(id, "event", e.ID, "reveal", "true")
			cmd := exec.CommandContext(t.Context(), "sh")
			cmd.Stdin = strings.NewReader(p.Curl)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			req := <-got
			if _, ok := req.header["User-Agent"]; !ok && tt.endpoint == "" {
				t.Error("no User-Agent")
			}
			var sent []string
			for name := range req.header {
				sent = append(sent, name)
			}
			slices.Sort(sent)
			if !slices.Equal(sent, names(p.Request.Headers)) {
				t.Errorf("sent %v\nshown %v", sent, names(p.Request.Headers))
			}
			for _, h := range p.Request.Headers {
				if req.header.Get(h.Name) != h.Value {
					t.Errorf("%s: sent %q, shown %q", h.Name, req.header.Get(h.Name), h.Value)
				}
			}
			if tt.endpoint == "" && req.body != tt.body || p.Request.Encoding == "text" && req.body != p.Request.Body {
				t.Errorf("sent %.100q, shown %.100q", req.body, p.Request.Body)
			}
		})
	}
}
