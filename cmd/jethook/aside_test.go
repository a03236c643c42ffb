package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"jethook/cmd/jethook/listen"
	"jethook/consume/admin/events"
)

// smallServer starts a nats-server that takes messages of 1 MiB, which is its default, and returns its address.
func smallServer(t *testing.T) string {
	t.Helper()
	srv := natsWith(t, func(o *server.Options) { o.MaxPayload = server.MAX_PAYLOAD_SIZE })
	return strings.TrimPrefix(srv.ClientURL(), "nats://")
}

// judge is an endpoint that verifies what it gets, and answers 500 until it is told that all is well.
type judge struct {
	url      string
	mu       sync.Mutex // guards what follows
	verifier *standardwebhooks.Webhook
	well     bool
	came     chan error // for each request
}

func newJudge(t *testing.T, body []byte) *judge {
	j := &judge{came: make(chan error, 100)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		j.mu.Lock()
		defer j.mu.Unlock()
		if err == nil {
			err = j.verifier.Verify(got, r.Header)
		}
		if err == nil && !bytes.Equal(got, body) {
			err = fmt.Errorf("got %d bytes of %d", len(got), len(body))
		}
		if err == nil && r.Header.Get("Jethook-Body-Object") != "" {
			err = fmt.Errorf("the reference came with it")
		}
		if !j.well {
			w.WriteHeader(http.StatusInternalServerError)
		}
		j.came <- err
	}))
	t.Cleanup(srv.Close)
	j.url = srv.URL
	return j
}

// A webhook of 20 MB comes over a cluster whose messages hold 1 MiB: it is delivered whole, retried, dead and replayed,
// and every way to look at it shows it whole.
func TestLargeWebhookOnASmallCluster(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+smallServer(t), "JETHOOK_LARGE_BODIES=true", "JETHOOK_SOURCE_ACME_MAX_BODY=25MiB", "JETHOOK_RETRY_SCHEDULE=1h")
	p.start(t, "serve")
	body := fmt.Appendf(nil, `{"id":"evt_large","type":"thing.happened","text":"%s"}`, bytes.Repeat([]byte("0123456789"), 2_000_000))
	j := newJudge(t, body)
	const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	var err error
	if j.verifier, err = standardwebhooks.NewWebhook(key); err != nil {
		t.Fatal(err)
	}
	p.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":"judge","url":%q,"events":["webhooks.>"],"secret":%q}`, j.url, key), nil)

	if status := p.postBody(t, body, "wrong"); status != http.StatusUnauthorized && status != http.StatusForbidden {
		t.Errorf("a wrong signature: %d", status)
	}
	for _, again := range []bool{false, true} {
		if status := p.postBody(t, body, secret); status != http.StatusAccepted {
			t.Fatalf("again %v: %d", again, status)
		}
	}
	judged := func(what string) {
		t.Helper()
		select {
		case err := <-j.came:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(limit):
			t.Fatalf("never came: %s\n%s", what, p.log)
		}
	}
	judged("first")
	d := p.awaitListed(t, "waiting", 1, func(*listed) bool { return true })[0]
	p.api(t, "POST", "/api/v1/deliveries/"+d.ID+"/retry", "", nil)
	judged("retried")
	p.awaitListed(t, "dead", 1, func(*listed) bool { return true })

	var page events.EventPage
	p.api(t, "GET", "/api/v1/events", "", &page)
	if len(page.Items) != 1 || page.Items[0].Size != len(body) {
		t.Errorf("listed: %+v", page.Items)
	}
	if shown := p.run(t, "event", "show", "evt_large"); !strings.Contains(shown, strconv.Itoa(len(body))) || !strings.Contains(shown, `"text":"0123456789`) {
		t.Errorf("event show: %.2000s", shown)
	}
	if got := p.bytes(t, "/api/v1/events/evt_large/body"); !bytes.Equal(got, body) {
		t.Errorf("the body route has %d bytes", len(got))
	}
	var h listen.Heard
	if err := json.Unmarshal([]byte(p.run(t, "listen", "webhooks.>", "--since", "1h", "--limit", "1", "--print-json")), &h); err != nil {
		t.Fatal(err)
	}
	if h.Text != string(body) || h.Size != len(body) {
		t.Errorf("listen: %d bytes of %d", len(h.Text), h.Size)
	}

	j.mu.Lock()
	j.well = true
	j.mu.Unlock()
	p.api(t, "POST", "/api/v1/deliveries/"+d.ID+"/retry", "", nil)
	judged("replayed")
	p.awaitListed(t, "delivered", 1, func(*listed) bool { return true })
	for deadline := time.Now().Add(limit / 4); ; time.Sleep(20 * time.Millisecond) { // it is acknowledged a moment after it is delivered
		var sent events.Resent
		p.api(t, "POST", "/api/v1/events/evt_large/resend", `{"endpoints":[`+strconv.Quote(d.Endpoint)+`]}`, &sent)
		if len(sent.Deliveries) == 1 && sent.Deliveries[0].Result == events.ResultSent {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sent again: %+v", sent)
		}
	}
	judged("sent again")
	if t.Failed() {
		t.Log(p.log)
	}
}

// The start says what to set where bodies don't fit.
func TestLargeBodiesAreNamedAtTheStart(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+smallServer(t), "JETHOOK_SOURCE_ACME_MAX_BODY=25MiB")
	cmd := exec.Command(binary, "serve")
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("JETHOOK_SOURCE_ACME_MAX_BODY")) || !bytes.Contains(out, []byte("JETHOOK_LARGE_BODIES=true")) {
		t.Errorf("%v: %s", err, out)
	}
}

// postBody sends a body of acme's, signed with a key, with a header that refers to another one.
func (p *process) postBody(t *testing.T, body []byte, key string) (status int) {
	t.Helper()
	req, err := p.signed(t.Context(), body, key)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Jethook-Body-Object", "forged")
	req.Header.Set("Jethook-Body-Size", "7")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// bytes returns what the admin API answers.
func (p *process) bytes(t *testing.T, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token-for-tests-only")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, res.Status, err)
	}
	return data
}
