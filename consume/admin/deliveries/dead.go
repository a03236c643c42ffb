package deliveries

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/deliveries"
)

func (o *Operations) deadRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "list-dead", Method: http.MethodGet, Path: "/api/v1/dead", Tags: []string{"dead letters"},
		Summary: "List dead letters",
		Description: "Deliveries that failed permanently, newest first. A page may be short or empty although more follow; " +
			"continue while next_cursor is not empty.",
	}, operation.Timeout, o.listDead)
	const bulk = "Select dead letters by ids, or else by endpoint, since, until, and reason. One request handles as many as it " +
		"can in a few seconds; continue with cursor while next_cursor is not empty. An interrupted request can be repeated. "
	operation.Register(o.api, huma.Operation{
		OperationID: "replay-dead", Method: http.MethodPost, Path: "/api/v1/dead/replay", Tags: []string{"dead letters"},
		Summary:       "Deliver dead letters again",
		Description:   bulk + "Without filters, all are replayed. Each starts a new retry schedule now.",
		DefaultStatus: http.StatusAccepted,
	}, operation.BulkTimeout, o.replayDead)
	operation.Register(o.api, huma.Operation{
		OperationID: "remove-dead", Method: http.MethodPost, Path: "/api/v1/dead/remove", Tags: []string{"dead letters"},
		Summary:     "Remove dead letters permanently",
		Description: bulk + "Without filters, all must be true.",
	}, operation.BulkTimeout, o.removeDead)
	operation.Register(o.api, huma.Operation{
		OperationID: "remove-dead-letter", Method: http.MethodDelete, Path: "/api/v1/dead/{id}", Tags: []string{"dead letters"},
		Summary:     "Remove a dead letter permanently",
		Description: "The event stays in its stream, and deliveries to other endpoints are not affected.",
		Errors:      []int{http.StatusNotFound},
	}, operation.Timeout, o.removeDeadLetter)
}

// errNotDead means that no dead letter has the id.
var errNotDead = operation.NewFailure(http.StatusNotFound, "not_found", "no such delivery is dead")

type listDeadInput struct {
	operation.PageParams
	FilterParams
	Reason string `query:"reason" maxLength:"512" doc:"text that the reason contains, ignoring case" example:"answered 503"`
}

func (o *Operations) listDead(ctx context.Context, in *listDeadInput) (*operation.Answer[DeliveryPage], error) {
	return o.list(ctx, in.PageParams, in.FilterParams, deliveries.Query{Status: deliveries.StatusDead, Reason: in.Reason})
}

// DeadChoice chooses dead letters.
type DeadChoice struct {
	IDs      []string `json:"ids,omitempty" minItems:"1" maxItems:"1000" doc:"ids of deliveries; those that are not dead are ignored"`
	Endpoint string   `json:"endpoint,omitempty" doc:"an endpoint's id"`
	Since    string   `json:"since,omitempty" doc:"only those dead since a time (RFC 3339), or for at most a period, such as 24h" example:"24h"`
	Until    string   `json:"until,omitempty" doc:"only those dead before a time (RFC 3339), or for longer than a period" example:"2026-01-02T15:04:05Z"`
	Reason   string   `json:"reason,omitempty" maxLength:"512" doc:"text that the reason contains, ignoring case" example:"answered 503"`
	Cursor   string   `json:"cursor,omitempty" doc:"next_cursor of the previous response"`
}

// query checks the choice; a query without ids chooses by its fields.
func (c *DeadChoice) query() (deliveries.DeadQuery, error) {
	var q deliveries.Query
	f := FilterParams{Endpoint: c.Endpoint, Since: c.Since, Until: c.Until}
	fields := f.apply(&q)
	if len(c.IDs) > 0 && (f != (FilterParams{}) || c.Reason != "" || c.Cursor != "") {
		fields = append(fields, operation.FailureField{Field: "ids", Message: "can't be combined with endpoint, since, until, reason or cursor"})
	}
	for i, id := range c.IDs {
		if !operation.DeliveryID.MatchString(id) {
			fields = append(fields, operation.FailureField{Field: fmt.Sprintf("ids[%d]", i), Message: "is not a delivery's id"})
		}
	}
	if len(fields) > 0 {
		return deliveries.DeadQuery{}, operation.Invalid(fields...)
	}
	return deliveries.DeadQuery{Endpoint: q.Endpoint, Since: q.Since, Until: q.Until, Reason: c.Reason, Cursor: c.Cursor}, nil
}

// ReplayRequest chooses dead letters to be delivered again.
type ReplayRequest struct{ DeadChoice }

type replayInput struct{ Body ReplayRequest }

// Replayed answers a replay.
type Replayed struct {
	Replayed   int    `json:"replayed" doc:"number of dead letters replayed"`
	NextCursor string `json:"next_cursor" doc:"cursor for the next request; empty when all are done"`
}

func (o *Operations) replayDead(ctx context.Context, in *replayInput) (*operation.Answer[Replayed], error) {
	n, next, err := o.inBulk(ctx, &in.Body.DeadChoice, o.ledger.Replay, o.ledger.ReplaySome)
	if err != nil {
		return nil, err
	}
	o.log.Info("dead letters replayed", "count", n)
	return &operation.Answer[Replayed]{Body: Replayed{Replayed: n, NextCursor: next}}, nil
}

// inBulk does something with the dead letters that c chooses.
func (o *Operations) inBulk(
	ctx context.Context, c *DeadChoice, named func(context.Context, []string) (int, error),
	some func(context.Context, deliveries.DeadQuery) (int, string, error),
) (n int, next string, err error) {
	q, err := c.query()
	if err != nil {
		return 0, "", err
	}
	if len(c.IDs) > 0 {
		n, err = named(ctx, c.IDs)
		return n, "", err
	}
	return some(ctx, q)
}

// RemoveRequest chooses dead letters to be removed.
type RemoveRequest struct {
	DeadChoice
	All bool `json:"all,omitempty" doc:"all dead letters"`
}

type removeInput struct{ Body RemoveRequest }

// Removed answers a removal.
type Removed struct {
	Removed    int    `json:"removed" doc:"number of dead letters removed"`
	NextCursor string `json:"next_cursor" doc:"cursor for the next request; empty when all are done"`
}

func (o *Operations) removeDead(ctx context.Context, in *removeInput) (*operation.Answer[Removed], error) {
	c := in.Body.DeadChoice
	chosen := len(c.IDs) > 0 || c.Endpoint != "" || c.Since != "" || c.Until != "" || c.Reason != ""
	if chosen == in.Body.All {
		return nil, operation.Invalid(operation.FailureField{Field: "all", Message: "must be true to remove all dead letters, and only then"})
	}
	n, next, err := o.inBulk(ctx, &c, o.ledger.Remove, o.ledger.RemoveSome)
	if err != nil {
		return nil, err
	}
	o.log.Info("dead letters removed", "count", n)
	return &operation.Answer[Removed]{Body: Removed{Removed: n, NextCursor: next}}, nil
}

type deadLetterInput struct {
	ID string `path:"id" doc:"the delivery's id"`
}

func (o *Operations) removeDeadLetter(ctx context.Context, in *deadLetterInput) (*struct{}, error) {
	if !operation.DeliveryID.MatchString(in.ID) {
		return nil, errNotDead
	}
	n, err := o.ledger.Remove(ctx, []string{in.ID})
	if err == nil && n == 0 {
		err = errNotDead
	}
	return nil, err
}
