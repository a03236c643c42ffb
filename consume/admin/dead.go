package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume"
)

func (s *Server) deadRoutes() {
	register(s, huma.Operation{
		OperationID: "list-dead", Method: http.MethodGet, Path: "/api/v1/dead", Tags: []string{"dead letters"},
		Summary: "List dead letters",
		Description: "Deliveries that failed for good, newest first. A page may be short, or even empty, and still have " +
			"a next one: go on while next_cursor is not empty.",
	}, requestTimeout, s.listDead)
	register(s, huma.Operation{
		OperationID: "replay-dead", Method: http.MethodPost, Path: "/api/v1/dead/replay", Tags: []string{"dead letters"},
		Summary: "Deliver dead letters again",
		Description: "Those with the given ids; or else those that endpoint, since and until choose, and with none of them all. " +
			"Each begins a new schedule, now. Cut off half-way, asking again replays the rest.",
		DefaultStatus: http.StatusAccepted,
	}, replayTimeout, s.replayDead)
}

type listDeadInput struct {
	PageParams
	FilterParams
}

func (s *Server) listDead(ctx context.Context, in *listDeadInput) (*deliveriesOutput, error) {
	return s.list(ctx, in.PageParams, in.FilterParams, consume.Query{Status: consume.StatusDead})
}

// ReplayRequest chooses dead letters.
type ReplayRequest struct {
	IDs      []string `json:"ids,omitempty" minItems:"1" maxItems:"1000" doc:"ids of deliveries; those that are not dead are passed over"`
	Endpoint string   `json:"endpoint,omitempty" doc:"an endpoint's id"`
	Since    string   `json:"since,omitempty" doc:"dead since this time (RFC 3339), or for at most this long, such as 24h" example:"24h"`
	Until    string   `json:"until,omitempty" doc:"dead before this time (RFC 3339), or for longer than this" example:"2026-01-02T15:04:05Z"`
}

type replayInput struct{ Body ReplayRequest }

// Replayed answers a replay.
type Replayed struct {
	Replayed int `json:"replayed" doc:"how many dead letters are being delivered again"`
}

type replayOutput struct{ Body Replayed }

func (s *Server) replayDead(ctx context.Context, in *replayInput) (*replayOutput, error) {
	r := &in.Body
	var q consume.Query
	f := FilterParams{Endpoint: r.Endpoint, Since: r.Since, Until: r.Until}
	fields := f.apply(&q, time.Now())
	if len(r.IDs) > 0 && f != (FilterParams{}) {
		fields = append(fields, FailureField{Field: "ids", Message: "can't be combined with endpoint, since or until"})
	}
	for i, id := range r.IDs {
		if !deliveryID.MatchString(id) {
			fields = append(fields, FailureField{Field: fmt.Sprintf("ids[%d]", i), Message: "is not a delivery's id"})
		}
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	n, err := s.ledger.Replay(ctx, r.IDs, q)
	if err != nil {
		return nil, err
	}
	s.log.Info("dead letters replayed", "count", n)
	return &replayOutput{Replayed{Replayed: n}}, nil
}
