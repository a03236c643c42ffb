package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// said returns the lines from level info on, each with one of its values.
func (l *processLog) said() (lines []string) {
	for text := range strings.Lines(l.String()) {
		var line struct{ Level, Msg, Name, Endpoint, Source, Stream string }
		if json.Unmarshal([]byte(text), &line) != nil || line.Level == "DEBUG" {
			continue
		}
		lines = append(lines, strings.TrimSpace(line.Msg+" "+line.Name+line.Source+line.Stream))
	}
	return lines
}

// awaitLine waits until the log has a line.
func (p *process) awaitLine(t *testing.T, line string) {
	t.Helper()
	for deadline := time.Now().Add(limit); !slices.Contains(p.log.said(), line); {
		if time.Now().After(deadline) {
			t.Fatalf("the log never said %q:\n%s", line, p.log)
		}
		time.Sleep(5 * time.Millisecond) // another process sends no event that could be waited on
	}
}

// resizeWebhooks changes how many bytes the stream WEBHOOKS may hold; -1: any number.
func resizeWebhooks(t *testing.T, js jetstream.JetStream, most int64) {
	t.Helper()
	s, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = most
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// A change of state has one line in the log, and no two lines are about the same one.
func TestOneLineForEachState(t *testing.T) {
	t.Parallel()
	address, dir := freePort(t), t.TempDir()
	stop := natsServer(t, address, dir)
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+address, "JETHOOK_LOG_FORMAT=json")
	p.start(t, "serve")
	var answer atomic.Int32
	answer.Store(http.StatusInternalServerError)
	bad := newSink(t, func(int) int { return int(answer.Load()) })
	ill := p.endpoint(t, "ill", bad.url, `,"retry_schedule":[]`)
	n := 0
	send := func(count int) {
		for range count {
			n++
			p.postSigned(t, fmt.Appendf(nil, `{"id":"evt_%d","type":"a"}`, n))
		}
	}

	p.post(t.Context(), http.DefaultClient, "forged", "another key")
	p.post(t.Context(), http.DefaultClient, "forged", "another key")
	send(12)
	p.awaitLine(t, "endpoint failing; circuit opened ill")
	eventually(t, "all that failed is dead", func() bool { // else one may die after the endpoint is well, and be the first again
		dead, err := p.walk(t.Context(), "dead")
		bad.mu.Lock()
		defer bad.mu.Unlock()
		return err == nil && len(dead) == bad.n
	})
	answer.Store(http.StatusOK)
	send(3)
	p.awaitLine(t, "endpoint recovered; circuit closed ill")
	p.api(t, http.MethodPost, "/api/v1/endpoints/"+ill+"/disable", "", nil)
	p.api(t, http.MethodPost, "/api/v1/endpoints/"+ill+"/enable", "", nil)

	fine := newSink(t, func(int) int { return http.StatusOK })
	slow := p.endpoint(t, "slow", fine.url, `,"rate_limit":"1/s"`)
	send(20)
	p.awaitLine(t, "endpoint lagging; its events wait in their stream WEBHOOKS")
	p.api(t, http.MethodPatch, "/api/v1/endpoints/"+slow, `{"rate_limit":""}`, nil)
	p.awaitLine(t, "endpoint caught up WEBHOOKS")

	_, js := steadyClient(t, "nats://"+address)
	resizeWebhooks(t, js, 1)
	for range 2 {
		if status, _ := p.post(t.Context(), http.DefaultClient, "too much", secret); status != http.StatusServiceUnavailable {
			t.Errorf("the store is full, and a webhook was answered %d", status)
		}
	}
	resizeWebhooks(t, js, -1)
	eventually(t, "it says that webhooks are stored again", func() bool { // which takes the pause in which senders could fail again
		send(1)
		return slices.Contains(p.log.said(), "storing webhooks again")
	})

	stop()
	p.await(t, "readyz", http.StatusServiceUnavailable)
	p.awaitLine(t, "cannot read events; retrying WEBHOOKS")
	natsServer(t, address, dir)
	p.await(t, "readyz", http.StatusOK)
	p.awaitLine(t, "connection to NATS restored")
	p.awaitLine(t, "reading events again WEBHOOKS")

	said := p.log.said()
	for _, want := range []string{
		"webhook refused acme", "delivery is dead ill", "endpoint failing; circuit opened ill", "endpoint recovered; circuit closed ill",
		"endpoint disabled ill", "endpoint enabled ill", "endpoint lagging; its events wait in their stream WEBHOOKS",
		"endpoint changed slow", "endpoint caught up WEBHOOKS", "webhook not stored", "storing webhooks again",
		"connection to NATS lost", "connection to NATS restored", "cannot read events; retrying WEBHOOKS", "reading events again WEBHOOKS",
	} {
		if got := strings.Count(strings.Join(said, "\n")+"\n", want+"\n"); got != 1 {
			t.Errorf("%q was said %d times", want, got)
		}
	}
	if t.Failed() {
		t.Logf("the log says:\n%s", strings.Join(said, "\n"))
	}
}
