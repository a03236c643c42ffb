package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape returns what a listener serves at /metrics, to someone without a token.
func scrape(t testing.TB, address string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second} // as Prometheus has it
	res, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %v: %s", res.Status, err, text)
	}
	return string(text)
}

// value returns the sum of the series whose line begins with name and holds all labels; false when there is none.
func value(t *testing.T, text, name string, labels ...string) (sum float64, found bool) {
	t.Helper()
lines:
	for line := range strings.Lines(text) {
		series, number, ok := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(series, "{"); !ok || base != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum, found = sum+v, true
	}
	return sum, found
}

// awaitMetric scrapes until a series has the value.
func awaitMetric(t *testing.T, address string, want float64, name string, labels ...string) (text string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		text = scrape(t, address)
		got, found := value(t, text, name, labels...)
		if found && got == want {
			return text
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s %v is %v, want %v:\n%s", name, labels, got, want, text)
		}
		time.Sleep(50 * time.Millisecond) // another process sends no event that could be waited on
	}
}

// endpoint makes one and returns its id.
func (p *process) endpoint(t testing.TB, name, url, more string) string {
	t.Helper()
	var made struct{ ID string }
	p.api(t, http.MethodPost, "/api/v1/endpoints", fmt.Sprintf(`{"name":%q,"url":%q,"events":["webhooks.>"]%s}`, name, url, more), &made)
	return made.ID
}

// liveMetrics starts a Jethook in which one of everything has happened, and returns its metrics.
func liveMetrics(t *testing.T) (p *process, text, well, ill string) {
	t.Helper()
	p = newProcess(t)
	p.start(t, "serve")
	ok, bad := newSink(t, func(int) int { return http.StatusOK }), newSink(t, func(int) int { return http.StatusInternalServerError })
	well = p.endpoint(t, "well", ok.url, "")
	ill = p.endpoint(t, "ill", bad.url, `,"retry_schedule":[]`)
	for _, id := range []string{"evt_1", "evt_1", "evt_2"} {
		if code, _ := p.post(t.Context(), http.DefaultClient, id, secret); code != http.StatusAccepted {
			t.Fatalf("got %d", code)
		}
	}
	p.post(t.Context(), http.DefaultClient, "forged", "another key")
	if res, err := http.Post("http://"+p.public+"/webhooks/nobody", "text/plain", nil); err != nil {
		t.Fatal(err)
	} else {
		res.Body.Close()
	}
	awaitMetric(t, p.admin, 2, "jethook_attempts_total", well)
	awaitMetric(t, p.admin, 2, "jethook_deliveries_dead_total", ill)
	return p, awaitMetric(t, p.admin, 2, "jethook_deliveries_dead", ill), well, ill
}

