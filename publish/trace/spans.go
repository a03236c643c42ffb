package trace

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	api "go.opentelemetry.io/otel/trace"

	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// Attributes that no convention names.
const (
	attrSource    = attribute.Key("jethook.source")
	attrEvent     = attribute.Key("jethook.event.id")
	attrType      = attribute.Key("jethook.event.type")
	attrEndpoint  = attribute.Key("jethook.endpoint.id")
	attrDelivery  = attribute.Key("jethook.delivery.id")
	attrAttempt   = attribute.Key("jethook.attempt")
	attrDuplicate = attribute.Key("jethook.duplicate")
)

// Receive begins the server span of a request that came at a time, below the span that the request names, if it does.
// Respond ends it.
func (t *Tracer) Receive(r *http.Request, route, source, traceparent string, at time.Time) Span {
	if t == nil {
		return Span{}
	}
	s := t.start(traceparent, r.Method+" "+route, api.WithSpanKind(api.SpanKindServer), api.WithTimestamp(at))
	if s.span.IsRecording() {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		s.span.SetAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.HTTPRoute(route), semconv.URLPath(r.URL.Path),
			semconv.URLScheme(scheme), semconv.UserAgentOriginal(r.UserAgent()), attrSource.String(source))
	}
	return s
}

// Respond ends a server span with the status of its response.
func (s Span) Respond(status int) {
	if s.span == nil {
		return
	}
	s.status(status, status >= http.StatusInternalServerError, "")
	s.span.End()
}

// Send begins the producer spans of events that are about to be stored, and gives each event the context of its own. They lie
// below a server span, or if there is none, below the spans that the events name. Sent ends them.
func (t *Tracer) Send(below Span, events []*event.Event) []Span {
	if t == nil {
		return nil
	}
	spans := make([]Span, len(events))
	for i, e := range events {
		template := topology.EventsPrefix + "{type}"
		if e.Source != "" {
			template = topology.WebhooksPrefix + e.Source + ".{type}"
		}
		name, kind := "publish "+template, api.WithSpanKind(api.SpanKindProducer)
		if below.span != nil {
			spans[i] = t.begin(api.ContextWithSpan(context.Background(), below.span), name, kind)
		} else {
			spans[i] = t.start(e.Traceparent, name, kind)
		}
		e.Traceparent = spans[i].Traceparent()
		if span := spans[i].span; span.IsRecording() {
			span.SetAttributes(semconv.MessagingSystemKey.String("nats"), semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("publish"),
				semconv.MessagingDestinationName(e.Subject), semconv.MessagingDestinationTemplate(template),
				semconv.MessagingMessageID(e.ID), semconv.MessagingMessageBodySize(len(e.Body)), attrType.String(e.Type))
		}
	}
	return spans
}

// Sent ends producer spans. Of a duplicate nothing was stored.
func Sent(spans []Span, duplicate bool, err error) {
	for _, s := range spans {
		if duplicate {
			s.span.SetAttributes(attrDuplicate.Bool(true))
		}
		if err != nil {
			s.fail(storeFault(err), err.Error())
		}
		s.span.End()
	}
}

// Attempt begins the client span of an attempt, below the event's. After the first attempt it links to that one. Done ends it.
func (t *Tracer) Attempt(d *delivery.Delivery) Span {
	if t == nil {
		return Span{}
	}
	options := []api.SpanStartOption{api.WithSpanKind(api.SpanKindClient)}
	if first := contextOf(d.First); first.IsValid() {
		options = append(options, api.WithLinks(api.Link{SpanContext: first, Attributes: []attribute.KeyValue{attrAttempt.Int(1)}}))
	}
	s := t.start(d.Event.Traceparent, http.MethodPost, options...)
	if s.span.IsRecording() {
		s.span.SetAttributes(semconv.HTTPRequestMethodPost, attrEndpoint.String(d.Endpoint), attrDelivery.String(d.ID()),
			attrAttempt.Int(d.Attempt), attrEvent.String(d.Event.ID), attrType.String(d.Event.Type))
		if d.Attempt > 1 {
			s.span.SetAttributes(semconv.HTTPRequestResendCount(d.Attempt - 1))
		}
	}
	return s
}

// Outcome is what came of an attempt.
type Outcome struct {
	URL    string // as it may be shown; its query is left out nevertheless
	Status int    // of the response; 0: there was none
	Class  string // the kind of failure, from a closed set; empty: none
	Detail string // of the failure, without secrets
}

// Done ends a client span.
func (s Span) Done(o Outcome) {
	if s.span == nil {
		return
	}
	if s.span.IsRecording() {
		s.span.SetAttributes(address(o.URL)...)
		if o.Status != 0 {
			s.status(o.Status, o.Class != "", o.Detail)
		} else if o.Class != "" {
			s.fail(o.Class, o.Detail)
		}
	}
	s.span.End()
}

// address describes a URL without its query, and without who logs in.
func address(text string) []attribute.KeyValue {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, ""
	all := []attribute.KeyValue{semconv.URLFull(u.String()), semconv.ServerAddress(strings.Trim(u.Hostname(), "[]"))}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		if port, err = net.LookupPort("tcp", u.Scheme); err != nil {
			return all
		}
	}
	return append(all, semconv.ServerPort(port))
}

// status notes that of a response.
func (s Span) status(status int, failed bool, detail string) {
	s.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if failed {
		s.fail(strconv.Itoa(status), detail)
	}
}

func (s Span) fail(kind, detail string) {
	s.span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	s.span.SetStatus(codes.Error, detail)
}

// storeFaults are the kinds of error of a publish.
var storeFaults = []struct {
	err  error
	kind string
}{
	{failure.ErrFull, "full"},
	{failure.ErrBusy, "busy"},
	{failure.ErrTooLarge, "too_large"},
	{failure.ErrRefused, "refused"},
	{failure.ErrUnavailable, "unavailable"},
	{context.DeadlineExceeded, "timeout"},
}

func storeFault(err error) string {
	for _, fault := range storeFaults {
		if errors.Is(err, fault.err) {
			return fault.kind
		}
	}
	return semconv.ErrorTypeOther.Value.AsString()
}
