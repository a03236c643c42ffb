package admin

import (
	"context"
	"slices"
	"strings"

	"jethook/consume/attempt"
	"jethook/consume/status"
	"jethook/publish/eventlog"
)

// What follows is the API's operations for callers in the same process, such as the dashboard: the same checks, the same
// answers and the same errors, which Explain puts into the API's words. A caller passes the access of whoever asks in
// the context, by access.With; what that one may not do is refused here.

// Explain puts an error of an operation into the words of the API, and logs a fault on this side as the API does.
func (s *Server) Explain(err error) *Failure { return s.failure(err) }

// Status is GET /api/v1/status. It is shared and must not be modified.
func (s *Server) Status(ctx context.Context) (*status.Status, error) { return s.board.Status(ctx) }

// DeliveryFilter chooses deliveries as GET /api/v1/deliveries does.
type DeliveryFilter struct {
	PageParams
	FilterParams
	TraitParams
	Status string
}

// statuses are the states of a delivery that can be chosen.
var statuses = []string{"", "delivered", "waiting", "dead"}

// Deliveries is GET /api/v1/deliveries.
func (s *Server) Deliveries(ctx context.Context, f *DeliveryFilter) (*DeliveryPage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var fields []FailureField
	if !slices.Contains(statuses, f.Status) {
		fields = append(fields, FailureField{Field: "status", Message: "must be delivered, waiting or dead"})
	}
	if f.Class != "" && !slices.Contains(attempt.Classes, attempt.Class(f.Class)) {
		fields = append(fields, FailureField{Field: "class", Message: "is no kind of fault: " + joinClasses()})
	}
	if f.Code != 0 && (f.Code < 100 || f.Code > 999) {
		fields = append(fields, FailureField{Field: "code", Message: "must be 100 to 999"})
	}
	if len(fields) > 0 {
		return nil, invalid(fields...)
	}
	out, err := s.listDeliveries(ctx, &listDeliveriesInput{PageParams: f.PageParams, FilterParams: f.FilterParams, TraitParams: f.TraitParams, Status: f.Status})
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

func joinClasses() string {
	var names []string
	for _, c := range attempt.Classes {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// Delivery is GET /api/v1/deliveries/{id}.
func (s *Server) Delivery(ctx context.Context, id string) (*DeliveryReport, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.getDelivery(ctx, &deliveryInput{ID: id})
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// RetryDelivery is POST /api/v1/deliveries/{id}/retry.
func (s *Server) RetryDelivery(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := perform(ctx, s, "retry-delivery", &retryInput{ID: id}, s.retryDelivery)
	return err
}

// Event is GET /api/v1/events/{id}.
func (s *Server) Event(ctx context.Context, p *EventParams) (*EventDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.getEvent(ctx, p)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// StoredEvent finds an event as GET /api/v1/events/{id} does, with its whole body, and without what became of it.
func (s *Server) StoredEvent(ctx context.Context, p *EventParams) (*eventlog.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found, _, err := s.find(ctx, p)
	if err == nil {
		err = s.bus.EventLog().Complete(ctx, &found.Event)
	}
	return &found, err
}

// RejectedFilter chooses rejected requests of a source as GET /api/v1/sources/{name}/rejected does.
type RejectedFilter struct {
	PageParams
	Source, Reason, Since, Until string
}

// RejectedRequests is GET /api/v1/sources/{name}/rejected.
func (s *Server) RejectedRequests(ctx context.Context, f *RejectedFilter) (*RejectedPage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.listRejected(ctx, &listRejectedInput{
		SourceParam: SourceParam{f.Source}, PageParams: f.PageParams, Reason: f.Reason, Since: f.Since, Until: f.Until,
	})
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// RejectedRequest is GET /api/v1/sources/{name}/rejected/{id}.
func (s *Server) RejectedRequest(ctx context.Context, source, id string) (*RejectedDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.getRejected(ctx, &rejectedInput{SourceParam: SourceParam{source}, ID: id})
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// Reverifies reports whether this process can verify rejected requests again.
func (s *Server) Reverifies() bool { return s.reverify != nil }

// RetryRejected is POST /api/v1/sources/{name}/retry.
func (s *Server) RetryRejected(ctx context.Context, source string, c RejectedChoice) (*RetriedRejected, error) {
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	out, err := perform(ctx, s, "retry-rejected", &retryRejectedInput{SourceParam: SourceParam{source}, Body: c}, s.retryRejected)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// DropRejected is DELETE /api/v1/sources/{name}/rejected/{id}.
func (s *Server) DropRejected(ctx context.Context, source, id string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := perform(ctx, s, "remove-rejected", &rejectedInput{SourceParam: SourceParam{source}, ID: id}, s.removeRejected)
	return err
}

// Events is GET /api/v1/events.
func (s *Server) Events(ctx context.Context, page PageParams, span SpanParams) (*EventPage, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := s.listEvents(ctx, &listEventsInput{PageParams: page, SpanParams: span})
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}

// PairSource is POST /api/v1/sources/{name}/pair.
func (s *Server) PairSource(ctx context.Context, source, lasts string) (*Paired, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	out, err := perform(ctx, s, "pair-source", &pairInput{SourceParam: SourceParam{source}, Body: &Pairing{For: lasts}}, s.pairSource)
	if err != nil {
		return nil, err
	}
	return &out.Body, nil
}
