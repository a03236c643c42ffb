package deliveries

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/publish/event"
)

func (o *Operations) attemptRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "list-attempts", Method: http.MethodGet, Path: "/api/v1/attempts", Tags: []string{"deliveries"},
		Summary: "List attempts",
		Description: "The history of attempts, and of circuits that opened and closed, newest first. A page may be short or empty although more follow; " +
			"continue while next_cursor is not empty. The filters endpoint, outcome, class, " +
			"code, since, and until use an index; the others scan the remaining entries.",
	}, operation.Timeout, o.listAttempts)
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
	operation.PageParams
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

func (o *Operations) listAttempts(ctx context.Context, in *listAttemptsInput) (*operation.Answer[AttemptPage], error) {
	var q deliveries.Query
	fields := append(in.FilterParams.apply(&q), in.TraitParams.apply(&q)...)
	if in.Delivery != "" && !operation.DeliveryID.MatchString(in.Delivery) {
		fields = append(fields, operation.FailureField{Field: "delivery", Message: "is not a delivery's id"})
	}
	items, next, err := operation.Page(in.Cursor, attemptMark(in), fields, func(cursor string) ([]history.Attempt, string, error) {
		return o.ledger.Attempts(ctx, deliveries.AttemptQuery{
			Endpoint: q.Endpoint, Delivery: in.Delivery, EventID: q.EventID, Outcome: history.Outcome(in.Outcome),
			Class: q.Class, Status: q.Code, Type: q.Type, Since: q.Since, Until: q.Until, Limit: in.Limit, Cursor: cursor,
		})
	})
	if err != nil {
		return nil, err
	}
	return &operation.Answer[AttemptPage]{Body: AttemptPage{Items: items, NextCursor: next}}, nil
}

func attemptMark(in *listAttemptsInput) string {
	return operation.Mark("attempts", in.FilterParams, in.TraitParams, in.Delivery, in.Outcome)
}

// apply checks the filter and adds it to q.
func (p *TraitParams) apply(q *deliveries.Query) (fields []operation.FailureField) {
	if event.CleanID(p.Event) != p.Event {
		fields = append(fields, operation.FailureField{Field: "event", Message: "is not an event's id"})
	}
	if !validPattern(p.Type) {
		fields = append(fields, operation.FailureField{
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
