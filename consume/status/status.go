// Package status answers what is stuck: for each endpoint what waits, what is dead and how it fares, and beside that
// how full the streams are, how far the processes are, and what each source sends.
//
// What waits is counted on the bus, in the server's index. What is under way, and how fast, the processes report of
// themselves. A part that can't be had is left out and named in [Status.Incomplete]; it is never an error, since
// this is looked at when things are broken. The package changes nothing.
package status

import (
	"time"

	"jethook/publish"
	"jethook/publish/report"
)

// State is how an endpoint fares.
type State string

// The states. What several of them say, the last one says.
const (
	Healthy  State = "healthy"  // the last request to it went well, or there was none
	Failing  State = "failing"  // the last request failed, but it still gets all it should
	Open     State = "open"     // its circuit is open: it keeps failing, and is only probed
	Disabled State = "disabled" // it gets nothing
)

// Status is all of it at one moment.
type Status struct {
	At         time.Time         `json:"at"`
	Incomplete []string          `json:"incomplete,omitempty" doc:"what this lacks, and why; empty when it is whole"`
	HourSince  time.Time         `json:"hour_since" doc:"the figures of the last hour count from here: an hour ago, or when the newest process started"`
	Unreadable []Unreadable      `json:"unreadable,omitempty" doc:"stored records that a process can't read and passes over; up to 20 of each bucket and process"`
	Endpoints  []Endpoint        `json:"endpoints" doc:"the most troubled first"`
	Behind     uint64            `json:"behind" doc:"deliveries of all endpoints that wait in the streams of events"`
	Store      Store             `json:"store"`
	Streams    []Stream          `json:"streams"`
	Queues     []Queue           `json:"queues" doc:"what the processes take events and deliveries from"`
	Sources    []Source          `json:"sources"`
	Processes  []Process         `json:"processes"`
	P50        *float64          `json:"-"` // of all endpoints together, as those of each
	P99        *float64          `json:"-"`
	Missing    []publish.Missing `json:"missing,omitempty" doc:"processes that were heard of in the last 15 minutes and do not answer"`
}

// Unreadable is a stored record that a process can't read: it is damaged, forged, or sealed by another key.
type Unreadable struct {
	report.Unreadable
	Processes []string `json:"processes" doc:"who can't read it"`
}

// Endpoint is how one endpoint fares.
type Endpoint struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Host           string `json:"host" doc:"the host of its URL"`
	State          State  `json:"state" enum:"healthy,failing,open,disabled" doc:"open: its circuit is open, and it is only probed; failing: the last request failed, and it still gets everything"`
	DisabledReason string `json:"disabled_reason,omitempty"`

	FailingSince *time.Time `json:"failing_since,omitempty" doc:"since when it has taken nothing, when its circuit is open"`
	Failures     int        `json:"failures,omitempty" doc:"requests that failed in a row, up to now"`
	LastStatus   int        `json:"last_status,omitempty" doc:"HTTP status of the last failure's response"`
	LastClass    string     `json:"last_class,omitempty" doc:"kind of fault of the last failure, from a closed set"`

	Waiting     uint64     `json:"waiting" doc:"deliveries that lie on the bus: scheduled, or come due"`
	Oldest      *time.Time `json:"oldest_waiting,omitempty" doc:"when the oldest event of them was received"`
	NextDue     *time.Time `json:"next_due,omitempty" doc:"when the next of them is attempted"`
	Approximate bool       `json:"approximate,omitempty" doc:"so many wait that only the first were looked at: another one may be older, or due before; or none could be counted in time"`
	Behind      uint64     `json:"behind,omitempty" doc:"events that it has not come to: they wait in their streams"`
	BehindWhy   string     `json:"behind_why,omitempty" enum:"behind,rate_limit,paused,circuit_open,disabled,order" doc:"what those wait for: the endpoint is slower than its events, its rate limit, the end of a pause that it asked for, an endpoint that keeps failing, one that is disabled, or their turn in an ordered endpoint"`
	BehindSince *time.Time `json:"behind_since,omitempty" doc:"since when it has lagged; absent for an ordered endpoint"`
	InFlight    int        `json:"in_flight" doc:"first attempts that processes hold; none of them is among the waiting, and those of an endpoint that lags are among behind"`
	Running     int        `json:"running" doc:"requests that are being made, first attempts and later ones"`
	Dead        uint64     `json:"dead" doc:"dead letters"`
	Missed      uint64     `json:"missed,omitempty" doc:"events that retention took while they waited, until the endpoint has caught up; the history keeps the count" example:"12"`

	Delivered uint64   `json:"delivered_hour" doc:"requests of the last hour that went well"`
	Failed    uint64   `json:"failed_hour" doc:"requests of the last hour that failed"`
	Success   *float64 `json:"success_hour,omitempty" doc:"share of the last hour's requests that went well, 0 to 1; absent when there were none"`
	P50       *float64 `json:"p50_ms,omitempty" doc:"half of the last hour's requests took at most so long, in milliseconds; within a tenth"`
	P99       *float64 `json:"p99_ms,omitempty" doc:"99 of 100 of them took at most so long, in milliseconds; within a tenth"`
}

// Idle reports whether there is nothing to say of the endpoint.
func (e *Endpoint) Idle() bool {
	return (e.State == Healthy || e.State == Disabled) && e.Waiting+e.Dead+e.Behind+e.Missed+e.Delivered+e.Failed == 0 && e.InFlight+e.Running == 0
}

// Store is how full the bus's store is.
type Store struct {
	publish.StoreState
	Percent *float64 `json:"percent,omitempty" doc:"bytes, in percent of their limit; absent when there is none"`
}

// Stream is how full a stream is.
type Stream struct {
	Name       string     `json:"name"`
	Messages   uint64     `json:"messages"`
	Bytes      uint64     `json:"bytes"`
	MaxBytes   int64      `json:"bytes_limit,omitempty" doc:"the most it may hold, in bytes; absent: only the store's limit holds"`
	Percent    *float64   `json:"percent,omitempty" doc:"bytes, in percent of their limit; absent when there is none"`
	Oldest     *time.Time `json:"oldest,omitempty"`
	MaxAge     string     `json:"age_limit,omitempty" doc:"what is older goes"`
	AgePercent *float64   `json:"age_percent,omitempty" doc:"age of the oldest message, in percent of the limit; about 100 when messages come all the time"`
}

// Queue is how far the processes are with what they share of a stream.
type Queue struct {
	Stream  string     `json:"stream"`
	Name    string     `json:"name"`
	Pending uint64     `json:"pending" doc:"messages that no process has taken"`
	Unacked int        `json:"unacknowledged" doc:"messages that a process has taken and that have no outcome yet"`
	Oldest  *time.Time `json:"oldest,omitempty" doc:"when the oldest of both was stored"`
}

// Source is what came of a source since each process started.
type Source struct {
	Name       string            `json:"name"`
	LastSeen   *time.Time        `json:"last_seen,omitempty" doc:"when a webhook of it was last accepted"`
	Accepted   uint64            `json:"accepted" doc:"since the processes started, duplicates among them"`
	Duplicates uint64            `json:"duplicates"`
	Refused    map[string]uint64 `json:"refused,omitempty" doc:"by reason, since the processes started"`
	ClockOff   float64           `json:"clock_off_seconds,omitempty" doc:"how far the sender's clock is ahead, negative if it is behind, where that is why most of what it signs is refused" example:"-380"`
}

// Process is one that answered.
type Process struct {
	report.Peer
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Endpoints int       `json:"endpoints" doc:"how many it knows of"`
}
