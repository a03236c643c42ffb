// Package cursor decides who delivers an event to an endpoint that does not keep up.
//
// All endpoints share one consumer of each stream of events, the shared intake. An endpoint that can't keep up leaves it
// at a place in the stream, and what lies from there on is delivered through a durable consumer of its own, its cursor,
// until it has caught up and joins the others again. Nothing is written for an event that waits: the endpoint has one
// [Record] in a bucket, which says what is whose.
//
// # The protocol
//
// Several processes take messages from the shared intake and from the cursor, each with its own copy of the records, and
// any of them may be slow to hear of a change, stopped for minutes, or killed. Each event must go to the endpoint by
// exactly one of the two ways. Both leaving and joining take two steps:
//
//  1. The record is stored in a phase that divides nothing yet ([Leaving], [Joining]).
//  2. Whoever sees it asks the consumers how far they have handed out their messages, and stores the next place as the
//     border: leaving, what lies from [Record.From] on is the cursor's; joining, what lies from [Record.Until] on is the shared
//     intake's again. The record's revision lets only one of them decide.
//
// And a process decides about a message only by a copy of the records that was current after the message was handed out:
// [Table.Sync] asks the bucket's leader for its last revision and waits until the copy has it. In a phase that divides
// nothing it decides when that phase is over.
//
// An endpoint that comes to lag again before its cursor is removed leaves in the same way: what it got from the shared intake
// in between becomes one of [Record.Gaps].
//
// Why nothing falls in between, and nothing is delivered twice: call p the moment in which step 1 is stored. A message that
// was decided by a copy from before p was handed out before p, and so before the consumers were asked, which is after p: it
// lies below the border. A message that was decided by a copy from after p is decided by the border itself. So the
// border separates exactly what was decided by the old rule from what is decided by the new one, however late a process acts
// on what it has decided. A consumer tells what it has handed out from the state that it stores (and, on a cluster, has
// replicated) before it hands a message out.
//
// Once both consumers have every acknowledgement for what lies below the border of a joined record, the record is removed,
// and then the cursor's consumer. Both: the cursor may be ahead of the shared intake, and whoever gets an event there that was
// the cursor's must find the record, or would deliver it again. What a killed server has forgotten to have handed out finds
// its outcome recorded.
//
// A consumer is named by the epoch of its record, since either may outlive the other: what comes by the consumer of another
// record is not decided about, and whoever is late to remove that of a record that is over leaves that of the next alone.
//
// What a lane holds of the shared intake when its endpoint comes to rest (its circuit opens, say) is handed over by naming the
// places in [Record.Left]. That is possible until the consumer is made, which begins at the first of them.
//
// # Disabled endpoints
//
// An endpoint that Jethook disables leaves before that, and all from [Record.From] on waits. One that its operator disables
// leaves before that and joins after it, and its record stays until it is enabled: what lies from [Record.Until] on would be
// the shared intake's, which passes it by as long as the endpoint is disabled. So the record says, by a place and no clock,
// what passed by, and [Table.Resume] gives it back to the cursor if that is asked for.
package cursor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"jethook/publish/pull"
)

// Phase is where an endpoint is on its way from the shared intake to a cursor and back.
type Phase string

// The phases, in their order. An endpoint without a record has all by the shared intake.
const (
	Leaving Phase = "leaving" // the border is not known yet
	Own     Phase = "own"     // what lies from From on is the cursor's
	Joining Phase = "joining" // the second border is not known yet
	Joined  Phase = "joined"  // what lies from Until on is the shared intake's
)

// Record says what of a stream an endpoint gets by its cursor. Records that a [Table] returns are shared and must not be
// changed.
type Record struct {
	Phase Phase  `json:"phase"`
	Epoch string `json:"epoch"` // names the consumer that belongs to the record: one with another is of an earlier one
	From  uint64 `json:"from,omitempty"`
	Until uint64 `json:"until,omitempty"`
	Gaps  []Gap  `json:"gaps,omitempty"` // from From on, and the shared intake's: the endpoint had joined it, and left again
	Left  Places `json:"left,omitzero"`  // the cursor's, although they are not by the rest of the record
	Ahead Places `json:"ahead,omitzero"` // the cursor's, and delivered another way: somebody asked for these at once
	// Going is what somebody is about to take from the cursor so, and may have been killed before: see [Table.GoAhead].
	Going Places `json:"going,omitzero"`
	// Passing tells that the endpoint joined because its operator disabled it: what lies from Until on passes by. The cursor
	// keeps what it has of that unacknowledged, since somebody may ask for it.
	Passing bool `json:"passing,omitempty"`
	// Asked tells that somebody asked for what passed by an endpoint, by when that was disabled: nothing passes it by any
	// more until it is disabled again.
	Asked time.Time `json:"asked,omitzero"`
	// Opened tells that the consumer was made, or is about to be: no place can be left to it any more.
	Opened bool      `json:"opened,omitempty"`
	Why    Why       `json:"why"`
	Since  time.Time `json:"since"` // when the endpoint left
	Missed Missed    `json:"missed,omitzero"`

	Key      Key    `json:"-"`
	Revision uint64 `json:"-"`
}

