// Package events is the admin API's operations on events: listing and showing what is stored, publishing, and sending again.
// Type names are those of the OpenAPI document.
package events

import (
	"context"
	"log/slog"
	"net/http"

	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/eventlog"
	"jethook/publish/trace"
)

// Operations are those on events.
type Operations struct {
	api      *operation.API
	bus      *publish.Bus
	registry *registry.Registry // nil in a process that keeps none
	archive  *archive.Archive
	ledger   *deliveries.Store
	tracer   *trace.Tracer // nil: nothing is traced
	log      *slog.Logger
}

// New returns the operations, without routes.
func New(api *operation.API, stored *archive.Archive, ledger *deliveries.Store, tracer *trace.Tracer) *Operations {
	return &Operations{api: api, bus: api.Bus, registry: api.Registry, archive: stored, ledger: ledger, tracer: tracer, log: api.Log}
}

// Routes registers the operations; those that ask for endpoints only where there are some.
func (o *Operations) Routes() {
	if o.registry != nil {
		o.matchRoutes()
		o.resendRoutes()
	}
	o.sendRoutes()
	o.listRoutes()
}

// What follows is for callers in the same process; see [operation.Call].

// List is GET /api/v1/events.
func (o *Operations) List(ctx context.Context, page operation.PageParams, span SpanParams) (*EventPage, error) {
	return operation.Call(ctx, o.api, "list-events", operation.Timeout, &listEventsInput{PageParams: page, SpanParams: span}, o.listEvents)
}

// Get is GET /api/v1/events/{id}.
func (o *Operations) Get(ctx context.Context, p *EventParams) (*EventDetail, error) {
	return operation.Call(ctx, o.api, "get-event", operation.Timeout, p, o.getEvent)
}

// Stored finds an event as GET /api/v1/events/{id} does, with its whole body, and without what became of it.
func (o *Operations) Stored(ctx context.Context, p *EventParams) (*eventlog.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, operation.Timeout)
	defer cancel()
	found, _, err := o.find(ctx, p)
	if err == nil {
		err = o.bus.EventLog().Complete(ctx, &found.Event)
	}
	return &found, err
}

// Match is GET /api/v1/match.
func (o *Operations) Match(ctx context.Context, subject string) ([]Match, error) {
	if o.registry == nil {
		return nil, nil
	}
	page, err := operation.Call(ctx, o.api, "match-subject", operation.Timeout, &matchInput{Subject: subject}, o.matchSubject)
	if err != nil {
		return nil, err
	}
	return page.Items, nil
}

// Send is POST /api/v1/events. The event's data must be JSON.
func (o *Operations) Send(ctx context.Context, e *NewEvent, key string) (*SentEvent, error) {
	in := &sendEventInput{IdempotencyParam: operation.IdempotencyParam{IdempotencyKey: key}, Body: *e}
	return operation.Call(ctx, o.api, "send-event", operation.Timeout, in, o.sendEvent)
}

// Resend is POST /api/v1/events/{id}/resend; without endpoints, to all whose patterns match.
func (o *Operations) Resend(ctx context.Context, id string, endpoints []string) (*Resent, error) {
	if o.registry == nil {
		return nil, operation.NewFailure(http.StatusConflict, "no_endpoints", "this process has no endpoints; call one that runs jethook serve or jethook consume")
	}
	in := &resendInput{EventParams: EventParams{ID: id}, Body: &ResendRequest{Endpoints: endpoints}}
	return operation.Call(ctx, o.api, "resend-event", operation.BulkTimeout, in, o.resendEvent)
}
