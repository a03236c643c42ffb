// Package deliveries reads what became of events on their way to endpoints, and moves what waits or is dead: by lists, look-ups
// and the history, and by retrying, replaying and removing. A delivery is shown in exactly one state, its newest. It makes no
// attempt: what it moves comes due, and the engine of some process attempts it.
package deliveries

import (
	"errors"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/cursor"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/topology"
)

// Status is the state a delivery is in. Each is in exactly one.
type Status string

// The states of a delivery.
const (
	StatusDelivered Status = "delivered"
	StatusWaiting   Status = "waiting"
	StatusDead      Status = "dead"
)

// Delivery is one event on its way to one endpoint, as an operator sees it.
type Delivery struct {
	ID       string     `json:"id"`
	Endpoint string     `json:"endpoint"`
	EventID  string     `json:"event_id"`
	Type     string     `json:"type"`
	Subject  string     `json:"subject"`
	Status   Status     `json:"status"`
	Attempts int        `json:"attempts" doc:"attempts made so far"`
	At       time.Time  `json:"at" doc:"when it entered this state"`
	Next     *time.Time `json:"next_attempt,omitempty" doc:"when a waiting delivery is attempted next"`
	Waits    string     `json:"waits_for,omitempty" doc:"what a waiting delivery waits for. After its first attempt, or a manual retry: retry (its schedule), asked (the endpoint asked for a pause), disabled (the endpoint is disabled), or unreadable (the endpoint's record can't be read). Before its first attempt: behind (the endpoint is slower than its events), rate_limit, paused (the endpoint asked for a pause), circuit_open (the endpoint keeps failing), disabled, order (an ordered endpoint gets one event after the other), or first (the attempt is about to begin). turn appears only in deliveries of earlier releases"`
	Reason   string     `json:"reason,omitempty" doc:"why the last attempt failed"`
	Class    string     `json:"class,omitempty" doc:"class of failure of the last attempt, from a closed set; ok for success"`
	HTTP     int        `json:"response_status,omitempty" doc:"status of the response to the last attempt"`
	Body     string     `json:"body,omitempty" doc:"dead deliveries only: the first 16 KiB of the event's body"`
	Cut      bool       `json:"body_truncated,omitempty" doc:"the event's body is longer"`
}

// Stream is the stream that holds, or held, the delivery's event.
func (d *Delivery) Stream() string { return topology.StreamOf(d.Subject) }

// Errors of the ledger. Test with errors.Is.
var (
	// ErrNoDelivery means that there is nothing to retry or replay: no such delivery, or it is delivered.
	ErrNoDelivery = errors.New("no such delivery is waiting or dead")
	// ErrUnderWay means that the delivery is being attempted at this moment.
	ErrUnderWay = errors.New("delivery is being attempted")
)

// Store lists deliveries by their state and moves them.
type Store struct {
	bus       *publish.Bus
	cursors   *cursor.Table // not run
	endpoints *registry.Registry
}

// New returns the ledger of what lies on bus. Without endpoints (nil) it does not know what waits for them in the
// streams.
func New(bus *publish.Bus, endpoints *registry.Registry) *Store {
	return &Store{bus: bus, cursors: cursor.NewIdleTable(bus), endpoints: endpoints}
}

// Query chooses deliveries; zero fields choose all.
type Query struct {
	Endpoint     string
	Status       Status
	Type         string        // pattern of event types, such as order.*
	EventID      string        // an event's id
	Class        attempt.Class // of the last attempt
	Code         int           // HTTP status of the last attempt's response
	Reason       string        // a part of the reason, in any case
	Since, Until time.Time     // when it came into its state; Until is excluded
	Limit        int           // of one page; 0, or more than paging.Max, is paging.Max
	Cursor       string        // of the next page
}
