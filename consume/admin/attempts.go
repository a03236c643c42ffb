package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume"
	"jethook/consume/attempt"
	"jethook/publish"
)

func (s *Server) attemptRoutes() {
	register(s, huma.Operation{
		OperationID: "list-attempts", Method: http.MethodGet, Path: "/api/v1/attempts", Tags: []string{"deliveries"},
		Summary: "List attempts",
		Description: "The history: every attempt, and each opening and closing of an endpoint's circuit, newest first. A page may be " +
			"short, or even empty, and still have a next one: go on while next_cursor is not empty. By endpoint, outcome, class, " +
			"code, since and until it is found without reading the rest; the other filters read what these leave.",
	}, requestTimeout, s.listAttempts)
}

// TraitParams choose by what an attempt was of and came to. They are exported because huma passes over embedded
// types that are not.
type TraitParams struct {
	Event string `query:"event" doc:"an event's id"`
	Type  string `query:"type" doc:"event types: one, or a pattern, where * stands for a part between dots and > for the rest" example:"order.*"`
	Class string `query:"class" enum:"ok,status,redirect,dns,address_refused,connection_refused,unreachable,connection_reset,tls,refused,timeout,bad_response,request,circuit_open,poison,none" doc:"kind of fault of the attempt"`
	Code  int    `query:"code" minimum:"100" maximum:"999" doc:"HTTP status of the attempt's response"`
}

type listAttemptsInput struct {
	PageParams
	FilterParams
	TraitParams
	Delivery string `query:"delivery" doc:"a delivery's id"`
	Outcome  string `query:"outcome" enum:"delivered,failed,deferred,dead,circuit_opened,circuit_closed,missed"`
}

// AttemptPage is one page of the history.
type AttemptPage struct {
	Items      []consume.Attempt `json:"items"`
	NextCursor string            `json:"next_cursor" doc:"of the next page; empty when there is none"`
}

type attemptsOutput struct{ Body AttemptPage }

func (s *Server) listAttempts(ctx context.Context, in *listAttemptsInput) (*attemptsOutput, error) {
	var q consume.Query
	fields := append(in.FilterParams.apply(&q, time.Now()), in.TraitParams.apply(&q)...)
	if in.Delivery != "" && !deliveryID.MatchString(in.Delivery) {
		fields = append(fields, FailureField{Field: "delivery", Message: "is not a delivery's id"})
	}
	mark := attemptMark(in)
	cursor, ok := openCursor(in.Cursor, mark)
	if !ok {
		fields = append(fields, badCursor)
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	items, next, err := s.ledger.Attempts(ctx, consume.AttemptQuery{
		Endpoint: q.Endpoint, Delivery: in.Delivery, EventID: q.EventID, Outcome: consume.Outcome(in.Outcome),
		Class: q.Class, Status: q.Code, Type: q.Type, Since: q.Since, Until: q.Until, Limit: in.Limit, Cursor: cursor,
	})
	if errors.Is(err, consume.ErrBadCursor) {
		return nil, invalid(badCursor)
	}
	if err != nil {
		return nil, err
	}
	return &attemptsOutput{AttemptPage{Items: items, NextCursor: sealCursor(next, mark)}}, nil
}

func attemptMark(in *listAttemptsInput) string {
	return mark("attempts", in.FilterParams, in.TraitParams, in.Delivery, in.Outcome)
}

// apply checks the filter and adds it to q.
func (p *TraitParams) apply(q *consume.Query) (fields []FailureField) {
	if publish.CleanID(p.Event) != p.Event {
		fields = append(fields, FailureField{Field: "event", Message: "is not an event's id"})
	}
	if !validPattern(p.Type) {
		fields = append(fields, FailureField{
			Field: "type", Message: "must be an event type, or a pattern such as order.* or order.>: * and > stand alone between dots, > at the end",
		})
	}
	q.EventID, q.Type, q.Class, q.Code = p.Event, p.Type, attempt.Class(p.Class), p.Code
	return fields
}

// validPattern reports whether the wildcards of a pattern, if it has any, stand where they mean something.
func validPattern(pattern string) bool {
	parts := strings.Split(pattern, ".")
	for i, part := range parts {
		alone := part == "*" || part == ">" && i == len(parts)-1
		if !alone && strings.ContainsAny(part, "*>") {
			return false
		}
	}
	return true
}

type deliveryInput struct {
	ID string `path:"id" doc:"the delivery's id"`
}

// DeliveryReport is a delivery with its attempts.
type DeliveryReport struct {
	consume.Delivery
	History    []consume.Attempt `json:"history" doc:"its attempts, the newest first"`
	NextCursor string            `json:"next_cursor" doc:"where GET /api/v1/attempts?delivery=... goes on with its attempts; empty when these are all"`
}

type deliveryOutput struct{ Body DeliveryReport }

func (s *Server) getDelivery(ctx context.Context, in *deliveryInput) (*deliveryOutput, error) {
	if !deliveryID.MatchString(in.ID) {
		return nil, consume.ErrNotFound
	}
	d, err := s.ledger.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	q := consume.AttemptQuery{Delivery: in.ID, Limit: historyLimit}
	if q.Since, q.Until, err = s.attemptedWithin(ctx, &d); err != nil {
		return nil, err
	}
	history, next, err := s.ledger.Attempts(ctx, q)
	if err != nil {
		return nil, err
	}
	next = sealCursor(next, attemptMark(&listAttemptsInput{Delivery: in.ID}))
	return &deliveryOutput{DeliveryReport{Delivery: d, History: history, NextCursor: next}}, nil
}

const (
	// recordTime is by how much the clock of a process may differ from the store's.
	recordTime = 5 * time.Minute
	// storeTime is by how much those of two servers of the store may.
	storeTime = 5 * time.Second
)

// attemptedWithin returns between which times the attempts at a delivery were recorded, as far as that is known: the history is
// long, and what one endpoint has in it lies far apart.
func (s *Server) attemptedWithin(ctx context.Context, d *consume.Delivery) (since, until time.Time, err error) {
	if d.Status != consume.StatusWaiting {
		until = d.At.Add(recordTime)
	}
	_, _, place, ok := publish.PlaceOf(d.ID)
	if !ok {
		return since, until, nil
	}
	e, err := s.bus.Read(ctx, d.Stream(), place)
	if errors.Is(err, publish.ErrNotFound) {
		return since, until, nil
	}
	if err == nil {
		since = e.Time.Add(-storeTime)
	}
	return since, until, err
}

// historyLimit is how many attempts are shown with a delivery: more than a schedule has.
const historyLimit = 50
