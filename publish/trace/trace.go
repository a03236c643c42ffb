// Package trace records what Jethook does with an event as OpenTelemetry spans, and exports them by OTLP over HTTP. The
// standard OTEL_ variables configure it; without an endpoint among them there is no [Tracer], and a nil one costs nothing.
//
// The trace of an event begins with the request of its sender, or goes on from it: a server span; below it a producer span,
// whose context is stored with the event, for subscribers; and below that a client span for each attempt, whose context goes
// to the receiver. An attempt after the first links to the first.
//
// Spans are best effort: they are exported in batches beside the events' way, and what the collector does not take is lost.
// The package exports neither metrics nor logs, and nothing of bodies, headers and credentials.
package trace

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	api "go.opentelemetry.io/otel/trace"

	"jethook/publish/event"
	"jethook/publish/outage"
)

// Tracer begins spans. A nil Tracer begins none. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   api.Tracer
	cutOff   context.CancelFunc // of exports that are under way
	flush    time.Duration      // for which Close waits
}

// Open returns a Tracer as the environment says, or nil if that asks for none. It fails with [config.Problems].
func Open(version string, log *slog.Logger) (*Tracer, error) {
	s, problems := read(os.Getenv)
	if len(problems) > 0 {
		return nil, problems
	}
	if s == nil {
		return nil, nil
	}
	return open(s, version, log)
}

func open(s *settings, version string, log *slog.Logger) (*Tracer, error) {
	// Later ones override earlier ones.
	about, err := resource.New(context.Background(), resource.WithSchemaURL(semconv.SchemaURL), resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("jethook"), semconv.ServiceVersion(version), semconv.ServiceInstanceID(rand.Text())),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describing this process to OpenTelemetry: %w", err)
	}
	// What the SDK itself complains of, such as a malformed number in a variable.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("OpenTelemetry", "error", err) }))
	life, cutOff := context.WithCancel(context.Background())
	out := &exporter{
		SpanExporter: otlptrace.NewUnstarted(&client{settings: s, http: s.newHTTP(), life: life}), log: log, to: s.host(),
		outage: outage.Outage{Fails: "cannot export spans; dropping them", Works: "exporting spans again"},
	}
	t := &Tracer{
		provider: sdk.NewTracerProvider(sdk.WithBatcher(out), sdk.WithResource(about), sdk.WithIDGenerator(idGenerator{})),
		cutOff:   cutOff, flush: flushTime,
	}
	t.tracer = t.provider.Tracer("jethook", api.WithInstrumentationVersion(version), api.WithSchemaURL(semconv.SchemaURL))
	log.Info("exporting spans", "to", s.host())
	return t, nil
}

// flushTime is how long a process that stops waits for the collector.
const flushTime = 3 * time.Second

// Close exports what has not been, for at most three seconds. Spans that end afterwards are lost.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.flush)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(fmt.Errorf("exporting the last spans: %w", err))
	}
	t.cutOff()
}

// Span is one step of an event. The zero Span records nothing.
type Span struct{ span api.Span }

// Traceparent returns the span's context, for who goes on from it; empty: there is no span.
func (s Span) Traceparent() string {
	if s.span == nil {
		return ""
	}
	return traceparent(s.span.SpanContext())
}

// Reference returns the span's context, if the span is recorded, for links to it; else it is empty.
func (s Span) Reference() string {
	if s.span == nil || !s.span.IsRecording() {
		return ""
	}
	return s.Traceparent()
}

func traceparent(c api.SpanContext) string {
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + (c.TraceFlags() & api.FlagsSampled).String()
}

// contextOf is the context that a traceparent names; invalid: it names none.
func contextOf(traceparent string) (c api.SpanContext) {
	if !event.ValidTraceparent(traceparent) {
		return c
	}
	trace, _ := api.TraceIDFromHex(traceparent[3:35]) // it is valid
	parent, _ := api.SpanIDFromHex(traceparent[36:52])
	var flags api.TraceFlags
	if (traceparent[54]-'0')&1 == 1 || traceparent[54] >= 'a' && (traceparent[54]-'a')&1 == 1 {
		flags = api.FlagsSampled
	}
	return api.NewSpanContext(api.SpanContextConfig{TraceID: trace, SpanID: parent, TraceFlags: flags, Remote: true})
}

// start begins a span below the one of a traceparent. A trace in which no span was recorded begins with it, and keeps its id.
func (t *Tracer) start(traceparent, name string, options ...api.SpanStartOption) Span {
	ctx := context.Background()
	switch parent := contextOf(traceparent); {
	case event.IsFreshTrace(traceparent):
		ctx = context.WithValue(ctx, traceIDKey{}, parent.TraceID())
	case parent.IsValid():
		ctx = api.ContextWithSpanContext(ctx, parent)
	}
	return t.begin(ctx, name, options...)
}

func (t *Tracer) begin(ctx context.Context, name string, options ...api.SpanStartOption) Span {
	_, span := t.tracer.Start(ctx, name, options...)
	return Span{span}
}

// idGenerator makes random ids, but for a trace that has its id already.
type idGenerator struct{}

type traceIDKey struct{}

// NewIDs returns the ids of a span without a parent.
func (g idGenerator) NewIDs(ctx context.Context) (trace api.TraceID, span api.SpanID) {
	if id, ok := ctx.Value(traceIDKey{}).(api.TraceID); ok {
		return id, g.NewSpanID(ctx, id)
	}
	rand.Read(trace[:])
	return trace, g.NewSpanID(ctx, trace)
}

// NewSpanID returns the id of a span of a trace.
func (idGenerator) NewSpanID(context.Context, api.TraceID) (span api.SpanID) {
	rand.Read(span[:])
	return span
}
