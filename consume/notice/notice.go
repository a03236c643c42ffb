// Package notice is the operational events that Jethook publishes about its own work: their form on the bus, as
// CloudEvents, and the sentence that people read in a chat.
package notice

import (
	"encoding/json"
	"net/url"
	"time"

	"jethook/consume/endpoint"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// Kinds of operational events: the last part of their subject and of their type.
const (
	Failing   = "endpoint.failing"   // its circuit has opened
	Recovered = "endpoint.recovered" // its circuit has closed
	Disabled  = "endpoint.disabled"  // by Jethook or by an operator
	Enabled   = "endpoint.enabled"   // again
	Missed    = "endpoint.missed"    // the retention of a stream took what waited for it
	Dead      = "delivery.dead"      // no attempt is left
)

// Event is an operational event: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
type Event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"` // the id of the endpoint or of the delivery
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            Data      `json:"data"`
}

// Data says what happened, with what an operator needs to know first. What a kind has no word for is left out.
type Data struct {
	Endpoint string `json:"endpoint"`
	Name     string `json:"name,omitempty"`
	Host     string `json:"host,omitempty"`   // of the endpoint's URL; the whole may hold a secret
	Reason   string `json:"reason,omitempty"` // of the last failure, or for being disabled

	FailingSince time.Time `json:"failing_since,omitzero"`
	FailedSince  time.Time `json:"failed_since,omitzero"` // of one that has recovered
	Failures     int       `json:"failures,omitempty"`    // in a row, as one process saw them
	LastStatus   int       `json:"last_status,omitempty"` // of the last failure's response; 0: there was none
	LastClass    string    `json:"last_class,omitempty"`  // of the last failure
	Waiting      *uint64   `json:"waiting,omitempty"`     // deliveries that wait for the endpoint
	Dead         *uint64   `json:"dead,omitempty"`        // and its dead letters

	Missed       uint64    `json:"missed,omitempty"`       // events that retention took
	Stream       string    `json:"stream,omitempty"`       // from this stream
	WaitingSince time.Time `json:"waiting_since,omitzero"` // when the endpoint began to lag

	Delivery  string `json:"delivery,omitempty"` // what follows is of a delivery that is dead
	EventID   string `json:"event_id,omitempty"`
	EventType string `json:"type,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Attempts  int    `json:"attempts,omitempty"`
}

// About returns the beginning of what is to be told of an endpoint.
func About(ep *endpoint.Endpoint) Data {
	d := Data{Endpoint: ep.ID, Name: ep.Name}
	if u, err := url.Parse(ep.URL); err == nil {
		d.Host = u.Host
	}
	return d
}

// Event returns the operational event of a kind, to be published. Published twice with one id, it is stored once.
func (d *Data) Event(kind, id string, now time.Time) (*event.Event, error) {
	kind = topology.OpsPrefix + kind
	subject := d.Endpoint
	if d.Delivery != "" {
		subject = d.Delivery
	}
	body, err := json.Marshal(Event{
		SpecVersion: "1.0", ID: id, Source: "jethook", Type: kind, Subject: subject, Time: now.UTC(),
		DataContentType: "application/json", Data: *d,
	})
	if err != nil {
		return nil, err
	}
	return &event.Event{
		ID: id, Type: kind, Subject: kind, Received: now, ContentType: "application/json", Body: body,
	}, nil
}
