package events

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/publish/eventlog"
	"jethook/publish/failure"
	"jethook/publish/query"
)

func (o *Operations) listRoutes() {
	const one = "/api/v1/events/{id}"
	operation.Register(o.api, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/api/v1/events", Tags: []string{"events"},
		Summary:     "List stored events",
		Description: "Newest first, by the time they were stored, without bodies.",
	}, operation.Timeout, o.listEvents)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-event", Method: http.MethodGet, Path: one, Tags: []string{"events"},
		Summary: "Get an event, its deliveries, and its attempts",
		Description: "Returns the body, the stored headers, the deliveries, and the attempts. If several events have the id, the newest is returned. " +
			"The search runs backward from the newest event for at most 5 s; narrow it with subject, since, and " +
			"until. An id of the form STREAM-SEQUENCE needs no search.",
		Errors: []int{http.StatusNotFound},
	}, operation.Timeout, o.getEvent)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-event-body", Method: http.MethodGet, Path: one + "/body", Tags: []string{"events"},
		Summary: "Get an event's exact body",
		Description: "Returned as application/octet-stream, so that no browser runs it; " +
			"the event's content_type is the sender's.",
		Errors: []int{http.StatusNotFound},
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			typeBytes: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}},
	}, operation.Timeout, o.getEventBody)
}

// SpanParams choose events.
type SpanParams struct {
	Subject string `query:"subject" doc:"a subject pattern; default: all webhooks and events, but not jethook.ops.>" example:"webhooks.polar.>"`
	Since   string `query:"since" doc:"only events stored since a time (RFC 3339), or within a period, such as 24h" example:"24h"`
	Until   string `query:"until" doc:"only events stored before a time (RFC 3339), or longer ago than a period" example:"2026-01-02T15:04:05Z"`
}

// query returns the events that are chosen, or what is wrong with the choice.
func (p *SpanParams) query() (archive.Query, error) {
	since, until, fields := operation.Times(p.Since, p.Until)
	if _, err := query.EventsOn(p.Subject); err != nil {
		fields = append(fields, operation.FailureField{Field: "subject", Message: err.Error()})
	}
	if len(fields) > 0 {
		return archive.Query{}, operation.Invalid(fields...)
	}
	return archive.Query{Subject: p.Subject, Since: since, Until: until}, nil
}

type listEventsInput struct {
	operation.PageParams
	SpanParams
}

// EventPage is one page of a list of events.
type EventPage struct {
	Items      []archive.StoredEvent `json:"items"`
	NextCursor string                `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

func (o *Operations) listEvents(ctx context.Context, in *listEventsInput) (*operation.Answer[EventPage], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	mark := operation.Mark("events", in.SpanParams)
	items, next, err := operation.Page(in.Cursor, mark, nil, func(cursor string) ([]archive.StoredEvent, string, error) {
		q.Limit, q.Cursor = in.Limit, cursor
		return o.archive.List(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	return &operation.Answer[EventPage]{Body: EventPage{Items: items, NextCursor: next}}, nil
}

// EventParams choose one event.
type EventParams struct {
	ID string `path:"id" doc:"the event's id, or its position, such as EVENTS-17"`
	SpanParams
}

// EventDetail is an event whole, and what became of it.
type EventDetail struct {
	archive.StoredEvent
	Headers map[string][]string `json:"headers" doc:"the stored headers; credentials are never stored"`
	message.EventBody
	Others []string `json:"others,omitempty" doc:"subjects of other events with this id that the search found; pass one as subject to get that event"`
	archive.Trace
}

func (o *Operations) getEvent(ctx context.Context, in *EventParams) (*operation.Answer[EventDetail], error) {
	found, others, err := o.find(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := o.bus.EventLog().Complete(ctx, &found.Event); err != nil && !errors.Is(err, failure.ErrBodyGone) { // the rest is worth showing
		return nil, err
	}
	trace, err := o.archive.Trace(ctx, &found)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[EventDetail]{Body: EventDetail{
		StoredEvent: archive.Describe(&found), Headers: found.Header, EventBody: message.ShowBody(found.Body, message.MaxShown), Others: others, Trace: trace,
	}}, nil
}

func (o *Operations) find(ctx context.Context, in *EventParams) (eventlog.Head, []string, error) {
	q, err := in.query()
	if err != nil {
		return eventlog.Head{}, nil, err
	}
	return o.archive.Find(ctx, in.ID, q)
}

const typeBytes = "application/octet-stream"

// bodyOutput keeps a browser from doing anything with the bytes but saving them: their sender chose them.
type bodyOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (o *Operations) getEventBody(ctx context.Context, in *EventParams) (*bodyOutput, error) {
	found, _, err := o.find(ctx, in)
	if err == nil {
		err = o.bus.EventLog().Complete(ctx, &found.Event)
	}
	if err != nil {
		return nil, err
	}
	return &bodyOutput{ContentType: typeBytes, Disposition: "attachment", Policy: "default-src 'none'; sandbox", Body: found.Body}, nil
}
