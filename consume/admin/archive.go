package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
	"jethook/publish/eventlog"
	"jethook/publish/failure"
	"jethook/publish/query"
)

func (s *Server) archiveRoutes() {
	const one = "/api/v1/events/{id}"
	register(s, huma.Operation{
		OperationID: "list-events", Method: http.MethodGet, Path: "/api/v1/events", Tags: []string{"events"},
		Summary:     "List stored events",
		Description: "Newest first, by the time they were stored, without bodies.",
	}, requestTimeout, s.listEvents)
	register(s, huma.Operation{
		OperationID: "get-event", Method: http.MethodGet, Path: one, Tags: []string{"events"},
		Summary: "Get an event, its deliveries, and its attempts",
		Description: "Returns the body, the stored headers, the deliveries, and the attempts. If several events have the id, the newest is returned. " +
			"The search runs backward from the newest event for at most 5 s; narrow it with subject, since, and " +
			"until. An id of the form STREAM-SEQUENCE needs no search.",
		Errors: []int{http.StatusNotFound},
	}, requestTimeout, s.getEvent)
	register(s, huma.Operation{
		OperationID: "get-event-body", Method: http.MethodGet, Path: one + "/body", Tags: []string{"events"},
		Summary: "Get an event's exact body",
		Description: "Returned as application/octet-stream, so that no browser runs it; " +
			"the event's content_type is the sender's.",
		Errors: []int{http.StatusNotFound},
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			typeBytes: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}},
	}, requestTimeout, s.getEventBody)
}

// SpanParams choose events.
type SpanParams struct {
	Subject string `query:"subject" doc:"a subject pattern; default: all webhooks and events, but not jethook.ops.>" example:"webhooks.polar.>"`
	Since   string `query:"since" doc:"only events stored since a time (RFC 3339), or within a period, such as 24h" example:"24h"`
	Until   string `query:"until" doc:"only events stored before a time (RFC 3339), or longer ago than a period" example:"2026-01-02T15:04:05Z"`
}

// query returns the events that are chosen, or what is wrong with the choice.
func (p *SpanParams) query() (archive.Query, error) {
	var times deliveries.Query
	f := FilterParams{Since: p.Since, Until: p.Until}
	fields := f.apply(&times, time.Now())
	if _, err := query.EventsOn(p.Subject); err != nil {
		fields = append(fields, FailureField{Field: "subject", Message: err.Error()})
	}
	if len(fields) > 0 {
		return archive.Query{}, invalid(fields...)
	}
	return archive.Query{Subject: p.Subject, Since: times.Since, Until: times.Until}, nil
}

// ParseTime reads a time as the API's parameters give it: in RFC 3339, or how long before now; nothing is the zero
// time.
func ParseTime(text string, now time.Time) (t time.Time, ok bool) { return parseTime(text, now) }

type listEventsInput struct {
	PageParams
	SpanParams
}

// EventPage is one page of a list of events.
type EventPage struct {
	Items      []archive.StoredEvent `json:"items"`
	NextCursor string                `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

type eventsOutput struct{ Body EventPage }

func (s *Server) listEvents(ctx context.Context, in *listEventsInput) (*eventsOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	mark := mark("events", in.SpanParams)
	var ok bool
	if q.Cursor, ok = openCursor(in.Cursor, mark); !ok {
		return nil, invalid(badCursor)
	}
	q.Limit = in.Limit
	items, next, err := s.archive.List(ctx, q)
	if errors.Is(err, paging.ErrBadCursor) {
		return nil, invalid(badCursor)
	}
	if err != nil {
		return nil, err
	}
	return &eventsOutput{EventPage{Items: items, NextCursor: sealCursor(next, mark)}}, nil
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
	EventBody
	Others []string `json:"others,omitempty" doc:"subjects of other events with this id that the search found; pass one as subject to get that event"`
	archive.Trace
}

// EventBody is the body of an event in a form that fits into JSON.
type EventBody struct {
	Text      string `json:"body,omitempty" doc:"the body, if it is UTF-8"`
	Base64    string `json:"body_base64,omitempty" doc:"the body in base64, if it is not UTF-8"`
	Truncated bool   `json:"body_truncated,omitempty" doc:"only the first 1 MiB is shown; /body returns all of it"`
}

type eventOutput struct{ Body EventDetail }

func (s *Server) getEvent(ctx context.Context, in *EventParams) (*eventOutput, error) {
	found, others, err := s.find(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.bus.EventLog().Complete(ctx, &found.Event); err != nil && !errors.Is(err, failure.ErrBodyGone) { // the rest is worth showing
		return nil, err
	}
	trace, err := s.archive.Trace(ctx, &found)
	if err != nil {
		return nil, err
	}
	return &eventOutput{EventDetail{
		StoredEvent: archive.Describe(&found), Headers: found.Header, EventBody: ShowBody(found.Body, maxShown), Others: others, Trace: trace,
	}}, nil
}

func (s *Server) find(ctx context.Context, in *EventParams) (eventlog.Head, []string, error) {
	q, err := in.query()
	if err != nil {
		return eventlog.Head{}, nil, err
	}
	return s.archive.Find(ctx, in.ID, q)
}

// maxShown is how many bytes of a body are shown in JSON.
const maxShown = 1 << 20

// ShowBody returns the first bytes of a body, at most so many.
func ShowBody(body []byte, most int) (b EventBody) {
	text := utf8.Valid(body)
	if b.Truncated = len(body) > most; b.Truncated {
		body = body[:most]
		for text && !utf8.Valid(body) { // not within a character
			body = body[:len(body)-1]
		}
	}
	if text {
		b.Text = string(body)
	} else {
		b.Base64 = base64.StdEncoding.EncodeToString(body)
	}
	return b
}

const typeBytes = "application/octet-stream"

// bodyOutput keeps a browser from doing anything with the bytes but saving them: their sender chose them.
type bodyOutput struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (s *Server) getEventBody(ctx context.Context, in *EventParams) (*bodyOutput, error) {
	found, _, err := s.find(ctx, in)
	if err == nil {
		err = s.bus.EventLog().Complete(ctx, &found.Event)
	}
	if err != nil {
		return nil, err
	}
	return &bodyOutput{ContentType: typeBytes, Disposition: "attachment", Policy: "default-src 'none'; sandbox", Body: found.Body}, nil
}

// unescapeParams gives a handler the id that the client escaped: echo leaves a path's parameters as they came when one
// of them holds an escaped slash.
func unescapeParams(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().URL.RawPath == "" {
			return next(c)
		}
		values := c.ParamValues()
		for i, value := range values {
			var err error
			if values[i], err = url.PathUnescape(value); err != nil {
				return echo.ErrNotFound
			}
		}
		return next(c)
	}
}
