package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish/event"
)

func (s *Server) attemptRoutes() {
	register(s, huma.Operation{
		OperationID: "list-attempts", Method: http.MethodGet, Path: "/api/v1/attempts", Tags: []string{"deliveries"},
		Summary: "List attempts",
		Description: "The history of attempts, and of circuits that opened and closed, newest first. A page may be short or empty although more follow; " +
			"continue while next_cursor is not empty. The filters endpoint, outcome, class, " +
			"code, since, and until use an index; the others scan the remaining entries.",
	}, requestTimeout, s.listAttempts)
}

// TraitParams choose by what an attempt was of and came to. They are exported because huma passes over embedded
// types that are not.
type TraitParams struct {
	Event string `query:"event" doc:"an event's id"`
	Type  string `query:"type" doc:"an event type, or a pattern, in which * matches one part between dots and > matches the rest" example:"order.*"`
	Class string `query:"class" enum:"ok,status,redirect,dns,address_refused,connection_refused,unreachable,connection_reset,tls,refused,timeout,bad_response,request,circuit_open,poison,proxy,none" doc:"class of failure of the attempt"`
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
	Items      []history.Attempt `json:"items"`
	NextCursor string            `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

type attemptsOutput struct{ Body AttemptPage }

func (s *Server) listAttempts(ctx context.Context, in *listAttemptsInput) (*attemptsOutput, error) {
	var q deliveries.Query
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
	items, next, err := s.ledger.Attempts(ctx, deliveries.AttemptQuery{
		Endpoint: q.Endpoint, Delivery: in.Delivery, EventID: q.EventID, Outcome: history.Outcome(in.Outcome),
		Class: q.Class, Status: q.Code, Type: q.Type, Since: q.Since, Until: q.Until, Limit: in.Limit, Cursor: cursor,
	})
	if errors.Is(err, paging.ErrBadCursor) {
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
func (p *TraitParams) apply(q *deliveries.Query) (fields []FailureField) {
	if event.CleanID(p.Event) != p.Event {
		fields = append(fields, FailureField{Field: "event", Message: "is not an event's id"})
	}
	if !validPattern(p.Type) {
		fields = append(fields, FailureField{
			Field: "type", Message: "must be an event type, or a pattern such as order.* or order.>; wildcards stand alone between dots, and > only at the end",
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
	deliveries.Delivery
	History    []history.Attempt `json:"history" doc:"its attempts, newest first"`
	NextCursor string            `json:"next_cursor" doc:"cursor for GET /api/v1/attempts?delivery=... to list more attempts; empty if there are none"`
}

type deliveryOutput struct{ Body DeliveryReport }

func (s *Server) getDelivery(ctx context.Context, in *deliveryInput) (*deliveryOutput, error) {
	if !deliveryID.MatchString(in.ID) {
		return nil, deliveries.ErrNotFound
	}
	d, err := s.ledger.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	history, next, err := s.ledger.History(ctx, &d, historyLimit)
	if err != nil {
		return nil, err
	}
	next = sealCursor(next, attemptMark(&listAttemptsInput{Delivery: in.ID}))
	return &deliveryOutput{DeliveryReport{Delivery: d, History: history, NextCursor: next}}, nil
}

// historyLimit is how many attempts are shown with a delivery: more than a schedule has.
const historyLimit = 50
