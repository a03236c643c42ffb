package admin

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume"
)

func (s *Server) recoveryRoutes() {
	const list, one = "/api/v1/recoveries", "/api/v1/recoveries/{id}"
	tags := []string{"recoveries"}
	register(s, huma.Operation{
		OperationID: "recover-endpoint", Method: http.MethodPost, Path: "/api/v1/endpoints/{id}/recover", Tags: tags,
		Summary: "Redeliver what an endpoint failed or missed",
		Description: "Of the events of a time: its dead letters are replayed, its waiting retries are due now, and what matches it, " +
			"was published since it exists and left no trace is sent, all at the pace that the endpoint takes. What its history says was delivered " +
			"is not sent again; lines that the history has dropped can't tell. With dry_run nothing is changed: the answer, 200, says how many there are.",
		DefaultStatus: http.StatusAccepted,
		Responses: map[string]*huma.Response{"200": {Description: "Of a dry run.", Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[consume.Recovery](), true, "")},
		}}},
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, bulkTimeout, s.recoverEndpoint)
	register(s, huma.Operation{
		OperationID: "list-recoveries", Method: http.MethodGet, Path: list, Tags: tags, Summary: "List recoveries",
		Description: "The newest first. Those that ended are kept for 7 days.",
	}, requestTimeout, s.listRecoveries)
	register(s, huma.Operation{
		OperationID: "get-recovery", Method: http.MethodGet, Path: one, Tags: tags, Summary: "Read a recovery",
		Description: "How far it is. One that ended is kept for 7 days.",
		Errors:      []int{http.StatusNotFound},
	}, requestTimeout, s.getRecovery)
	register(s, huma.Operation{
		OperationID: "cancel-recovery", Method: http.MethodDelete, Path: one, Tags: tags, Summary: "Cancel a recovery",
		Description: "What it made due is still delivered. One that has ended stays as it is.", DefaultStatus: http.StatusOK,
		Errors: []int{http.StatusNotFound},
	}, requestTimeout, s.cancelRecovery)
}

// RecoverRequest chooses what is redelivered.
type RecoverRequest struct {
	Since   string `json:"since,omitempty" doc:"events since this time (RFC 3339), or of so long, such as 24h; absent: all that are stored" example:"24h"`
	Until   string `json:"until,omitempty" doc:"events before this time (RFC 3339), or how long ago; absent: until now" example:"2026-01-02T15:04:05Z"`
	Missing bool   `json:"missing,omitempty" doc:"also events from before the endpoint was created"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"only count"`
}

type recoverInput struct {
	EndpointParam
	Body RecoverRequest
}

type recoverOutput struct {
	Status int
	Body   consume.Recovery
}

func (s *Server) recoverEndpoint(ctx context.Context, in *recoverInput) (*recoverOutput, error) {
	var q consume.Query
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
	Items      []consume.Recovery `json:"items"`
	NextCursor string             `json:"next_cursor" doc:"always empty: there is one page"`
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

type recoveryOutput struct{ Body consume.Recovery }

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
	s.log.Info("recovery cancelled", "recovery", rec.ID, "endpoint", rec.Endpoint)
	return &recoveryOutput{rec}, nil
}

// recoveryFailure is the answer for an endpoint that has a recovery already; nil for other errors.
func recoveryFailure(err error) *Failure {
	if running, ok := errors.AsType[*consume.RecoveringError](err); ok {
		return newFailure(http.StatusConflict, "recovering", running.Error())
	}
	return nil
}