// The metrics tell what happened, and keep to Prometheus's conventions.
func TestMetrics(t *testing.T) {
	t.Parallel()
	_, text, well, ill := liveMetrics(t)
	for _, w := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{3, "jethook_webhooks_accepted_total", []string{`source="acme"`}},
		{1, "jethook_webhooks_duplicate_total", []string{`source="acme"`}},
		{1, "jethook_webhooks_refused_total", []string{`source="acme"`, `reason="bad_signature"`}},
		{1, "jethook_webhooks_refused_total", []string{`source="_none"`, `reason="no_such_source"`}},
		{2, "jethook_messages_total", []string{`stream="WEBHOOKS"`, `result="stored"`}},
		{1, "jethook_messages_total", []string{`stream="WEBHOOKS"`, `result="duplicate"`}},
		{3, "jethook_publish_duration_seconds_count", []string{`stream="WEBHOOKS"`}},
		{3, "jethook_publish_batch_messages_sum", []string{`stream="WEBHOOKS"`}},
		{2, "jethook_attempts_total", []string{well, `outcome="delivered"`, `class="ok"`}},
		{2, "jethook_attempts_total", []string{ill, `outcome="failed"`, `class="status"`}},
		{2, "jethook_attempt_duration_seconds_count", []string{well}},
		{2, "jethook_first_attempt_delay_seconds_count", []string{ill}},
		{0, "jethook_deliveries_past_due_seconds", []string{ill}},
		{0, "jethook_deliveries_waiting", []string{well, `why="retry"`}},
		{2, "jethook_deliveries_dead", []string{ill}},
		{0, "jethook_endpoint_circuit_open", []string{well}},
		{2, "jethook_stream_messages", []string{`stream="WEBHOOKS"`}},
		{1, "jethook_processes", []string{`role="serve"`}},
		{2, "jethook_lanes", nil},
		{1, "jethook_build_info", nil},
	} {
		if got, found := value(t, text, w.name, w.labels...); !found || got != w.want {
			t.Errorf("%s %v: %v, %v; want %v", w.name, w.labels, got, found, w.want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Endpoints and sources beyond the bound share a name, and a removed endpoint gives its own up.
func TestMetricsHaveABound(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_METRICS_MAX_SERIES=1", "JETHOOK_SOURCES=acme,zeta", "JETHOOK_SOURCE_ZETA_PROVIDER=hmac", "JETHOOK_SOURCE_ZETA_SECRET="+secret,
		"JETHOOK_SOURCE_ZETA_HEADER=X-Acme-Signature")
	p.start(t, "serve")
	sink := newSink(t, func(int) int { return http.StatusOK })
	first := p.endpoint(t, "first", sink.url, "")
	p.post(t.Context(), http.DefaultClient, "evt_1", secret)
	awaitMetric(t, p.admin, 1, "jethook_attempts_total", first)
	p.endpoint(t, "second", sink.url, "")
	p.endpoint(t, "third", sink.url, "")
	p.post(t.Context(), http.DefaultClient, "evt_2", secret)
	text := awaitMetric(t, p.admin, 2, "jethook_attempts_total", `endpoint="other"`)
	if got, _ := value(t, text, "jethook_webhooks_accepted_total", `source="other"`); got != 0 {
		t.Errorf("zeta sent nothing, and has %v", got)
	}
	named := regexp.MustCompile(`(?:endpoint|source)="([^"]*)"`)
	for _, found := range named.FindAllStringSubmatch(text, -1) {
		if name := found[1]; name != first && name != "other" && name != "acme" && name != "_none" {
			t.Errorf("%s has a name", name)
		}
	}
	p.api(t, http.MethodDelete, "/api/v1/endpoints/"+first, "", nil)
	for deadline := time.Now().Add(limit); strings.Contains(scrape(t, p.admin), first); {
		if time.Now().After(deadline) {
			t.Fatal("the removed endpoint keeps its metrics")
		}
		time.Sleep(50 * time.Millisecond)
	}
	fourth := p.endpoint(t, "fourth", sink.url, "")
	p.post(t.Context(), http.DefaultClient, "evt_3", secret)
	for deadline := time.Now().Add(limit); ; {
		if text := scrape(t, p.admin); strings.Contains(text, `endpoint="ep_`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("none of the others, %s among them, took the name that is free", fourth)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// With a listener of their own, the metrics are there and nowhere else.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	p := newProcess(t, "JETHOOK_METRICS_LISTEN="+address)
	p.start(t, "serve")
	if text := scrape(t, address); !strings.Contains(text, "jethook_build_info") {
		t.Error(text)
	}
	if code, _ := p.ask(t, http.MethodGet, "/metrics", ""); code != http.StatusNotFound {
		t.Errorf("the admin listener answers %d", code)
	}
	if res, err := http.Get("http://" + address + "/api/v1/status"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v", res, err)
	}
	p.signal(t, os.Interrupt)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v", err)
	}
}

// A store that hangs does not make a scrape hang: it has the process's own figures, and the last ones of the bus.
func TestScrapeDoesNotHang(t *testing.T) {
	t.Parallel()
	store := newProcess(t)
	store.start(t, "serve")
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+natsAdminToken+"@"+store.nats)
	p.start(t, "consume")
	awaitMetric(t, p.admin, 1, "jethook_processes", `role="consume"`)
	store.signal(t, syscall.SIGSTOP)
	defer store.signal(t, syscall.SIGCONT)
	for began := time.Now(); time.Since(began) < gaugesRest; {
		asked := time.Now()
		text := scrape(t, p.admin)
		if took := time.Since(asked); took > 5*time.Second {
			t.Fatalf("a scrape took %s", took)
		}
		if !strings.Contains(text, "jethook_lanes ") || !strings.Contains(text, "jethook_status_timestamp_seconds") {
			t.Fatalf("the figures are gone:\n%s", text)
		}
		time.Sleep(time.Second) // as Prometheus does
	}
}

// gaugesRest is longer than figures of the bus are shown without asking for new ones.
const gaugesRest = 8 * time.Second
