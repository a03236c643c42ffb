package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/recovery"
	"jethook/consume/status"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// bucket opens a bucket as somebody does who reaches the server without Jethook.
func bucket(t *testing.T, address, name string) jetstream.KeyValue {
	t.Helper()
	_, js := steadyClient(t, "nats://"+address)
	kv, err := js.KeyValue(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func plant(t *testing.T, kv jetstream.KeyValue, key, data string) {
	t.Helper()
	if _, err := kv.Put(t.Context(), key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// refused makes a call of the admin API that must fail, and returns its status and body.
func (p *process) refused(t *testing.T, method, path, body string) (code int, answer string) {
	t.Helper()
	code, data := p.ask(t, method, path, body)
	return code, string(data)
}

// Records that can't be read stop nothing but what they are about: Jethook starts, the other endpoints get what is
// theirs, recoveries go on, and the status names each bad one. What waits for an endpoint whose record was spoilt goes
// on waiting, and what it missed comes by a recovery when the record is back.
func TestBadRecordsStopNothing(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	natsServer(t, address, t.TempDir())
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+address, "JETHOOK_SOURCES=acme,asana", "JETHOOK_RETRY_SCHEDULE=1h")
	good := newSink(t, func(int) int { return http.StatusOK })
	spoilt := newSink(t, func(n int) int {
		return map[bool]int{true: http.StatusInternalServerError, false: http.StatusOK}[n == 1]
	})
	p.start(t, "serve")
	var goodID, spoiltID struct{ ID string }
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"spoilt","url":"`+spoilt.url+`","events":["webhooks.>"]}`, &spoiltID)
	p.post(t.Context(), http.DefaultClient, "evt_fails", secret)
	spoilt.await(t, "one fails", func() bool { return len(spoilt.tries) == 1 })
	waiting := func() (list struct {
		Items []struct {
			ID    string
			Waits string `json:"waits_for"`
		}
	},
	) {
		p.api(t, "GET", "/api/v1/deliveries?status=waiting&endpoint="+spoiltID.ID, "", &list)
		return list
	}
	p.until(t, "it waits", func() bool { return len(waiting().Items) == 1 })
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"good","url":"`+good.url+`","events":["webhooks.>"]}`, &goodID)
	p.kill(t)

	endpoints, recoveries, sources := bucket(t, address, topology.BucketEndpoints), bucket(t, address, topology.BucketRecoveries), bucket(t, address, topology.BucketSources)
	kept, err := endpoints.Get(t.Context(), spoiltID.ID)
	if err != nil {
		t.Fatal(err)
	}
	record := string(kept.Value())
	bad := map[string]string{
		spoiltID.ID: record[:len(record)/2], "ep_sealed": `{"sealed":"x"}`, "ep_other": record, "ep_a.b": record,
		"ep_large":   strings.Replace(strings.Replace(record, spoiltID.ID, "ep_large", 1), `"spoilt"`, `"`+strings.Repeat("x", 1<<20)+`"`, 1),
		"ep_scheme":  strings.Replace(strings.Replace(record, spoiltID.ID, "ep_scheme", 1), "http://", "gopher://", 1),
		"ep_pattern": strings.Replace(strings.Replace(record, spoiltID.ID, "ep_pattern", 1), "webhooks.", "webhooks. ", 1),
		"ep_pause":   strings.Replace(strings.Replace(record, spoiltID.ID, "ep_pause", 1), `"format"`, `"retry_schedule":["-1h"],"format"`, 1),
	}
	for key, data := range bad {
		plant(t, endpoints, key, data)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	recoveryOf := func(id, leg string) string {
		return `{"id":"rec_` + strings.TrimPrefix(id, "ep_") + `_x","endpoint":"` + id + `","state":"running","phase":"dead","started":"` + now + `","until":"` + now + `","place":{"leg":` + leg + `}}`
	}
	plant(t, recoveries, "ep_cut", `{"id":"rec_`)
	plant(t, recoveries, "ep_leg", recoveryOf("ep_leg", "-1"))
	plant(t, recoveries, "ep_all", strings.Replace(recoveryOf("ep_all", "0"), `"endpoint":"ep_all"`, `"endpoint":"*"`, 1))
	plant(t, recoveries, spoiltID.ID, recoveryOf(spoiltID.ID, "-1"))
	plant(t, sources, "asana", `{"secrets":[{"value":"jethook-sealed-v1.e86b415afc5b3389.AAAA"}]}`)

	p.start(t, "serve")
	s := p.awaitStatus(t, "all are named", func(s *status.Status) bool { return len(s.Unreadable) == len(bad)+5 })
	for i := range s.Unreadable {
		if u := &s.Unreadable[i]; u.Why == "" || strings.Contains(u.Why, "whsec_") || len(u.Processes) != 1 || !strings.HasPrefix(u.Processes[0], "serve on ") {
			t.Errorf("got %+v", u)
		}
	}
	table := exec.Command(binary, "status")
	table.Env = p.env
	text, err := table.CombinedOutput()
	if err != nil || strings.Count(string(text), "UNREADABLE  ") != len(bad)+5 || !strings.Contains(string(text), "jethook_endpoints/"+spoiltID.ID+": ") {
		t.Errorf("jethook status: %v\n%s", err, text)
	}
	manifest := filepath.Join(t.TempDir(), "endpoints.yaml")
	if err := os.WriteFile(manifest, []byte("endpoints: [{name: spoilt, url: 'https://example.com', events: [webhooks.>]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := exec.Command(binary, "endpoint", "apply", "-f", manifest)
	again.Env = p.env
	if text, err := again.CombinedOutput(); err == nil || !strings.Contains(string(text), spoiltID.ID) || !strings.Contains(string(text), "nothing was created") {
		t.Errorf("an endpoint is made that may be there: %v\n%s", err, text)
	}
	res, err := http.Get("http://" + p.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	detail, _ := io.ReadAll(res.Body)
	if res.Body.Close(); res.StatusCode != http.StatusOK || !strings.Contains(string(detail), "can't be read") {
		t.Errorf("readyz: %d %s", res.StatusCode, detail)
	}
	for key := range bad {
		if n := strings.Count(p.log.String(), `"key":"`+key+`"`); n != 1 && key != spoiltID.ID { // that one has a bad recovery, too
			t.Errorf("%s is logged %d times", key, n)
		}
	}

	p.post(t.Context(), http.DefaultClient, "evt_missed", secret)
	good.await(t, "the good one gets it", func() bool { return len(good.tries["evt_missed"]) == 1 })
	id := waiting().Items[0].ID
	p.api(t, "POST", "/api/v1/deliveries/"+id+"/retry", "", nil)
	p.until(t, "it waits for its record", func() bool {
		items := waiting().Items
		return len(items) == 1 && items[0].Waits == string(delivery.WhyUnreadable)
	})
	for _, c := range [][2]string{{"GET", ""}, {"PATCH", ""}, {"POST", "/recover"}, {"POST", "/rotate"}} {
		if code, body := p.refused(t, c[0], "/api/v1/endpoints/"+spoiltID.ID+c[1], "{}"); code != http.StatusConflict || !strings.Contains(body, `"unreadable"`) {
			t.Errorf("%s %s: %d %s", c[0], c[1], code, body)
		}
	}
	var list struct{ Items []struct{ Handshake string } }
	if p.api(t, "GET", "/api/v1/sources", "", &list); len(list.Items) != 2 || list.Items[1].Handshake != "unreadable" {
		t.Errorf("sources: %+v", list)
	}
	for _, key := range []string{"ep_sealed", "ep_large"} {
		p.api(t, "DELETE", "/api/v1/endpoints/"+key, "", nil)
	}

	plant(t, endpoints, spoiltID.ID, record)
	var rec recovery.Recovery
	p.until(t, "the record is read again", func() bool {
		code, _ := p.refused(t, "GET", "/api/v1/endpoints/"+spoiltID.ID, "")
		return code == http.StatusOK
	})
	p.api(t, "POST", "/api/v1/endpoints/"+spoiltID.ID+"/recover", "{}", &rec)
	spoilt.await(t, "all comes", func() bool { return len(spoilt.tries["evt_missed"]) == 1 && len(spoilt.tries["evt_fails"]) == 2 })
	p.until(t, "the recovery ends", func() bool {
		p.api(t, "GET", "/api/v1/recoveries/"+rec.ID, "", &rec)
		return rec.State == recovery.Done
	})
	if rec.Counts.Missed != 1 {
		t.Errorf("got %+v", rec)
	}
	if spoilt.tries["evt_fails"][1] != "2" {
		t.Errorf("waiting used attempts up: %q", spoilt.tries["evt_fails"])
	}
	p.awaitStatus(t, "what is mended is named no more", func(s *status.Status) bool { return len(s.Unreadable) == len(bad)+5-4 })
}

// A process with a wrong key receives, and takes no events: they wait for one that can read the endpoints.
func TestWrongKeyTakesNoEvents(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	natsServer(t, address, t.TempDir())
	right := newProcess(t, "JETHOOK_NATS_URL=nats://"+address, "JETHOOK_ENCRYPTION_KEY=the-right-key-of-the-tests-012345")
	wrong := newProcess(t, "JETHOOK_NATS_URL=nats://"+address, "JETHOOK_ENCRYPTION_KEY=a-wrong-key-of-the-tests-01234567")
	s := newSink(t, func(int) int { return http.StatusOK })
	right.start(t, "serve")
	var ep struct{ ID string }
	right.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, &ep)
	right.kill(t)

	wrong.start(t, "serve")
	const n = 20
	for i := range n {
		if code, _ := wrong.post(t.Context(), http.DefaultClient, fmt.Sprint("evt_", i), secret); code != http.StatusAccepted {
			t.Fatalf("got %d", code)
		}
	}
	st := wrong.awaitStatus(t, "it says why", func(s *status.Status) bool { return len(s.Unreadable) == 1 })
	if u := st.Unreadable[0]; u.Bucket != topology.BucketEndpoints || u.Key != "" || !strings.Contains(u.Why, "JETHOOK_ENCRYPTION_KEY") {
		t.Errorf("got %+v", u)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v1/endpoints", `{"name":"x","url":"` + s.url + `","events":["events.>"]}`}, {"DELETE", "/api/v1/endpoints/" + ep.ID, ""},
	} {
		if code, body := wrong.refused(t, c.method, c.path, c.body); code != http.StatusConflict || !strings.Contains(body, "wrong_key") {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, body)
		}
	}
	right.start(t, "serve")
	s.await(t, "all arrive", func() bool { return len(s.tries) == n })
}
