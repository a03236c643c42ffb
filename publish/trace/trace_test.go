package trace

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"jethook/config/logtest"
	"jethook/publish/delivery"
	"jethook/publish/event"
)

// collector is one that answers as it is told, and keeps the spans that it has taken.
type collector struct {
	url    string
	answer func(n int) int // the status of the nth request

	mu    sync.Mutex // guards what follows
	n     int
	spans []*tracepb.Span
	first http.Header
}

func newCollector(t *testing.T, answer func(n int) int) *collector {
	t.Helper()
	c := &collector{answer: answer}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body) // else what follows fails
	}
	data, err := io.ReadAll(body)
	var batch tracepb.TracesData
	if err = errors.Join(err, proto.Unmarshal(data, &batch)); err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.n++
	n := c.n
	if c.first == nil {
		c.first = r.Header
	}
	c.mu.Unlock()
	status := c.answer(n)
	if status == http.StatusOK {
		c.mu.Lock()
		for _, resource := range batch.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
		c.mu.Unlock()
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
}

// newTracer returns a tracer of a collector, and what it logs.
func newTracer(t *testing.T, url string, more map[string]string) (*Tracer, *logtest.Buffer) {
	t.Helper()
	s, problems := read(func(name string) string {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return url
		}
		return more[name]
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	log := &logtest.Buffer{}
	tracer, err := open(s, "test", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracer.Close)
	return tracer, log
}

// once records one attempt and exports it.
func (t *Tracer) once(test *testing.T) {
	t.Attempt(aDelivery()).Done(Outcome{Status: 200})
	if err := t.provider.ForceFlush(test.Context()); err != nil {
		test.Error(err)
	}
}

func aDelivery() *delivery.Delivery {
	return &delivery.Delivery{Endpoint: "ep_1", Attempt: 1, Event: event.Event{ID: "evt_1", Type: "a", Traceparent: event.NewTraceparent()}}
}

// A collector that is away costs no event anything, and one line in the log until it is back.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	status := http.StatusInternalServerError
	c := newCollector(t, func(int) int { mu.Lock(); defer mu.Unlock(); return status })
	tracer, log := newTracer(t, c.url, nil)
	for range 3 {
		tracer.once(t)
	}
	const fails, works = "cannot export spans", "exporting spans again"
	if log.Count(fails) != 1 || log.Count(works) != 0 {
		t.Errorf("the log says %s", log)
	}
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	for range 2 {
		tracer.once(t)
	}
	if log.Count(fails) != 1 || log.Count(works) != 1 || len(c.spans) != 2 {
		t.Errorf("%d spans; the log says %s", len(c.spans), log)
	}
}

// A collector that answers nothing holds up neither an event nor the end of the process.
func TestCollectorHangs(t *testing.T) {
	t.Parallel()
	hang, reached := make(chan struct{}), make(chan struct{}, 1)
	c := newCollector(t, func(int) int {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-hang
		return http.StatusOK
	})
	t.Cleanup(func() { close(hang) })
	tracer, _ := newTracer(t, c.url, nil)
	tracer.flush = 10 * time.Millisecond
	for range 10_000 { // many more than the queue and a batch hold
		tracer.Attempt(aDelivery()).Done(Outcome{})
	}
	<-reached
	tracer.Close()
}

func TestExport(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []int // the last one for all that follow
		spans   int
		tries   int
	}{
		"taken":    {[]int{200}, 1, 1},
		"again":    {[]int{503, 429, 200}, 1, 3},
		"refused":  {[]int{400}, 0, 1},
		"redirect": {[]int{302}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, func(n int) int { return test.answers[min(n, len(test.answers))-1] })
			tracer, log := newTracer(t, c.url, map[string]string{
				"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=sesame",
			})
			tracer.once(t)
			if len(c.spans) != test.spans || c.n != test.tries || c.first.Get("Authorization") != "sesame" {
				t.Errorf("%d spans after %d tries, with %v", len(c.spans), c.n, c.first)
			}
			if log.Count("cannot export") != 1-test.spans || log.Count("sesame") > 0 {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestAddressHoldsNoSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://me:sesame@example.com/a?key=sesame#sesame": "https://example.com/a example.com 443",
		"http://[::1]:8080/":     "http://[::1]:8080/ ::1 8080",
		"https://example.com:99": "https://example.com:99 example.com 99",
		"":                       "",
	} {
		var got []string
		for _, a := range address(text) {
			got = append(got, a.Value.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s became %q", text, got)
		}
	}
}

// off is what an event asks of a tracer on its whole way.
func off(tracer *Tracer, r *http.Request, events []*event.Event, d *delivery.Delivery) {
	span := tracer.Receive(r, "/webhooks/:source", "acme", events[0].Traceparent, time.Time{})
	Sent(tracer.Send(span, events), false, nil)
	span.Respond(http.StatusAccepted)
	attempt := tracer.Attempt(d)
	if attempt.Traceparent() != "" || attempt.Reference() != "" {
		panic("there is a span")
	}
	attempt.Done(Outcome{URL: "https://example.com", Status: 200})
}

func TestOffAllocatesNothing(t *testing.T) { // not parallel: AllocsPerRun counts for all
	r, d := httptest.NewRequest(http.MethodPost, "/webhooks/acme", nil), aDelivery()
	events := []*event.Event{&d.Event}
	if n := testing.AllocsPerRun(100, func() { off(nil, r, events, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkEvent is what tracing costs an event, when it is off and when it is on.
func BenchmarkEvent(b *testing.B) {
	r, d := httptest.NewRequest(http.MethodPost, "/webhooks/acme", nil), aDelivery()
	d.Event.Subject, d.Event.Source = "webhooks.acme.a", "acme"
	events := []*event.Event{&d.Event}
	b.Run("off", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			off(nil, r, events, d)
		}
	})
	b.Run("on", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer server.Close()
		tracer, err := open(&settings{url: server.URL, header: http.Header{}, timeout: time.Second}, "test", slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer tracer.Close()
		b.ReportAllocs()
		for b.Loop() {
			span := tracer.Receive(r, "/webhooks/:source", "acme", "", time.Now())
			Sent(tracer.Send(span, events), false, nil)
			span.Respond(http.StatusAccepted)
			tracer.Attempt(d).Done(Outcome{URL: "https://example.com", Status: 200})
		}
	})
}
