package consume

import (
	"errors"
	"time"

	"jethook/consume/attempt"
	"jethook/publish"
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
	At       time.Time  `json:"at" doc:"when it came into this state"`
	Next     *time.Time `json:"next_attempt,omitempty" doc:"when a waiting delivery is attempted next"`
	Waits    string     `json:"waits_for,omitempty" doc:"what a waiting delivery waits for: retry, turn (the endpoint is busy), disabled, unreadable (the record of its endpoint), or first (its first attempt)"`
	Reason   string     `json:"reason,omitempty" doc:"what the last attempt failed of"`
	Class    string     `json:"class,omitempty" doc:"kind of fault of the last attempt, from a closed set; ok when it was taken"`
	HTTP     int        `json:"response_status,omitempty" doc:"status of the response to the last attempt"`
	Body     string     `json:"body,omitempty" doc:"of a dead one: the first 16 KiB of the event's body"`
	Cut      bool       `json:"body_truncated,omitempty" doc:"the event's body is longer than that"`
}

// Errors of the ledger. Test with errors.Is.
var (
	// ErrNoDelivery means that there is nothing to retry or replay: no such delivery, or it is delivered.
	ErrNoDelivery = errors.New("no such delivery is waiting or dead")
	// ErrUnderWay means that the delivery is being attempted at this moment.
	ErrUnderWay = errors.New("the delivery is being attempted now")
	// ErrBadCursor means that a cursor is not one that a list returned.
	ErrBadCursor = errors.New("not a cursor of this list")
)

// Ledger lists deliveries by their state and moves them.
type Ledger struct{ bus *publish.Bus }

// NewLedger returns the ledger of what lies on bus.
func NewLedger(bus *publish.Bus) *Ledger { return &Ledger{bus} }

// Query chooses deliveries; zero fields choose all.
type Query struct {
	Endpoint     string
	Status       Status
	Type         string        // pattern of event types, such as order.*
	EventID      string        // an event's id
	Class        attempt.Class // of the last attempt
	Code         int           // HTTP status of the last attempt's response
	Since, Until time.Time     // when it came into its state; Until is excluded
	Limit        int           // of one page; 0, or more than MaxLimit, is MaxLimit
	Cursor       string        // of the next page
}

// MaxLimit bounds a page.
const MaxLimit = 500
