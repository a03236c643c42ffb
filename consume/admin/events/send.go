package events

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/nats-io/nuid"

	"jethook/consume/admin/operation"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
	"jethook/publish/topology"
	"jethook/publish/trace"
)

func (o *Operations) sendRoutes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "send-event", Method: http.MethodPost, Path: "/api/v1/events", Tags: []string{"events"},
		Summary:       "Publish an event",
		Description:   "Publishes the exact bytes of data on events.<type>, and responds once the event is stored.",
		DefaultStatus: http.StatusAccepted,
		MaxBodyBytes:  o.bus.Limits().Event + operation.MaxBody, // room for what stands around data
	}, operation.Timeout, o.sendEvent)
}

type sendEventInput struct {
	operation.IdempotencyParam
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

func (o *Operations) sendEvent(ctx context.Context, in *sendEventInput) (*operation.Answer[SentEvent], error) {
	if fields := Check(&in.Body); len(fields) > 0 {
		return nil, operation.Invalid(fields...)
	}
	if int64(len(in.Body.Data)) > o.bus.Limits().Event {
		return nil, operation.ErrBodyTooLarge
	}
	if !event.ValidTraceparent(in.Traceparent) {
		in.Traceparent = event.NewTraceparent()
	}
	event := &event.Event{
		ID: in.Body.ID, Type: in.Body.Type, Subject: topology.EventSubject(in.Body.Type), Received: time.Now(),
		ContentType: "application/json", Traceparent: in.Traceparent, Body: in.Body.Data,
	}
	made, err := in.Request("send event", in.Body)
	if err != nil {
		return nil, err
	}
	if made.Key != "" {
		answer, err := o.publishOnce(ctx, made, event)
		if err != nil {
			return nil, err
		}
		return &operation.Answer[SentEvent]{Body: *answer}, nil
	}
	if event.ID == "" {
		event.ID = eventIDPrefix + nuid.Next()
	}
	receipt, err := o.send(ctx, event)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[SentEvent]{Body: SentEvent{ID: event.ID, Duplicate: receipt.Duplicate}}, nil
}

// send stores an event as a step of its trace.
func (o *Operations) send(ctx context.Context, e *event.Event) (groupcommit.Receipt, error) {
	sent := o.tracer.Send(trace.Span{}, []*event.Event{e})
	receipt, err := o.bus.Publish(ctx, e)
	trace.Sent(sent, receipt.Duplicate, err)
	return receipt, err
}

// eventIDPrefix begins the ids that are made up here.
const eventIDPrefix = "evt_"

// Check finds what a webhook's sender is forgiven and a service is not: a type that is no subject would
// be published on another one than its subscribers wait for.
func Check(e *NewEvent) (fields []operation.FailureField) {
	switch {
	case topology.TypeTokens(e.Type) != e.Type:
		fields = append(fields, operation.FailureField{
			Field:   "type",
			Message: "must be words separated by dots, such as order.created, without spaces, / : * or >, at most 256 bytes",
		})
	case strings.HasPrefix(e.Type, topology.EventsPrefix):
		fields = append(fields, operation.FailureField{Field: "type", Message: "must not start with events.; the prefix is added"})
	}
	if event.CleanID(e.ID) != e.ID {
		fields = append(fields, operation.FailureField{Field: "id", Message: "must be at most 128 visible ASCII characters"})
	}
	return fields
}

// publishOnce publishes the event of a request with an Idempotency-Key, whose id follows from the key unless it
// was given. The note before makes sure that the key stands for this request alone; until the note after, a
// repeated request publishes again, and the stream drops the copy.
func (o *Operations) publishOnce(ctx context.Context, made operation.RequestID, e *event.Event) (*SentEvent, error) {
	kv, err := o.bus.Buckets().Requests(ctx)
	if err != nil {
		return nil, err
	}
	before, revision, err := operation.Remember(ctx, kv, made, operation.Remembered[SentEvent]{Request: made.String()})
	if err != nil || before.Answer != nil {
		return before.Answer, err
	}
	byKey := e.ID == ""
	if byKey {
		e.ID = eventIDPrefix + made.Key
	}
	receipt, err := o.send(ctx, e)
	if err != nil {
		return nil, err
	}
	// By an id of its own the event is only there because this request, an earlier time, has put it there.
	answer := &SentEvent{ID: e.ID, Duplicate: receipt.Duplicate && !byKey}
	before.Answer = answer
	// Without this note a repeated request is still right for as long as the stream remembers the id.
	if _, err := operation.Amend(ctx, kv, made, before, revision); err != nil {
		o.log.Debug("note of a request not stored", "error", err)
	}
	return answer, nil
}
