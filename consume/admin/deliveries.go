package admin

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/deliveries"
	"jethook/consume/paging"
)

func (s *Server) deliveryRoutes() {
	register(s, huma.Operation{
		OperationID: "list-deliveries", Method: http.MethodGet, Path: "/api/v1/deliveries", Tags: []string{"deliveries"},
		Summary: "List deliveries",
		Description: "Newest first. A page may be short or empty although more follow; " +
			"continue while next_cursor is not empty.",
	}, requestTimeout, s.listDeliveries)
	register(s, huma.Operation{
		OperationID: "get-delivery", Method: http.MethodGet, Path: "/api/v1/deliveries/{id}", Tags: []string{"deliveries"},
		Summary:     "Get a delivery",
		Description: "Returns its state, and its attempts that are still in the history.",
		Errors:      []int{http.StatusNotFound},
	}, requestTimeout, s.getDelivery)
	register(s, huma.Operation{
		OperationID: "retry-delivery", Method: http.MethodPost, Path: "/api/v1/deliveries/{id}/retry", Tags: []string{"deliveries"},
		Summary: "Attempt a delivery now",
		Description: "If this attempt fails, a waiting delivery continues with its schedule, and " +
			"a dead one starts a new schedule. If the endpoint lags behind, this event is attempted before the others. " +
			"A delivery to an ordered endpoint keeps its turn (in_order). Two concurrent requests make one attempt.",
		DefaultStatus: http.StatusAccepted,
		Errors:        []int{http.StatusNotFound, http.StatusConflict},
	}, requestTimeout, s.retryDelivery)
}

// PageParams choose a part of a list. They are exported because huma passes over embedded types that are not.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the previous page"`
}

// FilterParams choose deliveries.
type FilterParams struct {
	Endpoint string `query:"endpoint" doc:"an endpoint's id"`
	Since    string `query:"since" doc:"a time (RFC 3339), or a period before now, such as 24h" example:"24h"`
	Until    string `query:"until" doc:"a time (RFC 3339), or a period before now; exclusive" example:"2026-01-02T15:04:05Z"`
}

type listDeliveriesInput struct {
	PageParams
	FilterParams
	TraitParams
	Status string `query:"status" enum:"delivered,waiting,dead"`
}

// DeliveryPage is one page of a list of deliveries.
type DeliveryPage struct {
	Items      []deliveries.Delivery `json:"items"`
	NextCursor string                `json:"next_cursor" doc:"cursor of the next page; empty on the last page"`
}

type deliveriesOutput struct{ Body DeliveryPage }

func (s *Server) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*deliveriesOutput, error) {
	q := deliveries.Query{Status: deliveries.Status(in.Status)}
	if fields := in.TraitParams.apply(&q); len(fields) > 0 {
		return nil, invalid(fields...)
	}
	return s.list(ctx, in.PageParams, in.FilterParams, q)
}

func (s *Server) list(ctx context.Context, p PageParams, f FilterParams, q deliveries.Query) (*deliveriesOutput, error) {
	mark := mark("deliveries", f, q)
	fields := f.apply(&q, time.Now())
	var ok bool
	if q.Cursor, ok = openCursor(p.Cursor, mark); !ok {
		fields = append(fields, badCursor)
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	q.Limit = p.Limit
	items, next, err := s.ledger.List(ctx, q)
	if errors.Is(err, paging.ErrBadCursor) {
		return nil, invalid(badCursor)
	}
	if err != nil {
		return nil, err
	}
	return &deliveriesOutput{DeliveryPage{Items: items, NextCursor: sealCursor(next, mark)}}, nil
}

var badCursor = FailureField{Field: "cursor", Message: "is not a next_cursor of this list with these filters"}

// idToken is what can stand in a subject where an endpoint's id does: a wildcard would choose all.
var idToken = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// apply checks the filter and adds it to q. A time that is a duration counts back from now.
func (f *FilterParams) apply(q *deliveries.Query, now time.Time) (fields []FailureField) {
	if f.Endpoint != "" && !idToken.MatchString(f.Endpoint) {
		fields = append(fields, FailureField{Field: "endpoint", Message: "is not an endpoint's id"})
	}
	q.Endpoint = f.Endpoint
	for _, t := range []struct {
		field, text string
		to          *time.Time
	}{{"since", f.Since, &q.Since}, {"until", f.Until, &q.Until}} {
		var ok bool
		if *t.to, ok = parseTime(t.text, now); !ok {
			fields = append(fields, FailureField{
				Field: t.field, Message: "must be a time such as 2026-01-02T15:04:05Z, or a period such as 24h",
			})
		}
	}
	return fields
}

// parseTime reads a time, or how long ago it was; nothing is the zero time.
func parseTime(text string, now time.Time) (t time.Time, ok bool) {
	if text == "" {
		return time.Time{}, true
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), ago >= 0
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}

// deliveryID is the form of a delivery's id: its endpoint, its event's source, the event's id or a hash of it, and the event's
// place, which may be left out. Anything else would reach the bus as part of a subject, where wildcards choose other deliveries.
var deliveryID = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}\.[0-9A-Za-z_-]{1,64}:~?[0-9A-Za-z_-]{1,128}(\.[0-9a-z]{1,13})?$`)

type retryInput struct {
	ID string `path:"id" doc:"the delivery's id"`
}

// RetriedDelivery answers a retry.
type RetriedDelivery struct {
	ID string `json:"id" doc:"the delivery that is being attempted"`
}

// mayDeliver refuses what could only wait on: a retry while the endpoint is disabled.
func (s *Server) mayDeliver(delivery string) error {
	if s.registry == nil {
		return nil
	}
	id, _, _ := strings.Cut(delivery, ".")
	if e, ok := s.registry.Lookup(id); ok && e.Disabled {
		return errDisabled
	}
	return nil
}

type retryOutput struct{ Body RetriedDelivery }

func (s *Server) retryDelivery(ctx context.Context, in *retryInput) (*retryOutput, error) {
	if !deliveryID.MatchString(in.ID) {
		return nil, deliveries.ErrNoDelivery
	}
	if err := s.mayDeliver(in.ID); err != nil {
		return nil, err
	}
	if err := s.ledger.Retry(ctx, in.ID); err != nil {
		return nil, err
	}
	return &retryOutput{RetriedDelivery{ID: in.ID}}, nil
}
