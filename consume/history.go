package consume

import (
	"time"

	"jethook/consume/attempt"
	"jethook/publish"
)

// Outcome says where an attempt left its delivery, or what became of the endpoint's circuit. The set is closed; it is the last token of the history's
// subjects.
type Outcome string

// Outcomes of an attempt.
const (
	OutcomeDelivered Outcome = "delivered" // the endpoint took it
	OutcomeFailed    Outcome = "failed"    // another attempt is scheduled
	OutcomeDead      Outcome = "dead"      // no attempt is left

	// These lines are about the endpoint, and no attempt.
	OutcomeCircuitOpened Outcome = "circuit_opened" // it keeps failing, and is only probed from here on
	OutcomeCircuitClosed Outcome = "circuit_closed" // it takes deliveries again
)

// Attempt is one line of the history: one request that was made to an endpoint, or was not made for a fault of
// the endpoint; or the opening or closing of its circuit.
type Attempt struct {
	Time       time.Time     `json:"time"` // when it began
	Delivery   string        `json:"delivery"`
	Endpoint   string        `json:"endpoint"`
	EventID    string        `json:"event_id"`
	Type       string        `json:"type"`
	Subject    string        `json:"subject"`
	Attempt    int           `json:"attempt"` // from 1
	Outcome    Outcome       `json:"outcome"`
	Status     int           `json:"status,omitempty"` // of the response; 0 when there was none
	Class      attempt.Class `json:"class"`
	Error      string        `json:"error,omitempty"`
	DurationMS float64       `json:"duration_ms"`
	Response   string        `json:"response,omitempty"`
	Truncated  bool          `json:"truncated,omitempty"` // the response was longer than what was kept
	Next       *time.Time    `json:"next,omitempty"`      // when the next attempt is due
}

// attemptOf describes an attempt to deliver d that ended in res.
func attemptOf(d *publish.Delivery, res *attempt.Result, outcome Outcome) Attempt {
	return Attempt{
		Time: res.Started.UTC(), Delivery: d.ID(), Endpoint: d.Endpoint,
		EventID: d.Event.ID, Type: d.Event.Type, Subject: d.Event.Subject, Attempt: d.Attempt,
		Outcome: outcome, Status: res.Status, Class: res.Class, Error: res.Detail,
		DurationMS: float64(res.Duration.Microseconds()) / 1000,
		Response:   string(res.Response), Truncated: res.Truncated,
	}
}
