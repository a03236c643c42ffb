package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans are what an OpenTelemetry collector has taken.
type spans struct {
	mu       sync.Mutex // guards what follows
	all      []*tracepb.Span
	resource map[string]string
	login    string
	raw      strings.Builder // all bytes
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var batch tracepb.TracesData // on the wire an ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(data, &batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(data)
	s.login = r.Header.Get("Authorization")
	for _, resource := range batch.ResourceSpans {
		s.resource = attributes(resource.Resource.Attributes)
		for _, scope := range resource.ScopeSpans {
			s.all = append(s.all, scope.Spans...)
		}
	}
}

func attributes(all []*commonpb.KeyValue) map[string]string {
	found := make(map[string]string)
	for _, a := range all {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_IntValue:
			found[a.Key] = fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_BoolValue:
			found[a.Key] = fmt.Sprint(v.BoolValue)
		default:
			found[a.Key] = a.Value.GetStringValue()
		}
	}
	return found
}

// of returns the spans of a trace by their kinds, in the order in which they ended.
func (s *spans) of(trace string) map[tracepb.Span_SpanKind][]*tracepb.Span {
	found := make(map[tracepb.Span_SpanKind][]*tracepb.Span)
	for _, span := range s.all {
		if hex.EncodeToString(span.TraceId) == trace {
			found[span.Kind] = append(found[span.Kind], span)
		}
	}
	return found
}

// traceparentOf is what goes on from a span.
func traceparentOf(s *tracepb.Span) string {
	return "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.SpanId) + "-01"
}

// traced is a Jethook whose spans go to a collector, when it stops at the latest, and a receiver that fails at first.
type traced struct {
	*process
	spans *spans
	came  func(n int) []string // the traceparents of the first requests at the receiver
}

func startTraced(t *testing.T) *traced {
	t.Helper()
	r := &traced{spans: &spans{}}
	collector := httptest.NewServer(r.spans)
	t.Cleanup(collector.Close)
	r.process = newProcess(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20sesame",
		"OTEL_RESOURCE_ATTRIBUTES=team=one,service.name=other", "OTEL_SERVICE_NAME=hooks", "OTEL_BSP_SCHEDULE_DELAY=600000")
	r.start(t, "serve")
	var mu sync.Mutex
	var came []string
	signal := make(chan struct{}, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		if came = append(came, req.Header.Get("Traceparent")); len(came) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		mu.Unlock()
		signal <- struct{}{}
	}))
	t.Cleanup(receiver.Close)
	r.came = func(n int) []string {
		for {
			mu.Lock()
			found := came
			mu.Unlock()
			if len(found) >= n {
				return found[:n]
			}
			select {
			case <-signal:
			case <-t.Context().Done():
				t.Fatal("it never came")
			}
		}
	}
	r.api(t, http.MethodPost, "/api/v1/endpoints", fmt.Sprintf(
		`{"name":"one","url":%q,"events":["webhooks.>","events.>"],"retry_schedule":["1s"]}`, receiver.URL+"/in?key=hush"), nil)
	return r
}

// send sends a webhook of a trace, which must be answered with a status.
func (r *traced) send(t *testing.T, id, key, traceparent string, status int) {
	t.Helper()
	req, err := r.signed(t.Context(), fmt.Appendf(nil, `{"id":%q,"type":"thing.happened"}`, id), key)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", traceparent)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != status {
		t.Fatalf("%s was answered %s", id, res.Status)
	}
}

// end stops the process, which exports what it has not yet.
func (r *traced) end(t *testing.T) {
	t.Helper()
	r.signal(t, syscall.SIGTERM)
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, r.log)
	}
}

