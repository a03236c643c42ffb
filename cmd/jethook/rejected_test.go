package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"jethook/consume/admin/sources"
)

// run runs a command of the client against p, and returns what it printed.
func (p *process) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = p.env
	out, err := cmd.Output()
	if err != nil {
		failure, _ := err.(*exec.ExitError)
		t.Fatalf("jethook %s: %v\n%s", strings.Join(args, " "), err, failure.Stderr)
	}
	return string(out)
}

// Requests that came while the secret was wrong are published once it is right, also those whose time is long past
// then, and none of them twice.
func TestRejectedRequestsAreRetried(t *testing.T) {
	t.Parallel()
	const right = "whsec_right"
	p := newProcess(t, "JETHOOK_SOURCES=acme,stripe", "JETHOOK_SOURCE_STRIPE_SECRET=whsec_wrong")
	p.start(t, "serve")
	post := func(id string, at time.Time) {
		t.Helper()
		body := fmt.Sprintf(`{"id":%q,"type":"invoice.paid"}`, id)
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(right))
		mac.Write([]byte(stamp + "." + body))
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+p.public+"/webhooks/stripe", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 400 && res.StatusCode != 401 {
			t.Fatalf("%s: with a wrong secret answered %s", id, res.Status)
		}
	}
	const n = 3
	for i := range n {
		post(fmt.Sprint("evt_", i), time.Now())
	}
	post("evt_stale", time.Now().Add(-time.Hour)) // it was too old when it came
	list := func() (page sources.RejectedPage) {
		t.Helper()
		if err := json.Unmarshal([]byte(p.run(t, "source", "rejected", "stripe", "--json")), &page); err != nil {
			t.Fatal(err)
		}
		return page
	}
	for deadline := time.Now().Add(limit); len(list().Items) < n+1; { // they are kept without anyone waiting for it
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d listed", len(list().Items), n+1)
		}
	}
	if shown := p.run(t, "source", "rejected", "stripe", "--id", list().Items[n].ID); !strings.Contains(shown, `{"id":"evt_0"`) || !strings.Contains(shown, "bad_signature") {
		t.Errorf("shown: %s", shown)
	}

	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "JETHOOK_SOURCE_STRIPE_SECRET="+right)
	p.start(t, "serve")
	nc, _ := steadyClient(t, "nats://"+p.nats)
	events, err := nc.SubscribeSync("webhooks.stripe.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for again, want := range []string{"verified:  3", "verified:  0"} {
		if got := p.run(t, "source", "retry", "stripe"); !strings.Contains(got, want) || !strings.Contains(got, "refused:   1 ") {
			t.Errorf("retry %d: %s", again, got)
		}
	}
	for i := range n {
		m, err := events.NextMsg(limit)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != "webhooks.stripe.invoice.paid" || m.Header.Get("Jethook-Id") != fmt.Sprint("evt_", i) {
			t.Errorf("got %s %v", m.Subject, m.Header)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if more, _, err := events.Pending(); err != nil || more != 0 {
		t.Errorf("%d more events, %v", more, err)
	}
	if left := list().Items; len(left) != 1 {
		t.Errorf("%d are still rejected, want the one that was too old", len(left))
	}
}
