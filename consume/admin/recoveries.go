package admin

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/deliveries"
	"jethook/consume/recovery"
)

func (s *Server) recoveryRoutes() {
	const list, one = "/api/v1/recoveries", "/api/v1/recoveries/{id}"
	tags := []string{"recoveries"}
	register(s, huma.Operation{
		OperationID: "recover-endpoint", Method: http.MethodPost, Path: "/api/v1/endpoints/{id}/recover", Tags: tags,
		Summary: "Redeliver events that an endpoint failed or missed",
		Description: "For the events of a period, replays dead letters, attempts waiting retries now, and sends matching events that were published since the endpoint " +
			"was created and have no delivery, all at the endpoint's pace. Events that the history shows as delivered " +
			"are not sent again, as long as the history is kept. With dry_run nothing is changed, and the response, 200, contains the counts.",
		DefaultStatus: http.StatusAccepted,
		Responses: map[string]*huma.Response{"200": {Description: "Result of a dry run.", Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[recovery.Recovery](), true, "")},
		}}},
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, bulkTimeout, s.recoverEndpoint)
	register(s, huma.Operation{
		OperationID: "list-recoveries", Method: http.MethodGet, Path: list, Tags: tags, Summary: "List recoveries",
		Description: "Newest first. Finished recoveries are kept for 7 days.",
	}, requestTimeout, s.listRecoveries)
	register(s, huma.Operation{
		OperationID: "get-recovery", Method: http.MethodGet, Path: one, Tags: tags, Summary: "Get a recovery",
		Description: "Returns its progress. Finished recoveries are kept for 7 days.",
		Errors:      []int{http.StatusNotFound},
	}, requestTimeout, s.getRecovery)
	register(s, huma.Operation{
		OperationID: "cancel-recovery", Method: http.MethodDelete, Path: one, Tags: tags, Summary: "Cancel a recovery",
		Description: "Deliveries that it has already scheduled continue. A finished recovery is not changed.", DefaultStatus: http.StatusOK,
		Errors: []int{http.StatusNotFound},
	}, requestTimeout, s.cancelRecovery)
}

// RecoverRequest chooses what is redelivered.
type RecoverRequest struct {
	Since   string `json:"since,omitempty" doc:"only events since this time (RFC 3339), or from the last period, such as 24h; absent: all stored events" example:"24h"`
	Until   string `json:"until,omitempty" doc:"only events before this time (RFC 3339), or older than a period; absent: until now" example:"2026-01-02T15:04:05Z"`
	Missing bool   `json:"missing,omitempty" doc:"include events from before the endpoint was created"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"only count"`
}

type recoverInput struct {
	EndpointParam
	Body RecoverRequest
}

type recoverOutput struct {
	Status int
	Body   recovery.Recovery
}

func (s *Server) recoverEndpoint(ctx context.Context, in *recoverInput) (*recoverOutput, error) {
	var q deliveries.Query
	f := FilterParams{Since: in.Body.Since, Until: in.Body.Until}
	fields := f.apply(&q, time.Now())
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		fields = append(fields, FailureField{Field: "until", Message: "must be after since"})
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	e, err := s.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.DryRun {
		counted, err := s.recoveries.Count(ctx, &e, q.Since, q.Until, in.Body.Missing)
		return &recoverOutput{http.StatusOK, counted}, err
	}
	if e.Disabled {
		return nil, errDisabled
	}
	rec, err := s.recoveries.Start(ctx, &e, q.Since, q.Until, in.Body.Missing)
	if err != nil {
		return nil, err
	}
	s.log.Info("recovery started", "recovery", rec.ID, "endpoint", e.ID, "since", rec.Since, "until", rec.Until, "missing", rec.Missing)
	return &recoverOutput{http.StatusAccepted, rec}, nil
}

// RecoveryPage is the list of recoveries, which has one page.
type RecoveryPage struct {
	Items      []recovery.Recovery `json:"items"`
	NextCursor string              `json:"next_cursor" doc:"always empty: there is one page"`
}

type recoveriesOutput struct{ Body RecoveryPage }

func (s *Server) listRecoveries(ctx context.Context, _ *struct{}) (*recoveriesOutput, error) {
	all, err := s.recoveries.List(ctx)
	if err != nil {
		return nil, err
	}
	return &recoveriesOutput{RecoveryPage{Items: all}}, nil
}

// RecoveryParam names a recovery.
type RecoveryParam struct {
	ID string `path:"id" doc:"the recovery's id"`
}

type recoveryOutput struct{ Body recovery.Recovery }

func (s *Server) getRecovery(ctx context.Context, in *RecoveryParam) (*recoveryOutput, error) {
	rec, err := s.recoveries.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &recoveryOutput{rec}, nil
}

func (s *Server) cancelRecovery(ctx context.Context, in *RecoveryParam) (*recoveryOutput, error) {
	rec, err := s.recoveries.Cancel(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.log.Info("recovery canceled", "recovery", rec.ID, "endpoint", rec.Endpoint)
	return &recoveryOutput{rec}, nil
}

// recoveryFailure is the answer for an endpoint that has a recovery already; nil for other errors.
func recoveryFailure(err error) *Failure {
	if running, ok := errors.AsType[*recovery.RunningError](err); ok {
		return newFailure(http.StatusConflict, "recovering", running.Error())
	}
	return nil
}
