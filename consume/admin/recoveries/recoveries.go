// Package recoveries is the admin API's operations on recoveries, which redeliver what an endpoint failed or missed. Type names
// are those of the OpenAPI document.
package recoveries

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/recovery"
	"jethook/consume/registry"
)

// Operations are the operations on recoveries.
type Operations struct {
	api        *operation.API
	registry   *registry.Registry
	recoveries *recovery.Recoveries
	log        *slog.Logger
}

// New returns the operations on recoveries, without routes.
func New(api *operation.API) *Operations {
	return &Operations{api: api, registry: api.Registry, recoveries: recovery.New(api.Bus), log: api.Log}
}

// Routes registers the operations.
func (o *Operations) Routes() {
	const list, one = "/api/v1/recoveries", "/api/v1/recoveries/{id}"
	tags := []string{"recoveries"}
	operation.Register(o.api, huma.Operation{
		OperationID: "recover-endpoint", Method: http.MethodPost, Path: "/api/v1/endpoints/{id}/recover", Tags: tags,
		Summary: "Redeliver events that an endpoint failed or missed",
		Description: "For the events of a period, replays dead letters, attempts waiting retries now, and sends matching events that were published since the endpoint " +
			"was created and have no delivery, all at the endpoint's pace. Events that the history shows as delivered " +
			"are not sent again, as long as the history is kept. With dry_run nothing is changed, and the response, 200, contains the counts.",
		DefaultStatus: http.StatusAccepted,
		Responses: map[string]*huma.Response{"200": {Description: "Result of a dry run.", Content: map[string]*huma.MediaType{
			"application/json": {Schema: o.api.Huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[recovery.Recovery](), true, "")},
		}}},
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, operation.BulkTimeout, o.recoverEndpoint)
	operation.Register(o.api, huma.Operation{
		OperationID: "list-recoveries", Method: http.MethodGet, Path: list, Tags: tags, Summary: "List recoveries",
		Description: "Newest first. Finished recoveries are kept for 7 days.",
	}, operation.Timeout, o.listRecoveries)
	operation.Register(o.api, huma.Operation{
		OperationID: "get-recovery", Method: http.MethodGet, Path: one, Tags: tags, Summary: "Get a recovery",
		Description: "Returns its progress. Finished recoveries are kept for 7 days.",
		Errors:      []int{http.StatusNotFound},
	}, operation.Timeout, o.getRecovery)
	operation.Register(o.api, huma.Operation{
		OperationID: "cancel-recovery", Method: http.MethodDelete, Path: one, Tags: tags, Summary: "Cancel a recovery",
		Description: "Deliveries that it has already scheduled continue. A finished recovery is not changed.", DefaultStatus: http.StatusOK,
		Errors: []int{http.StatusNotFound},
	}, operation.Timeout, o.cancelRecovery)
}

// RecoverRequest chooses what is redelivered.
type RecoverRequest struct {
	Since   string `json:"since,omitempty" doc:"only events since this time (RFC 3339), or from the last period, such as 24h; absent: all stored events" example:"24h"`
	Until   string `json:"until,omitempty" doc:"only events before this time (RFC 3339), or older than a period; absent: until now" example:"2026-01-02T15:04:05Z"`
	Missing bool   `json:"missing,omitempty" doc:"include events from before the endpoint was created"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"only count"`
}

type recoverInput struct {
	operation.EndpointParam
	Body RecoverRequest
}

type recoverOutput struct {
	Status int
	Body   recovery.Recovery
}

func (o *Operations) recoverEndpoint(ctx context.Context, in *recoverInput) (*recoverOutput, error) {
	since, until, fields := operation.Times(in.Body.Since, in.Body.Until)
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		fields = append(fields, operation.FailureField{Field: "until", Message: "must be after since"})
	}
	if len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	e, err := o.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.DryRun {
		counted, err := o.recoveries.Count(ctx, &e, since, until, in.Body.Missing)
		return &recoverOutput{http.StatusOK, counted}, err
	}
	if e.Disabled {
		return nil, operation.ErrDisabled
	}
	rec, err := o.recoveries.Start(ctx, &e, since, until, in.Body.Missing)
	if err != nil {
		return nil, err
	}
	o.log.Info("recovery started", "recovery", rec.ID, "endpoint", e.ID, "since", rec.Since, "until", rec.Until, "missing", rec.Missing)
	return &recoverOutput{http.StatusAccepted, rec}, nil
}

// RecoveryPage is the list of recoveries, which has one page.
type RecoveryPage struct {
	Items      []recovery.Recovery `json:"items"`
	NextCursor string              `json:"next_cursor" doc:"always empty: there is one page"`
}

func (o *Operations) listRecoveries(ctx context.Context, _ *struct{}) (*operation.Answer[RecoveryPage], error) {
	all, err := o.recoveries.List(ctx)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[RecoveryPage]{Body: RecoveryPage{Items: all}}, nil
}

// RecoveryParam names a recovery.
type RecoveryParam struct {
	ID string `path:"id" doc:"the recovery's id"`
}

func (o *Operations) getRecovery(ctx context.Context, in *RecoveryParam) (*operation.Answer[recovery.Recovery], error) {
	rec, err := o.recoveries.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[recovery.Recovery]{Body: rec}, nil
}

func (o *Operations) cancelRecovery(ctx context.Context, in *RecoveryParam) (*operation.Answer[recovery.Recovery], error) {
	rec, err := o.recoveries.Cancel(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	o.log.Info("recovery canceled", "recovery", rec.ID, "endpoint", rec.Endpoint)
	return &operation.Answer[recovery.Recovery]{Body: rec}, nil
}

// Start is POST /api/v1/endpoints/{id}/recover, for a caller in the same process.
func (o *Operations) Start(ctx context.Context, id string, want RecoverRequest) (*recovery.Recovery, error) {
	in := &recoverInput{EndpointParam: operation.EndpointParam{ID: id}, Body: want}
	out, err := operation.Perform(ctx, o.api, "recover-endpoint", operation.BulkTimeout, in, o.recoverEndpoint)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// List is GET /api/v1/recoveries, for a caller in the same process.
func (o *Operations) List(ctx context.Context) ([]recovery.Recovery, error) {
	ctx, cancel := context.WithTimeout(ctx, operation.Timeout)
	defer cancel()
	return o.recoveries.List(ctx)
}

// Cancel is DELETE /api/v1/recoveries/{id}, for a caller in the same process.
func (o *Operations) Cancel(ctx context.Context, id string) error {
	_, err := operation.Call(ctx, o.api, "cancel-recovery", operation.Timeout, &RecoveryParam{id}, o.cancelRecovery)
	return err
}