// One trace leads from the sender's request over the stream to each attempt, to the receiver, and to who subscribes.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	const trace, silent, forged = "4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737", "4bf92f3577b34da6a3ce929d0e0e4738"
	const parent = "-00f067aa0ba902b7-"
	r := startTraced(t)
	r.send(t, "evt_1", secret, "00-"+trace+parent+"01", http.StatusAccepted)
	r.came(2) // it fails once
	r.send(t, "evt_2", secret, "00-"+silent+parent+"00", http.StatusAccepted)
	r.send(t, "evt_3", "another key", "00-"+forged+parent+"01", http.StatusUnauthorized)
	came := r.came(3)
	stored, err := jetStream(t, r.process).Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	message, err := stored.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r.end(t)

	of := r.spans.of(trace)
	servers, producers, clients := of[tracepb.Span_SPAN_KIND_SERVER], of[tracepb.Span_SPAN_KIND_PRODUCER], of[tracepb.Span_SPAN_KIND_CLIENT]
	if len(servers) != 1 || len(producers) != 1 || len(clients) != 2 {
		t.Fatalf("the trace has %v\n%s", of, r.log)
	}
	if hex.EncodeToString(servers[0].ParentSpanId) != strings.Trim(parent, "-") || string(producers[0].ParentSpanId) != string(servers[0].SpanId) {
		t.Errorf("the sender's request does not lead to what is stored: %v %v", servers, producers)
	}
	if got := message.Header.Get("traceparent"); got != traceparentOf(producers[0]) {
		t.Errorf("a subscriber gets %s, want %s", got, traceparentOf(producers[0]))
	}
	for i, span := range clients {
		if string(span.ParentSpanId) != string(producers[0].SpanId) || came[i] != traceparentOf(span) {
			t.Errorf("attempt %d: %v; the receiver got %s", i+1, span, came[i])
		}
	}
	if links := clients[1].Links; len(clients[0].Links) != 0 || len(links) != 1 || string(links[0].SpanId) != string(clients[0].SpanId) {
		t.Errorf("the second attempt links to %v", links)
	}
	if !strings.Contains(came[2], silent) || !strings.HasSuffix(came[2], "-00") || len(r.spans.all) != 4 {
		t.Errorf("what is not sampled, or not verified, is recorded: %s %v", came[2], r.spans.all)
	}
	r.describe(t, servers[0], producers[0], clients)
}

// describe checks what the spans say.
func (r *traced) describe(t *testing.T, server, producer *tracepb.Span, clients []*tracepb.Span) {
	t.Helper()
	for _, test := range []struct {
		name string
		got  map[string]string
		want string
	}{
		{"resource", r.spans.resource, "service.name=hooks team=one"},
		{server.Name, attributes(server.Attributes), "http.request.method=POST http.route=/webhooks/:source url.path=/webhooks/acme http.response.status_code=202"},
		{producer.Name, attributes(producer.Attributes), "messaging.system=nats messaging.operation.type=send messaging.operation.name=publish " +
			"messaging.destination.name=webhooks.acme.thing.happened messaging.destination.template=webhooks.acme.{type} messaging.message.id=evt_1"},
		{clients[0].Name, attributes(clients[0].Attributes), "http.request.method=POST http.response.status_code=500 error.type=500 jethook.attempt=1 server.address=127.0.0.1"},
		{clients[1].Name, attributes(clients[1].Attributes), "http.response.status_code=200 http.request.resend_count=1 jethook.attempt=2"},
	} {
		for _, pair := range strings.Fields(test.want) {
			if key, value, _ := strings.Cut(pair, "="); test.got[key] != value {
				t.Errorf("%s: %s is %q, want %q", test.name, key, test.got[key], value)
			}
		}
	}
	if server.Name != "POST /webhooks/:source" || producer.Name != "publish webhooks.acme.{type}" || clients[0].Name != "POST" {
		t.Errorf("got %q, %q and %q", server.Name, producer.Name, clients[0].Name)
	}
	if server.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR || clients[0].Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("got %v and %v", server.Status, clients[0].Status)
	}
	if url := attributes(clients[0].Attributes)["url.full"]; !strings.HasSuffix(url, "/in") || r.spans.login != "Bearer sesame" {
		t.Errorf("got %s, and %s at the collector", url, r.spans.login)
	}
	for _, hidden := range []string{"hush", secret, "sesame", "token-for-tests-only"} {
		if strings.Contains(r.spans.raw.String(), hidden) || strings.Contains(r.log.String(), hidden) {
			t.Errorf("%q is told", hidden)
		}
	}
}

// A trace that nobody has begun begins with the attempt, or with the event that the admin API is asked to send.
func TestTraceBegins(t *testing.T) {
	t.Parallel()
	r := startTraced(t)
	nc, _ := steadyClient(t, "nats://"+r.nats)
	if err := nc.Publish("events.bare", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	came := r.came(2) // it fails once
	r.api(t, http.MethodPost, "/api/v1/events", `{"type":"asked.for","data":1}`, nil)
	came = append(came, r.came(3)[2])
	r.end(t)
	bare := r.spans.of(came[0][3:35])[tracepb.Span_SPAN_KIND_CLIENT]
	if len(bare) != 2 || len(bare[0].ParentSpanId) != 0 || came[0] != traceparentOf(bare[0]) || came[1] != traceparentOf(bare[1]) || len(bare[1].Links) != 1 {
		t.Errorf("got %v for %v", bare, came)
	}
	asked := r.spans.of(came[2][3:35])
	producers, clients := asked[tracepb.Span_SPAN_KIND_PRODUCER], asked[tracepb.Span_SPAN_KIND_CLIENT]
	if len(producers) != 1 || len(producers[0].ParentSpanId) != 0 || len(clients) != 1 || string(clients[0].ParentSpanId) != string(producers[0].SpanId) {
		t.Errorf("got %v", asked)
	}
}
