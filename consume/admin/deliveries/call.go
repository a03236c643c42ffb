package deliveries

import (
	"context"
	"slices"
	"strings"

	"jethook/consume/admin/operation"
	"jethook/consume/attempt"
)

// What follows is for callers in the same process; see [operation.Call].

// DeliveryFilter chooses deliveries as GET /api/v1/deliveries does.
type DeliveryFilter struct {
	operation.PageParams
	FilterParams
	TraitParams
	Status string
}

// statuses are the states of a delivery that can be chosen.
var statuses = []string{"", "delivered", "waiting", "dead"}

// List is GET /api/v1/deliveries.
func (o *Operations) List(ctx context.Context, f *DeliveryFilter) (*DeliveryPage, error) {
	var fields []operation.FailureField
	if !slices.Contains(statuses, f.Status) {
		fields = append(fields, operation.FailureField{Field: "status", Message: "must be delivered, waiting or dead"})
	}
	if f.Class != "" && !slices.Contains(attempt.Classes, attempt.Class(f.Class)) {
		fields = append(fields, operation.FailureField{Field: "class", Message: "is not a class of failure:" + joinClasses()})
	}
	if f.Code != 0 && (f.Code < 100 || f.Code > 999) {
		fields = append(fields, operation.FailureField{Field: "code", Message: "must be 100 to 999"})
	}
	if len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	in := &listDeliveriesInput{PageParams: f.PageParams, FilterParams: f.FilterParams, TraitParams: f.TraitParams, Status: f.Status}
	return operation.Call(ctx, o.api, "list-deliveries", operation.Timeout, in, o.listDeliveries)
}

func joinClasses() string {
	var names []string
	for _, c := range attempt.Classes {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// Get is GET /api/v1/deliveries/{id}.
func (o *Operations) Get(ctx context.Context, id string) (*DeliveryReport, error) {
	return operation.Call(ctx, o.api, "get-delivery", operation.Timeout, &deliveryInput{ID: id}, o.getDelivery)
}

// Retry is POST /api/v1/deliveries/{id}/retry.
func (o *Operations) Retry(ctx context.Context, id string) error {
	_, err := operation.Call(ctx, o.api, "retry-delivery", operation.Timeout, &retryInput{ID: id}, o.retryDelivery)
	return err
}

// DeadFilter chooses dead letters as GET /api/v1/dead does.
type DeadFilter struct {
	operation.PageParams
	FilterParams
	Reason string
}

// Dead is GET /api/v1/dead.
func (o *Operations) Dead(ctx context.Context, f *DeadFilter) (*DeliveryPage, error) {
	in := &listDeadInput{PageParams: f.PageParams, FilterParams: f.FilterParams, Reason: f.Reason}
	return operation.Call(ctx, o.api, "list-dead", operation.Timeout, in, o.listDead)
}

// Replay is POST /api/v1/dead/replay.
func (o *Operations) Replay(ctx context.Context, c DeadChoice) (*Replayed, error) {
	return operation.Call(ctx, o.api, "replay-dead", operation.BulkTimeout, &replayInput{ReplayRequest{c}}, o.replayDead)
}

// RemoveDead is POST /api/v1/dead/remove; a choice of nothing in particular removes all.
func (o *Operations) RemoveDead(ctx context.Context, c DeadChoice) (*Removed, error) {
	all := len(c.IDs) == 0 && c.Endpoint == "" && c.Since == "" && c.Until == "" && c.Reason == ""
	in := &removeInput{RemoveRequest{DeadChoice: c, All: all}}
	return operation.Call(ctx, o.api, "remove-dead", operation.BulkTimeout, in, o.removeDead)
}
