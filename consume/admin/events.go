package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/nats-io/nuid"

	"jethook/publish/event"
	"jethook/publish/groupcommit"
	"jethook/publish/topology"
	"jethook/publish/trace"
)

func (s *Server) eventRoutes() {
	register(s, huma.Operation{
		OperationID: "send-event", Method: http.MethodPost, Path: "/api/v1/events", Tags: []string{"events"},
		Summary:       "Publish an event",
		Description:   "Publishes the exact bytes of data on events.<type>, and responds once the event is stored.",
		DefaultStatus: http.StatusAccepted,
		MaxBodyBytes:  s.bus.Limits().Event + maxBody, // room for what stands around data
	}, requestTimeout, s.sendEvent)
}

type sendEventInput struct {
	IdempotencyParam
	Traceparent string `header:"traceparent" doc:"W3C trace context of the event; default: a new trace"`
	Body        NewEvent
}

// NewEvent is an event to publish.
type NewEvent struct {
	Type string          `json:"type" doc:"the event's type: its subject without the prefix events." example:"order.created"`
	Data json.RawMessage `json:"data" doc:"the event's body, any JSON"`
	ID   string          `json:"id,omitempty" minLength:"1" doc:"identifies the event; sending the same id again adds nothing; default: generated"`
}

// SentEvent answers a NewEvent that is stored.
type SentEvent struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate,omitempty" doc:"an event with this id is already stored; nothing was added"`
}

type sendEventOutput struct{ Body SentEvent }

func (s *Server) sendEvent(ctx context.Context, in *sendEventInput) (*sendEventOutput, error) {
	if fields := checkEvent(&in.Body); len(fields) > 0 {
		return nil, invalid(fields...)
	}
	if int64(len(in.Body.Data)) > s.bus.Limits().Event {
		return nil, errBodyTooLarge
	}
	if !event.ValidTraceparent(in.Traceparent) {
		in.Traceparent = event.NewTraceparent()
	}
	event := &event.Event{
		ID: in.Body.ID, Type: in.Body.Type, Subject: topology.EventSubject(in.Body.Type), Received: time.Now(),
		ContentType: "application/json", Traceparent: in.Traceparent, Body: in.Body.Data,
	}
	made, err := in.request("send event", in.Body)
	if err != nil {
		return nil, err
	}
	if made.key != "" {
		answer, err := s.publishOnce(ctx, made, event)
		if err != nil {
			return nil, err
		}
		return &sendEventOutput{*answer}, nil
	}
	if event.ID == "" {
		event.ID = eventIDPrefix + nuid.Next()
	}
	receipt, err := s.send(ctx, event)
	if err != nil {
		return nil, err
	}
	return &sendEventOutput{SentEvent{ID: event.ID, Duplicate: receipt.Duplicate}}, nil
}

// send stores an event as a step of its trace.
func (s *Server) send(ctx context.Context, e *event.Event) (groupcommit.Receipt, error) {
	sent := s.tracer.Send(trace.Span{}, []*event.Event{e})
	receipt, err := s.bus.Publish(ctx, e)
	trace.Sent(sent, receipt.Duplicate, err)
	return receipt, err
}

// eventIDPrefix begins the ids that are made up here.
const eventIDPrefix = "evt_"

// checkEvent finds what a webhook's sender is forgiven and a service is not: a type that is no subject would
// be published on another one than its subscribers wait for.
func checkEvent(e *NewEvent) (fields []FailureField) {
	switch {
	case topology.TypeTokens(e.Type) != e.Type:
		fields = append(fields, FailureField{
			Field:   "type",
			Message: "must be words separated by dots, such as order.created, without spaces, / : * or >, at most 256 bytes",
		})
	case strings.HasPrefix(e.Type, topology.EventsPrefix):
		fields = append(fields, FailureField{Field: "type", Message: "must not start with events.; the prefix is added"})
	}
	if event.CleanID(e.ID) != e.ID {
		fields = append(fields, FailureField{Field: "id", Message: "must be at most 128 visible ASCII characters"})
	}
	return fields
}
