// Package status answers what is stuck: for each endpoint what waits, what is dead and how it fares, and beside that
// how full the streams are, how far the processes are, and what each source sends.
//
// What waits is counted on the bus, in the server's index. What is under way, and how fast, the processes report of
// themselves. A part that can't be had is left out and named in [Status.Incomplete]; it is never an error, since
// this is looked at when things are broken. The package changes nothing.
package status

import (
	"time"

	"jethook/publish/processes"
	"jethook/publish/query"
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
	At         time.Time           `json:"at"`
	Incomplete []string            `json:"incomplete,omitempty" doc:"what is missing, and why; absent if the status is complete"`
	HourSince  time.Time           `json:"hour_since" doc:"start of the last hour's figures: an hour ago, or when the newest process started"`
	Unreadable []Unreadable        `json:"unreadable,omitempty" doc:"stored records that a process can't read and ignores; up to 20 per bucket and process"`
	Moving     *Moving             `json:"moving,omitempty" doc:"set while the store is being moved to a cluster: webhooks are still received; deliveries and changes wait for the cluster"`
	Endpoints  []Endpoint          `json:"endpoints" doc:"worst first"`
	Behind     uint64              `json:"behind" doc:"deliveries waiting in the event streams for all endpoints"`
	Store      Store               `json:"store"`
	Streams    []Stream            `json:"streams"`
	Queues     []Queue             `json:"queues" doc:"consumers from which the processes read events and deliveries"`
	Sources    []Source            `json:"sources"`
	Unknown    uint64              `json:"unknown_source,omitempty" doc:"requests for sources that do not exist, since the processes started" example:"3"`
	Processes  []Process           `json:"processes"`
	P50        *float64            `json:"-"` // of all endpoints together, as those of each
	P99        *float64            `json:"-"`
	Missing    []processes.Missing `json:"missing,omitempty" doc:"processes that were heard in the last 15 minutes and do not respond"`

	lacking map[string]bool // what Incomplete is about
}

// Moving tells of a move to a cluster.
type Moving struct {
	To    string    `json:"to" doc:"the cluster" example:"nats://nats:4222"`
	Phase string    `json:"phase" enum:"copying,forwarding,moved" doc:"copying: what was stored is being copied; forwarding: the cluster has it, and what is still received goes there"`
	Began time.Time `json:"began" doc:"when the move began" example:"2026-11-22T10:00:00Z"`
}

// Unreadable is a stored record that a process can't read: it is damaged, forged, or sealed by another key.
type Unreadable struct {
	report.Unreadable
	Processes []string `json:"processes" doc:"the processes that can't read it"`
}

// Endpoint is how one endpoint fares.
type Endpoint struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Host           string `json:"host" doc:"the host of its URL"`
	State          State  `json:"state" enum:"healthy,failing,open,disabled" doc:"failing: the last request failed, and it still gets all events; open: its circuit is open, and it gets only probes"`
	DisabledReason string `json:"disabled_reason,omitempty"`

	FailingSince *time.Time `json:"failing_since,omitempty" doc:"since when it has failed, if its circuit is open"`
	Failures     int        `json:"failures,omitempty" doc:"consecutive failed requests up to now"`
	LastStatus   int        `json:"last_status,omitempty" doc:"HTTP status of the last failure's response"`
	LastClass    string     `json:"last_class,omitempty" doc:"class of the last failure, from a closed set"`

	Waiting     uint64            `json:"waiting" doc:"deliveries that are scheduled or due"`
	WaitingWhy  map[string]uint64 `json:"waiting_why,omitempty" doc:"number of waiting deliveries by what they wait for: retry, turn, asked, disabled or unreadable; due: their time has come; unread: there were too many to examine"`
	Oldest      *time.Time        `json:"oldest_waiting,omitempty" doc:"when the oldest of their events was received"`
	NextDue     *time.Time        `json:"next_due,omitempty" doc:"when the next of them is attempted"`
	Approximate bool              `json:"approximate,omitempty" doc:"only some of the waiting deliveries were examined, or none could be counted in time: others may be older or due earlier"`
	Behind      uint64            `json:"behind,omitempty" doc:"events waiting in their streams because the endpoint lags behind"`
	BehindWhy   string            `json:"behind_why,omitempty" enum:"behind,rate_limit,paused,circuit_open,disabled,order" doc:"why they wait. behind: the endpoint is slower than its events; rate_limit: its rate limit; paused: it asked for a pause; circuit_open: it keeps failing; disabled: it is disabled; order: an ordered endpoint gets one event after the other"`
	BehindSince *time.Time        `json:"behind_since,omitempty" doc:"since when it has lagged behind; absent for ordered endpoints"`
	InFlight    int               `json:"in_flight" doc:"first attempts that a process has begun or queued. They do not count as waiting; those of a lagging endpoint count as behind"`
	Running     int               `json:"running" doc:"requests in progress, first attempts and retries"`
	Dead        uint64            `json:"dead" doc:"dead letters"`
	Missed      uint64            `json:"missed,omitempty" doc:"waiting events that retention removed, until the endpoint has caught up; the history keeps the count" example:"12"`

	Delivered uint64   `json:"delivered_hour" doc:"successful requests in the last hour"`
	Failed    uint64   `json:"failed_hour" doc:"failed requests in the last hour"`
	Success   *float64 `json:"success_hour,omitempty" doc:"share of successful requests in the last hour, 0 to 1; absent if there were none"`
	P50       *float64 `json:"p50_ms,omitempty" doc:"median duration of the last hour's requests in milliseconds, accurate to 10 %"`
	P99       *float64 `json:"p99_ms,omitempty" doc:"99th percentile of the duration in milliseconds, accurate to 10 %"`
}

