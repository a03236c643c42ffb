// Package trials is the admin API's operations that try an endpoint: sending it a sample, and showing what would be sent.
// Type names are those of the OpenAPI document.
package trials

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/config"
	"jethook/consume"
	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/event"
)

// Operations are those that try endpoints.
type Operations struct {
	api      *operation.API
	bus      *publish.Bus
	registry *registry.Registry
	policy   *endpoint.AddressPolicy
	archive  *archive.Archive
	ledger   *deliveries.Store
	client   *attempt.Client
	timeout  time.Duration // of an attempt, if the endpoint has none of its own
	trials   chan struct{} // has one entry for each test under way
	log      *slog.Logger
}

// Options are what the operations work with.
type Options struct {
	Config  *config.Config
	Version string // of Jethook, which requests name
	Policy  *endpoint.AddressPolicy
	Archive *archive.Archive
	Ledger  *deliveries.Store
}

// New returns the operations, without routes. Close must be called.
func New(api *operation.API, o Options) *Operations {
	return &Operations{
		api: api, bus: api.Bus, registry: api.Registry, policy: o.Policy, archive: o.Archive, ledger: o.Ledger,
		client: consume.NewClient(o.Config, o.Version), timeout: o.Config.DeliveryTimeout, trials: make(chan struct{}, maxTrials), log: api.Log,
	}
}

// Close ends the connections to endpoints.
func (o *Operations) Close() { o.client.Close() }

const (
	// trialTimeout bounds a test's request, whatever its endpoint may take: somebody waits for the answer.
	trialTimeout = 30 * time.Second
	// maxTrials is how many tests one process makes at once: they stand outside of the lanes' limits.
	maxTrials = 4
)

// errManyTrials means that maxTrials tests are under way.
var errManyTrials = operation.NewFailure(http.StatusServiceUnavailable, "overloaded", "too many tests at once; try again")

// Routes registers the operations.
func (o *Operations) Routes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "test-endpoint", Method: http.MethodPost, Path: "/api/v1/endpoints/{id}/test", Tags: []string{"endpoints"},
		Summary: "Test an endpoint",
		Description: "Sends one signed sample to the endpoint, even to a disabled one, and returns the request and the outcome. " +
			"A test is not a delivery: it is not in the history, is not retried, and does not change the endpoint's state. " +
			"Without data, the sample's body is {\"type\": …, \"message\": …, \"endpoint\": …, \"sent_at\": …}. " +
			"The endpoint's timeout applies, up to 30 s. The status is 200 whatever the endpoint answered; see taken.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, trialTimeout+operation.Timeout, o.testEndpoint)
	o.previewRoutes()
}

// TrialRequest is the sample to send.
type TrialRequest struct {
	Type string          `json:"type,omitempty" doc:"its event type; default: jethook.test" example:"order.created"`
	Data json.RawMessage `json:"data,omitempty" doc:"the body, any JSON; default: a short message" example:"{\"order\":7}"`
}

type trialInput struct {
	operation.EndpointParam
	Body *TrialRequest
}

// Trial is what came of a test.
type Trial struct {
	Taken    bool                  `json:"taken" doc:"whether the endpoint answered 2xx" example:"true"`
	Class    attempt.Class         `json:"class" doc:"kind of the outcome: ok, status, redirect, dns, address_refused, connection_refused, unreachable, connection_reset, tls, refused, timeout, bad_response, request, proxy, aborted or local" example:"ok"`
	Detail   string                `json:"detail,omitempty" doc:"why it was not accepted; human-readable" example:"answered 500 Internal Server Error"`
	Sent     time.Time             `json:"sent_at" doc:"when it was sent, also the time in the signature" example:"2026-01-02T15:04:05Z"`
	Duration int64                 `json:"duration_ms" doc:"how long it took in milliseconds, from DNS to the last byte of the answer" example:"87"`
	Request  *message.RequestShown `json:"request,omitempty" doc:"the request, with credentials hidden; absent if no request could be made"`
	Response *ResponseShown        `json:"response,omitempty" doc:"the response; absent if there was none"`
}

// ResponseShown is an endpoint's answer.
type ResponseShown struct {
	Status  int              `json:"status" doc:"its HTTP status" example:"200"`
	Headers []message.Header `json:"headers" doc:"selected headers"`
	message.Content
	Truncated bool `json:"body_truncated,omitempty" doc:"the body is longer than 16 KiB, or was cut off" example:"false"`
}

func (o *Operations) testEndpoint(ctx context.Context, in *trialInput) (*operation.Answer[Trial], error) {
	select {
	case o.trials <- struct{}{}:
		defer func() { <-o.trials }()
	default:
		return nil, errManyTrials
	}
	e, err := o.registry.Get(ctx, in.ID)
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
	out := o.try(ctx, &e, &event)
	o.log.Info("endpoint tested", "endpoint", e.ID, "class", out.Class)
	return &operation.Answer[Trial]{Body: out}, nil
}

// try sends the event to the endpoint, and nobody else hears of it.
func (o *Operations) try(ctx context.Context, e *endpoint.Endpoint, event *event.Event) Trial {
	timeout := o.timeout
	if own := time.Duration(e.Timeout); own > 0 {
		timeout = own
	}
	e.Timeout = endpoint.Duration(min(timeout, trialTimeout))
	r := requestOf(e, event, 1)
	res := o.client.Do(ctx, r)
	out := Trial{
		Taken: res.Verdict == attempt.Delivered, Class: res.Class, Detail: res.Detail,
		Sent: res.Started.UTC(), Duration: res.Duration.Milliseconds(),
	}
	// The same request again: Compose gives the same bytes for the same time.
	if m, err := o.client.Compose(&r, res.Started); err == nil {
		out.Request, _ = message.Show(m, false) // nil when no request could be made, which Detail says
	}
	if res.Status != 0 {
		out.Response = &ResponseShown{
			Status: res.Status, Headers: telling(res.Header), Content: message.ContentOf(res.Response), Truncated: res.Truncated,
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

func telling(h http.Header) []message.Header {
	some := make(http.Header)
	for _, name := range tellingHeaders {
		if values, ok := h[name]; ok {
			some[name] = values
		}
	}
	return message.HeadersOf(some)
}

// Test is POST /api/v1/endpoints/{id}/test.
func (o *Operations) Test(ctx context.Context, id string, want TrialRequest) (*Trial, error) {
	return operation.Call(ctx, o.api, "test-endpoint", trialTimeout+operation.Timeout, &trialInput{EndpointParam: operation.EndpointParam{ID: id}, Body: &want}, o.testEndpoint)
}
