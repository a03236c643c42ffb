package trials

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nuid"

	"jethook/consume/admin/events"
	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// sampleType is the event type of a sample that nobody gave one.
const sampleType = "jethook.test"

// sampleBody is the body of a sample that nobody gave one. Its form is documented with the operations.
type sampleBody struct {
	Type     string    `json:"type"`
	Message  string    `json:"message"`
	Endpoint string    `json:"endpoint"`
	SentAt   time.Time `json:"sent_at"`
}

// sample returns an event that is on no stream, made to try an endpoint with. An empty type and no data stand
// for Jethook's own; the error is a Failure that names the field.
func sample(e *endpoint.Endpoint, eventType string, data json.RawMessage, now time.Time) (event.Event, error) {
	eventType = cmp.Or(eventType, sampleType)
	if fields := events.Check(&events.NewEvent{Type: eventType}); len(fields) > 0 {
		return event.Event{}, operation.Invalid(fields...)
	}
	if data == nil {
		var err error
		data, err = json.Marshal(sampleBody{
			Type: eventType, Message: "This is a test by Jethook. Nothing has happened.", Endpoint: e.ID, SentAt: now.UTC(),
		})
		if err != nil {
			return event.Event{}, fmt.Errorf("encoding a sample: %w", err)
		}
	}
	return event.Event{
		ID: "evt_test_" + nuid.Next(), Type: eventType, Subject: topology.EventSubject(eventType), Received: now,
		ContentType: "application/json", Traceparent: event.NewTraceparent(), Body: data,
	}, nil
}
