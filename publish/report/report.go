// Package report is what one Jethook process says of itself to the others: what it delivers and receives at this
// moment, which lies in no stream. It holds the figures and their form on the bus; package publish carries them, and
// those who deliver and receive fill them in without knowing of each other.
package report

import "time"

// Peer names a process.
type Peer struct {
	ID   string `json:"id" doc:"identifies this run of the process"`
	Role string `json:"role" doc:"serve, ingest or consume"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// Process is the report of one process. Its figures begin with Started.
type Process struct {
	Peer
	Version   string     `json:"version"`
	Started   time.Time  `json:"started"`
	Known     int        `json:"known"` // endpoints that it knows of
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	Sources   []Source   `json:"sources,omitempty"`
	// UnknownSource is how many requests were made for sources that do not exist.
	UnknownSource uint64 `json:"unknown_source,omitempty"`
	// Unreadable are records that this process can't read, up to 20 of each bucket, and UnreadableCount is how many
	// there are.
	Unreadable      []Unreadable `json:"unreadable,omitempty"`
	UnreadableCount int          `json:"unreadable_count,omitempty"`
	// Stalled tells by stream for how many seconds the bus has given no events although it should.
	Stalled map[string]float64 `json:"stalled,omitempty"`
	// Yields says that the process knows that the store is being moved, and changes it by nothing but what it receives.
	Yields bool `json:"yields,omitempty"`
}

// Unreadable is a record of a bucket that a process can't read, and therefore passes over.
type Unreadable struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key,omitempty" doc:"absent: the whole bucket"`
	Why    string `json:"why"`
}

// Endpoint is what a process does for one endpoint. Deliveries that failed without a request, because the circuit
// is open, are in none of its figures.
type Endpoint struct {
	ID       string `json:"id"`
	Running  int    `json:"running,omitempty"`   // requests that are being made
	InFlight int    `json:"in_flight,omitempty"` // first attempts that are made or queued: they lie in no stream but that of their event
	Hour     Hour   `json:"hour"`

	LastOK     time.Time `json:"last_ok,omitzero"`     // when a request last succeeded
	LastFailed time.Time `json:"last_failed,omitzero"` // when one last failed
	Streak     int       `json:"streak,omitempty"`     // requests that failed one after the other, up to now
	Status     int       `json:"status,omitempty"`     // of the last failure's response; 0: there was none
	Class      string    `json:"class,omitempty"`      // of the last failure
}

// Source is what a process received of one source since it started.
type Source struct {
	Name       string            `json:"name"`
	Accepted   uint64            `json:"accepted"` // duplicates are among them
	Duplicates uint64            `json:"duplicates"`
	Refused    map[string]uint64 `json:"refused,omitempty"` // by reason, one of a fixed set of words
	LastSeen   time.Time         `json:"last_seen,omitzero"`
	// ClockOff is how far the sender's clock is ahead, as far as refusals tell; 0: they tell nothing.
	ClockOff time.Duration `json:"clock_off,omitempty"`
}