// Why is for what an endpoint left. The set is closed.
type Why string

// What an endpoint leaves for.
const (
	Behind      Why = "behind"       // more events come than it takes
	RateLimit   Why = "rate_limit"   // its own, or the one that its answers teach
	Paused      Why = "paused"       // it asked for a pause
	CircuitOpen Why = "circuit_open" // it keeps failing
	Disabled    Why = "disabled"
	Order       Why = "order" // of no record: an ordered endpoint gets one event after the other
)

// Gap is what lies from a place on, and before another.
type Gap struct {
	From  uint64 `json:"from"`
	Until uint64 `json:"until"`
}

// Key names a record.
type Key struct{ Endpoint, Stream string }

// Consumer names the consumer that belongs to the record.
func (r *Record) Consumer() pull.Own {
	return pull.Own{Stream: r.Key.Stream, Endpoint: r.Key.Endpoint, Epoch: r.Epoch}
}

func (k Key) String() string { return k.Endpoint + "." + k.Stream }

func parseKey(s string) (Key, bool) {
	endpoint, stream, ok := strings.Cut(s, ".")
	return Key{endpoint, stream}, ok && endpoint != "" && stream != ""
}

// Divides reports whether the record says of each place whose it is.
func (r *Record) Divides() bool { return r == nil || r.Phase == Own || r.Phase == Joined }

// HasCursor reports whether an event at a place is the cursor's. The record must divide.
func (r *Record) HasCursor(place uint64) bool {
	switch {
	case r == nil:
		return false
	case r.Left.has(place):
		return true
	case place < r.From:
		return false
	case slices.ContainsFunc(r.Gaps, func(g Gap) bool { return g.From <= place && place < g.Until }):
		return false
	default:
		return r.Until == 0 || place < r.Until
	}
}

// CameBefore reports whether an event at a place that is not the cursor's was handed out by the shared intake before the
// endpoint left, or might have been: what comes to a disabled endpoint later passes by.
func (r *Record) CameBefore(place uint64) bool {
	return r != nil && (!r.Divides() || r.Until == 0 || place < r.Until)
}

// Delivers reports whether the cursor delivers the event at a place that is its own, or passes it over.
func (r *Record) Delivers(place uint64) bool { return !r.Ahead.has(place) }

// Goes reports whether somebody is about to take a place from the cursor.
func (r *Record) Goes(place uint64) bool { return r != nil && r.Going.has(place) }

// Start is where the cursor's consumer begins.
func (r *Record) Start() uint64 {
	start := r.From
	if len(r.Left) > 0 {
		start = min(start, r.Left[0])
	}
	return start
}

func (r *Record) decode(key Key, data []byte, revision uint64) error {
	if err := json.Unmarshal(data, r); err != nil {
		return fmt.Errorf("reading the cursor %s: %w", key, err)
	}
	r.Key, r.Revision = key, revision
	return nil
}

// Places are sequences of a stream in ascending order, each once. They are stored as the differences between one and the
// next.
type Places []uint64

func (p Places) has(place uint64) bool {
	_, found := slices.BinarySearch(p, place)
	return found
}

// without returns p without one place.
func (p Places) without(place uint64) Places {
	return slices.DeleteFunc(slices.Clone(p), func(q uint64) bool { return q == place })
}

// with returns p and others.
func (p Places) with(others []uint64) Places {
	all := slices.Concat(p, others)
	slices.Sort(all)
	return slices.Compact(all)
}

// MarshalJSON implements [json.Marshaler].
func (p Places) MarshalJSON() ([]byte, error) {
	steps := slices.Clone([]uint64(p))
	for i := len(steps) - 1; i > 0; i-- {
		steps[i] -= steps[i-1]
	}
	return json.Marshal(steps)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Places) UnmarshalJSON(data []byte) error {
	var steps []uint64
	if err := json.Unmarshal(data, &steps); err != nil {
		return err
	}
	for i := 1; i < len(steps); i++ {
		steps[i] += steps[i-1]
	}
	*p = steps
	return nil
}
