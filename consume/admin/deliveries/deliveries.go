// Package deliveries is the admin API's operations on deliveries: on all of them, on the attempts that they took, and on those
// that are dead. Type names are those of the OpenAPI document.
package deliveries

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/consume/registry"
)

// Operations are those on deliveries.
type Operations struct {
	api      *operation.API
	registry *registry.Registry // nil in a process that keeps none
	ledger   *deliveries.Store
	log      *slog.Logger
}

// New returns the operations, without routes.
func New(api *operation.API, ledger *deliveries.Store) *Operations {
	return &Operations{api: api, registry: api.Registry, ledger: ledger, log: api.Log}
}

// Routes registers the operations.
func (o *Operations) Routes() {
	o.deliveryRoutes()
	o.attemptRoutes()
	o.deadRoutes()
}

func (o *Operations) deliveryRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "list-deliveries", Method: http.MethodGet, Path: "/api/v1/deliveries", Tags: []string{"deliveries"},
		Summary: "List deliveries",
		Description: "Newest first. A page may be short or empty although more follow; " +
			"continue while next_cursor is not empty.",
	}, operation.Timeout, o.listDeliveries)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-delivery", Method: http.MethodGet, Path: "/api/v1/deliveries/{id}", Tags: []string{"deliveries"},
		Summary:     "Get a delivery",
		Description: "Returns its state, and its attempts that are still in the history.",
		Errors:      []int{http.StatusNotFound},
	}, operation.Timeout, o.getDelivery)
	operation.Register(o.api, huma.Operation{
		OperationID: "retry-delivery", Method: http.MethodPost, Path: "/api/v1/deliveries/{id}/retry", Tags: []string{"deliveries"},
		Summary: "Attempt a delivery now",
		Description: "If this attempt fails, a waiting delivery continues with its schedule, and " +
			"a dead one starts a new schedule. If the endpoint lags behind, this event is attempted before the others. " +
			"A delivery to an ordered endpoint keeps its turn (in_order). Two concurrent requests make one attempt.",
		DefaultStatus: http.StatusAccepted,
		Errors:        []int{http.StatusNotFound, http.StatusConflict},
	}, operation.Timeout, o.retryDelivery)
}

// FilterParams choose deliveries.
type FilterParams struct {
	Endpoint string `query:"endpoint" doc:"an endpoint's id"`
	Since    string `query:"since" doc:"a time (RFC 3339), or a period before now, such as 24h" example:"24h"`
	Until    string `query:"until" doc:"a time (RFC 3339), or a period before now; exclusive" example:"2026-01-02T15:04:05Z"`
}

// apply checks the filter and adds it to q.
func (f *FilterParams) apply(q *deliveries.Query) (fields []operation.FailureField) {
	var wrong []operation.FailureField
	q.Endpoint = f.Endpoint
	q.Since, q.Until, wrong = operation.Times(f.Since, f.Until)
	return append(operation.CheckEndpoint(f.Endpoint), wrong...)
}

type listDeliveriesInput struct {
	operation.PageParams
	FilterParams
	TraitParams
	Status string `query:"status" enum:"delivered,waiting,dead"`
}

// DeliveryPage is one page of a list of deliveries.
type DeliveryPage struct {
	Items      []deliveries.Delivery `json:"items"`
	NextCursor string                `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

func (o *Operations) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*operation.Answer[DeliveryPage], error) {
	q := deliveries.Query{Status: deliveries.Status(in.Status)}
	if fields := in.TraitParams.apply(&q); len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	return o.list(ctx, in.PageParams, in.FilterParams, q)
}

func (o *Operations) list(ctx context.Context, p operation.PageParams, f FilterParams, q deliveries.Query) (*operation.Answer[DeliveryPage], error) {
	mark := operation.Mark("deliveries", f, q)
	fields := f.apply(&q)
	items, next, err := operation.Page(p.Cursor, mark, fields, func(cursor string) ([]deliveries.Delivery, string, error) {
		q.Limit, q.Cursor = p.Limit, cursor
		return o.ledger.List(ctx, q)
	})
	if err != nil {
		return nil, err
	}
	return &operation.Answer[DeliveryPage]{Body: DeliveryPage{Items: items, NextCursor: next}}, nil
}

type retryInput struct {
	ID string `path:"id" doc:"the delivery's id"`
}

// RetriedDelivery answers a retry.
type RetriedDelivery struct {
	ID string `json:"id" doc:"the delivery that is being attempted"`
}

// mayDeliver refuses what could only wait on: a retry while the endpoint is disabled.
func (o *Operations) mayDeliver(delivery string) error {
	if o.registry == nil {
		return nil
	}
	id, _, _ := strings.Cut(delivery, ".")
	if e, ok := o.registry.Lookup(id); ok && e.Disabled {
		return operation.ErrDisabled
	}
	return nil
}

func (o *Operations) retryDelivery(ctx context.Context, in *retryInput) (*operation.Answer[RetriedDelivery], error) {
	if !operation.DeliveryID.MatchString(in.ID) {
		return nil, deliveries.ErrNoDelivery
	}
	if err := o.mayDeliver(in.ID); err != nil {
		return nil, err
	}
	if err := o.ledger.Retry(ctx, in.ID); err != nil {
		return nil, err
	}
	return &operation.Answer[RetriedDelivery]{Body: RetriedDelivery{ID: in.ID}}, nil
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

func (o *Operations) getDelivery(ctx context.Context, in *deliveryInput) (*operation.Answer[DeliveryReport], error) {
	if !operation.DeliveryID.MatchString(in.ID) {
		return nil, deliveries.ErrNotFound
	}
	d, err := o.ledger.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	history, next, err := o.ledger.History(ctx, &d, historyLimit)
	if err != nil {
		return nil, err
	}
	next = operation.SealCursor(next, attemptMark(&listAttemptsInput{Delivery: in.ID}))
	return &operation.Answer[DeliveryReport]{Body: DeliveryReport{Delivery: d, History: history, NextCursor: next}}, nil
}

// historyLimit is how many attempts are shown with a delivery: more than a schedule has.
const historyLimit = 50
