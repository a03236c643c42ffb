// Package history defines the line that the history has for each attempt, and reads lines in their order. A line is written
// once and never changed; the history keeps it for a time and within a size, so that a missing line proves nothing. The bus
// stores the lines; lists of them are in package deliveries.
package history

import (
	"encoding/json"
	"fmt"
	"time"

	"jethook/consume/attempt"
	"jethook/publish/delivery"
)

// Outcome says where an attempt left its delivery, or what became of the endpoint's circuit. The set is closed; it
// is a token of the history's subjects.
type Outcome string

// Outcomes of an attempt.
const (
	Delivered Outcome = "delivered" // the endpoint took it
	Failed    Outcome = "failed"    // another attempt is scheduled
	Deferred  Outcome = "deferred"  // it asked for a pause: the same attempt is made again after it
	Dead      Outcome = "dead"      // no attempt is left

	// These lines are about the endpoint, and no attempt.
	CircuitOpened Outcome = "circuit_opened" // it keeps failing, and is only probed from here on
	CircuitClosed Outcome = "circuit_closed" // it takes deliveries again
	Missed        Outcome = "missed"         // the retention of a stream took what waited for it
)

// Attempt is one line of the history: one request that was made to an endpoint, or was not made for a fault of
// the endpoint; or the opening or closing of its circuit; or what it missed.
type Attempt struct {
	Time       time.Time     `json:"time" doc:"when it began"`
	Delivery   string        `json:"delivery" doc:"the delivery's id; empty if the entry concerns the endpoint's circuit"`
	Endpoint   string        `json:"endpoint"`
	EventID    string        `json:"event_id"`
	Type       string        `json:"type"`
	Subject    string        `json:"subject"`
	Attempt    int           `json:"attempt" doc:"its number, from 1; 0 if the entry concerns the endpoint's circuit"`
	Outcome    Outcome       `json:"outcome" doc:"delivered, failed (another attempt is scheduled), deferred (the endpoint asked for a pause; this does not count as an attempt), or dead; circuit_opened, circuit_closed, and missed concern the endpoint"`
	Status     int           `json:"status,omitempty" doc:"HTTP status of the response; absent if there was none"`
	Class      attempt.Class `json:"class" doc:"class of failure, from a closed set; ok for success"`
	Error      string        `json:"error,omitempty"`
	DurationMS float64       `json:"duration_ms"`
	Response   string        `json:"response,omitempty" doc:"the first 16 KiB of the response's body"`
	Truncated  bool          `json:"truncated,omitempty" doc:"the response was longer than the stored part"`
	Missed     uint64        `json:"missed,omitempty" doc:"number of waiting events that retention removed"`
	Next       *time.Time    `json:"next,omitempty" doc:"when the next attempt is due"`
	Request    *SentRequest  `json:"request,omitempty" doc:"the request; absent if none was made"`
}

// SentRequest is a request as it was made, without what is secret in it.
type SentRequest struct {
	URL     string            `json:"url" doc:"the URL without query values, and without the path if it is a chat service's secret"`
	Headers map[string]string `json:"headers" doc:"the headers; signatures, tokens, and the endpoint's own header values are masked"`
}

// Line is an Attempt as it is stored: of its request only what can't be told from the rest.
type Line struct {
	Attempt
	Sent  *attempt.Sent `json:"sent,omitempty"`
	Place uint64        `json:"place"` // in DELIVERIES, of the message that was attempted; 0: an event in its stream. Earlier releases wrote none
}

// Of describes an attempt to deliver d that ended in res.
func Of(d *delivery.Delivery, res *attempt.Result, outcome Outcome) Line {
	return Line{Sent: res.Sent, Attempt: Attempt{
		Time: res.Started.UTC(), Delivery: d.ID(), Endpoint: d.Endpoint,
		EventID: d.Event.ID, Type: d.Event.Type, Subject: d.Event.Subject, Attempt: d.Attempt,
		Outcome: outcome, Status: res.Status, Class: res.Class, Error: res.Detail,
		DurationMS: float64(res.Duration.Microseconds()) / 1000,
		Response:   string(res.Response), Truncated: res.Truncated,
	}}
}

// Ended is when the attempt ended.
func (a *Attempt) Ended() time.Time {
	return a.Time.Add(time.Duration(a.DurationMS * float64(time.Millisecond)))
}

// Trait is what the line's subject tells.
func (l *Line) Trait() delivery.HistoryKey {
	return delivery.HistoryKey{Endpoint: l.Endpoint, Outcome: string(l.Outcome), Class: string(l.Class), Status: l.Status}
}

// Parse reads what the history holds.
func Parse(data []byte) (Attempt, error) {
	var l Line
	if err := json.Unmarshal(data, &l); err != nil {
		return Attempt{}, fmt.Errorf("reading a line of the history: %w", err)
	}
	if l.Class == "" {
		l.Class = attempt.ClassNone
	}
	if l.Sent != nil {
		l.Request = &SentRequest{URL: l.Sent.URL, Headers: l.Sent.Headers(l.EventID, l.Type, l.Attempt.Attempt, l.Time)}
	}
	return l.Attempt, nil
}
