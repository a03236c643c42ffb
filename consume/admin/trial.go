package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/publish/event"
)

const (
	// trialTimeout bounds a test's request, whatever its endpoint may take: somebody waits for the answer.
	trialTimeout = 30 * time.Second
	// maxTrials is how many tests one process makes at once: they stand outside of the lanes' limits.
	maxTrials = 4
)

// errManyTrials means that maxTrials tests are under way.
var errManyTrials = errors.New("too many tests at once")

func (s *Server) trialRoutes() {
	register(s, huma.Operation{
		OperationID: "test-endpoint", Method: http.MethodPost, Path: "/api/v1/endpoints/{id}/test", Tags: []string{"endpoints"},
		Summary: "Test an endpoint",
		Description: "Sends one signed sample to the endpoint, even to a disabled one, and returns the request and the outcome. " +
			"A test is not a delivery: it is not in the history, is not retried, and does not change the endpoint's state. " +
			"Without data, the sample's body is {\"type\": …, \"message\": …, \"endpoint\": …, \"sent_at\": …}. " +
			"The endpoint's timeout applies, up to 30 s. The status is 200 whatever the endpoint answered; see taken.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, trialTimeout+requestTimeout, s.testEndpoint)
}

// TrialRequest is the sample to send.
type TrialRequest struct {
	Type string          `json:"type,omitempty" doc:"its event type; default: jethook.test" example:"order.created"`
	Data json.RawMessage `json:"data,omitempty" doc:"the body, any JSON; default: a short message" example:"{\"order\":7}"`
}

type trialInput struct {
	EndpointParam
	Body *TrialRequest
}

// Trial is what came of a test.
type Trial struct {
	Taken    bool           `json:"taken" doc:"whether the endpoint answered 2xx" example:"true"`
	Class    attempt.Class  `json:"class" doc:"kind of the outcome: ok, status, redirect, dns, address_refused, connection_refused, unreachable, connection_reset, tls, refused, timeout, bad_response, request, proxy, aborted or local" example:"ok"`
	Detail   string         `json:"detail,omitempty" doc:"why it was not accepted; human-readable" example:"answered 500 Internal Server Error"`
	Sent     time.Time      `json:"sent_at" doc:"when it was sent, also the time in the signature" example:"2026-01-02T15:04:05Z"`
	Duration int64          `json:"duration_ms" doc:"how long it took in milliseconds, from DNS to the last byte of the answer" example:"87"`
	Request  *RequestShown  `json:"request,omitempty" doc:"the request, with credentials hidden; absent if no request could be made"`
	Response *ResponseShown `json:"response,omitempty" doc:"the response; absent if there was none"`
}

// ResponseShown is an endpoint's answer.
type ResponseShown struct {
	Status  int      `json:"status" doc:"its HTTP status" example:"200"`
	Headers []Header `json:"headers" doc:"selected headers"`
	Content
	Truncated bool `json:"body_truncated,omitempty" doc:"the body is longer than 16 KiB, or was cut off" example:"false"`
}

type trialOutput struct{ Body Trial }

func (s *Server) testEndpoint(ctx context.Context, in *trialInput) (*trialOutput, error) {
	select {
	case s.trials <- struct{}{}:
		defer func() { <-s.trials }()
	default:
		return nil, errManyTrials
	}
	e, err := s.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var want TrialRequest
	if in.Body != nil {
		want = *in.Body
	}
	event, err := sample(&e, want.Type, want.Data, time.Now())
	if err != nil {
		return nil, err
	}
	out := s.try(ctx, &e, &event)
	s.log.Info("endpoint tested", "endpoint", e.ID, "class", out.Class)
	return &trialOutput{out}, nil
}

// try sends the event to the endpoint, and nobody else hears of it.
func (s *Server) try(ctx context.Context, e *endpoint.Endpoint, event *event.Event) Trial {
	timeout := s.cfg.DeliveryTimeout
	if own := time.Duration(e.Timeout); own > 0 {
		timeout = own
	}
	e.Timeout = endpoint.Duration(min(timeout, trialTimeout))
	r := requestOf(e, event, 1)
	res := s.client.Do(ctx, r)
	out := Trial{
		Taken: res.Verdict == attempt.Delivered, Class: res.Class, Detail: res.Detail,
		Sent: res.Started.UTC(), Duration: res.Duration.Milliseconds(),
	}
	// The same request again: Compose gives the same bytes for the same time.
	if m, err := s.client.Compose(&r, res.Started); err == nil {
		out.Request, _ = show(m, false) // nil when no request could be made, which Detail says
	}
	if res.Status != 0 {
		out.Response = &ResponseShown{
			Status: res.Status, Headers: telling(res.Header), Content: contentOf(res.Response), Truncated: res.Truncated,
		}
	}
	return out
}

// requestOf is the attempt at delivering an event to an endpoint.
func requestOf(e *endpoint.Endpoint, event *event.Event, number int) attempt.Request {
	return attempt.Request{
		Endpoint: e, EventID: event.ID, EventType: event.Type, Subject: event.Subject,
		ContentType: event.ContentType, Traceparent: event.Traceparent, Source: event.Source, Received: event.Received,
		Header: event.Forward, Body: event.Body, Attempt: number,
	}
}

// tellingHeaders are those of an answer that help to find out why it is as it is. Cookies are none.
var tellingHeaders = []string{
	"Allow", "Cf-Ray", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Location", "Retry-After",
	"Server", "Via", "Www-Authenticate", "X-Amzn-Requestid", "X-Request-Id",
}

func telling(h http.Header) []Header {
	some := make(http.Header)
	for _, name := range tellingHeaders {
		if values, ok := h[name]; ok {
			some[name] = values
		}
	}
	return headersOf(some)
}
