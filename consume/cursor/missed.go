package cursor

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/pull"
)

// Missed is what the stream's retention took while it waited for the endpoint.
type Missed struct {
	Events uint64 `json:"events"`
	Told   uint64 `json:"told"` // of Events: those that were announced
	Mark   *Mark  `json:"mark,omitempty"`
}

// Mark is what waited at a moment: what is gone from there later, and was not handed out, is missed.
type Mark struct {
	Place   uint64 `json:"place"`   // up to which the consumer had handed out
	Handed  uint64 `json:"handed"`  // messages that it had handed out
	Last    uint64 `json:"last"`    // the stream's last sequence
	Waiting uint64 `json:"waiting"` // the cursor's events that lay behind Place, up to Last
	Filters uint64 `json:"filters"` // a hash of the patterns by which they were counted
}

// Spans returns what lies from one place to another, inclusive, and is the cursor's, beside what is in Left.
func (r *Record) Spans(from, to uint64) (spans []Gap) {
	from, end := max(from, r.From), to+1
	if r.Until != 0 {
		end = min(end, r.Until)
	}
	for _, g := range r.Gaps {
		if g.Until <= from || g.From >= end {
			continue
		}
		if g.From > from {
			spans = append(spans, Gap{from, g.From})
		}
		from = g.Until
	}
	if from < end {
		spans = append(spans, Gap{from, end})
	}
	return spans
}

// Within counts the places from one to another, inclusive.
func (p Places) Within(from, to uint64) (n uint64) {
	for _, place := range p {
		if from <= place && place <= to {
			n++
		}
	}
	return n
}

// Missed reads from the bucket how many events retention took from the cursors that there are, by endpoint.
func (t *Table) Missed(ctx context.Context) (map[string]uint64, error) {
	w, err := t.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("reading the cursors' bucket: %w", pull.Unavailable(err))
	}
	defer w.Stop() //nolint:errcheck // it ends with its connection
	missed := make(map[string]uint64)
	for {
		select {
		case entry := <-w.Updates():
			if entry == nil {
				return missed, nil
			}
			var r Record
			key, ok := parseKey(entry.Key())
			if ok && r.decode(key, entry.Value(), entry.Revision()) == nil && r.Missed.Events > 0 {
				missed[key.Endpoint] += r.Missed.Events
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