// Idle reports whether there is nothing to say of the endpoint.
func (e *Endpoint) Idle() bool {
	return (e.State == Healthy || e.State == Disabled) && e.Waiting+e.Dead+e.Behind+e.Missed+e.Delivered+e.Failed == 0 && e.InFlight+e.Running == 0
}

// Store is how full the bus's store is.
type Store struct {
	query.StoreState
	Percent *float64 `json:"percent,omitempty" doc:"bytes in percent of the limit; absent if there is no limit"`
}

// Stream is how full a stream is.
type Stream struct {
	Name       string     `json:"name"`
	Messages   uint64     `json:"messages"`
	Bytes      uint64     `json:"bytes"`
	MaxBytes   int64      `json:"bytes_limit,omitempty" doc:"maximum size in bytes; absent: only the store's limit applies"`
	Percent    *float64   `json:"percent,omitempty" doc:"bytes in percent of the limit; absent if there is no limit"`
	Oldest     *time.Time `json:"oldest,omitempty"`
	MaxAge     string     `json:"age_limit,omitempty" doc:"older messages are removed"`
	AgePercent *float64   `json:"age_percent,omitempty" doc:"age of the oldest message in percent of the limit; about 100 if messages arrive steadily"`
}

// Queue is how far the processes are with what they share of a stream.
type Queue struct {
	Stream  string     `json:"stream"`
	Name    string     `json:"name"`
	Pending uint64     `json:"pending" doc:"messages not yet read by any process"`
	Unacked int        `json:"unacknowledged" doc:"messages read by a process, without an outcome yet"`
	Oldest  *time.Time `json:"oldest,omitempty" doc:"when the oldest of these messages was stored"`
}

// Source is what came of a source since each process started.
type Source struct {
	Name       string            `json:"name"`
	LastSeen   *time.Time        `json:"last_seen,omitempty" doc:"when the last webhook was accepted"`
	Accepted   uint64            `json:"accepted" doc:"accepted requests, including duplicates, since the processes started"`
	Duplicates uint64            `json:"duplicates"`
	Refused    map[string]uint64 `json:"refused,omitempty" doc:"refused requests by reason, since the processes started"`
	ClockOff   float64           `json:"clock_off_seconds,omitempty" doc:"how far the sender's clock is ahead, negative if behind, if this is why most of its requests are refused" example:"-380"`
}

// Process is one that answered.
type Process struct {
	report.Peer
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Endpoints int       `json:"endpoints" doc:"number of endpoints that it knows"`

	Stalled map[string]float64 `json:"stalled_seconds,omitempty" doc:"by stream, for how long it has received nothing from the bus although it should; absent if all is well" example:"{\"WEBHOOKS\":42}"`
}
