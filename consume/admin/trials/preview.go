package trials

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/failure"
)

func (o *Operations) previewRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "preview-delivery", Method: http.MethodGet, Path: "/api/v1/endpoints/{id}/preview", Tags: []string{"endpoints"},
		Summary: "Preview a delivery",
		Description: "Returns the request that would be sent to the endpoint now: for a stored event, for a waiting or dead delivery, " +
			"or for a sample if neither is given. Nothing is sent. Its signature is valid, so treat it as a secret. " +
			"Credentials are hidden unless reveal is true, which is logged.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, operation.Timeout, o.previewDelivery)
}

type previewInput struct {
	operation.EndpointParam
	Event    string `query:"event" doc:"a stored event's id, or its position, such as EVENTS-17" example:"evt_4Qm2"`
	Delivery string `query:"delivery" doc:"the id of a waiting or dead delivery to this endpoint" example:"ep_9zk3.events:evt_4Qm2"`
	Type     string `query:"type" doc:"the sample's event type; default: jethook.test" example:"order.created"`
	Data     string `query:"data" maxLength:"8192" doc:"the sample's body, any JSON" example:"{\"order\":7}"`
	Reveal   bool   `query:"reveal" doc:"show credentials: a bearer secret, and headers such as Authorization" example:"false"`
}

// Preview is a request that could go out.
type Preview struct {
	EventID string               `json:"event_id" doc:"the event's id" example:"evt_4Qm2"`
	Type    string               `json:"type" doc:"the event's type" example:"order.created"`
	Attempt int                  `json:"attempt" doc:"the number of the attempt" example:"1"`
	Request message.RequestShown `json:"request" doc:"the request"`
	Curl    string               `json:"curl" doc:"the same request as a shell command; with hidden credentials the endpoint will reject it" example:"printf %s '{}' | curl --data-binary @- 'https://example.com/hook'"`
}

func (o *Operations) previewDelivery(ctx context.Context, in *previewInput) (*operation.Answer[Preview], error) {
	if fields := in.check(); len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	e, err := o.registry.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out, err := o.preview(ctx, &e, in)
	if err != nil {
		return nil, err
	}
	if in.Reveal {
		o.log.Info("endpoint's credentials revealed", "endpoint", e.ID)
	}
	return &operation.Answer[Preview]{Body: *out}, nil
}

// preview is the request that in chooses, to an endpoint that may not be stored.
func (o *Operations) preview(ctx context.Context, e *endpoint.Endpoint, in *previewInput) (*Preview, error) {
	now := time.Now()
	d, err := o.deliveryToShow(ctx, e, in, now)
	if err != nil {
		return nil, err
	}
	r := requestOf(e, &d.Event, d.Attempt)
	m, err := o.client.Compose(&r, now)
	if err != nil {
		return nil, noRequest(err)
	}
	shown, err := message.Show(m, in.Reveal)
	if err != nil {
		return nil, noRequest(err)
	}
	return &Preview{EventID: d.Event.ID, Type: d.Event.Type, Attempt: d.Attempt, Request: *shown, Curl: message.Curl(shown, m.Body)}, nil
}

// noRequest means that the event and the endpoint make no request, as with a URL that an older version took.
func noRequest(err error) *operation.Failure {
	return operation.NewFailure(http.StatusConflict, "no_request", "no request can be made: "+err.Error())
}

// check finds parameters that contradict each other.
func (in *previewInput) check() (fields []operation.FailureField) {
	add := func(field, message string) {
		fields = append(fields, operation.FailureField{Field: field, Message: message})
	}
	if in.Event != "" && in.Delivery != "" {
		add("delivery", "can't be combined with event")
	}
	if in.Event != "" || in.Delivery != "" {
		if in.Type != "" {
			add("type", "is only for a sample; omit event and delivery")
		}
		if in.Data != "" {
			add("data", "is only for a sample; omit event and delivery")
		}
	}
	if in.Data != "" && !json.Valid([]byte(in.Data)) {
		add("data", "must be JSON")
	}
	if in.Delivery != "" && (!operation.DeliveryID.MatchString(in.Delivery) || !strings.HasPrefix(in.Delivery, in.ID+".")) {
		add("delivery", "is not the id of a delivery of this endpoint")
	}
	return fields
}

// deliveryToShow is what the parameters choose, with the attempt that would come next.
func (o *Operations) deliveryToShow(ctx context.Context, e *endpoint.Endpoint, in *previewInput, now time.Time) (delivery.Delivery, error) {
	switch {
	case in.Delivery != "":
		id, err := o.bus.Find().FullID(ctx, in.Delivery)
		if err != nil {
			return delivery.Delivery{}, err
		}
		return o.pending(ctx, id)
	case in.Event != "":
		event, _, err := o.archive.Find(ctx, in.Event, archive.Query{})
		if err == nil {
			err = o.bus.EventLog().Complete(ctx, &event.Event)
		}
		if err != nil {
			return delivery.Delivery{}, err
		}
		d := delivery.Delivery{Endpoint: e.ID, Event: event.Event, Attempt: 1}
		for _, id := range []string{d.ID(), d.FormerID()} {
			switch waits, err := o.pending(ctx, id); {
			case err == nil:
				d.Attempt = waits.Attempt
				return d, nil
			case !errors.Is(err, deliveries.ErrNoDelivery):
				return d, err
			}
		}
		return d, nil
	default:
		var data json.RawMessage
		if in.Data != "" {
			data = json.RawMessage(in.Data)
		}
		event, err := sample(e, in.Type, data, now)
		return delivery.Delivery{Endpoint: e.ID, Event: event, Attempt: 1}, err
	}
}

// pending returns a delivery that waits, or that is dead and would begin anew.
func (o *Operations) pending(ctx context.Context, id string) (delivery.Delivery, error) {
	d, err := o.bus.Find().Waiting(ctx, id)
	if errors.Is(err, failure.ErrNotFound) {
		d, err = o.bus.Find().Dead(ctx, id)
		d.Attempt = 1
	}
	if errors.Is(err, failure.ErrNotFound) {
		if d, err = o.ledger.Unbegun(ctx, id); err == nil {
			err = o.bus.EventLog().Complete(ctx, &d.Event)
		}
		return d, err
	}
	if err == nil {
		d.Event.Body, err = o.bus.Deliveries().Body(ctx, &d)
	}
	return d, err
}

// Preview is the request that would go out if an endpoint were as spec says: a new one, or, with an id, that one after the
// change. It is of the stored event at place, or of a sample without one. Credentials are hidden, and nothing is stored or sent.
func (o *Operations) Preview(ctx context.Context, id string, spec *endpoint.Spec, place string) (*Preview, error) {
	ctx, cancel := context.WithTimeout(ctx, operation.Timeout)
	defer cancel()
	e, err := o.draft(ctx, id, spec)
	if err != nil {
		return nil, err
	}
	return o.preview(ctx, &e, &previewInput{EndpointParam: operation.EndpointParam{ID: e.ID}, Event: place})
}

// draft is an endpoint as spec would make it.
func (o *Operations) draft(ctx context.Context, id string, spec *endpoint.Spec) (endpoint.Endpoint, error) {
	if id == "" {
		return endpoint.New(spec, o.policy, time.Now())
	}
	e, err := o.registry.Get(ctx, id)
	if err != nil {
		return e, err
	}
	return e.With(spec, o.policy, time.Now())
}
