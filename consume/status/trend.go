package status

import (
	"context"
	"slices"
	"sync"
	"time"

	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/quarantine"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Step is what happened in one step of time, counted on the bus.
type Step struct {
	Start, End time.Time
	Received   uint64 // events that were stored: webhooks, and those of services
	Delivered  uint64 // attempts that went well
	Failed     uint64 // and those that did not
	Refused    uint64 // requests that did not verify and were kept
}

// Recent is what happened of late that is worth telling: dead letters and refusals of the last day.
type Recent struct {
	Dead    map[string]uint64 // by endpoint's id: dead letters that died in the last day and still are
	Refused []Refusal         // of sources of which something was refused in the last day
}

// Refusal is how much of a source was refused.
type Refusal struct {
	Source  string
	Hour    uint64            // in the last hour
	Usual   float64           // in an hour of the 23 before
	Reasons map[string]uint64 // of the newest in the last hour
}

// Spike reports whether the last hour is told apart from the usual.
func (r *Refusal) Spike() bool {
	const least, much = 5, 4
	return r.Hour >= least && float64(r.Hour) > much*r.Usual
}

// Trends counts what happened, step by step. Steps that are over are counted once; the present one, and what is
// recent, at most once in some seconds, whoever asks. It is safe for concurrent use.
type Trends struct {
	bus *publish.Bus

	mu     sync.Mutex // guards what follows, and is held while it is counted: who asks meanwhile wants the same
	over   map[stepKey]Step
	open   map[time.Duration]counted[Step]
	recent counted[*Recent]
}

type stepKey struct {
	start int64
	every time.Duration
}

// counted is something with the time when it was counted.
type counted[T any] struct {
	what T
	at   time.Time
}

// countedFor is how long a count of what still goes on is given to whoever asks.
const countedFor = 10 * time.Second

// NewTrends returns trends of what lies on bus.
func NewTrends(bus *publish.Bus) *Trends {
	return &Trends{bus: bus, over: make(map[stepKey]Step), open: make(map[time.Duration]counted[Step])}
}

// Last returns the last n steps, the oldest first; the newest one still goes on.
func (t *Trends) Last(ctx context.Context, every time.Duration, n int) ([]Step, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().UTC()
	newest := now.Truncate(every)
	steps := make([]Step, 0, n)
	var later *totals // that of the step before, whose start is this one's end
	for i := range n {
		start := newest.Add(-time.Duration(i) * every)
		step, known := t.over[stepKey{start.Unix(), every}]
		if open := t.open[every]; i == 0 && open.what.Start.Equal(start) && now.Sub(open.at) < countedFor {
			step, known = open.what, true
		}
		if !known {
			if later == nil {
				later = &totals{}
				if i > 0 {
					var err error
					if later, err = t.totals(ctx, start.Add(every)); err != nil {
						return nil, err
					}
				}
			}
			from, err := t.totals(ctx, start)
			if err != nil {
				return nil, err
			}
			step, later = from.until(later), from
			step.Start, step.End = start, start.Add(every)
			if i == 0 {
				t.open[every] = counted[Step]{step, now}
			} else {
				t.over[stepKey{start.Unix(), every}] = step
			}
		} else {
			later = nil
		}
		steps = append(steps, step)
	}
	for key := range t.over {
		if key.every == every && key.start < newest.Add(-time.Duration(n)*every).Unix() {
			delete(t.over, key)
		}
	}
	slices.Reverse(steps)
	return steps, nil
}

// totals are how much of each kind lies on the bus from a time on; zero ones are those of the present.
type totals struct{ received, delivered, failed, refused uint64 }

// until is what lies between two times. What came while they were counted, or went at the end, can't make it negative.
func (m *totals) until(later *totals) Step {
	less := func(a, b uint64) uint64 { return a - min(a, b) }
	return Step{
		Received: less(m.received, later.received), Delivered: less(m.delivered, later.delivered),
		Failed: less(m.failed, later.failed), Refused: less(m.refused, later.refused),
	}
}

// totals counts from a time on.
func (t *Trends) totals(ctx context.Context, at time.Time) (*totals, error) {
	m := &totals{}
	for _, part := range []struct {
		stream     string
		selections []query.Selection
		to         []*uint64
	}{
		{topology.StreamWebhooks, []query.Selection{query.All(topology.StreamWebhooks)}, []*uint64{&m.received}},
		{topology.StreamEvents, []query.Selection{query.All(topology.StreamEvents)}, []*uint64{&m.received}},
		{topology.StreamRejected, []query.Selection{query.All(topology.StreamRejected)}, []*uint64{&m.refused}},
		{
			topology.StreamHistory,
			[]query.Selection{delivery.HistoryKey{Outcome: "delivered"}.Selection(), delivery.HistoryKey{Outcome: "failed"}.Selection(), delivery.HistoryKey{Outcome: "dead"}.Selection()},
			[]*uint64{&m.delivered, &m.failed, &m.failed},
		},
	} {
		first, err := t.bus.Query().FirstSince(ctx, query.All(part.stream), at)
		if err != nil {
			return nil, err
		}
		for i, selection := range part.selections {
			n, err := t.bus.Query().CountOn(ctx, selection, first)
			if err != nil {
				return nil, err
			}
			*part.to[i] += n
		}
	}
	return m, nil
}

// asked bounds of how many endpoints and sources what is recent is counted: the first of those that have anything.
const asked = 50

// few is how many sources are asked for without a sign that something was refused.
const few = 20

// sampled is how many refused requests are read to tell their reasons.
const sampled = 200

// Recent counts what happened in the last day to the endpoints and sources of a status.
func (t *Trends) Recent(ctx context.Context, st *Status) (*Recent, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent.what != nil && time.Since(t.recent.at) < countedFor {
		return t.recent.what, nil
	}
	r := &Recent{Dead: make(map[string]uint64)}
	day := time.Now().Add(-24 * time.Hour)
	first, err := t.bus.Query().FirstSince(ctx, query.All(topology.StreamDead), day)
	if err != nil {
		return nil, err
	}
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		if e.Dead == 0 || len(r.Dead) == asked {
			continue
		}
		if r.Dead[e.ID], err = t.bus.Query().CountOn(ctx, query.Dead(e.ID), first); err != nil {
			return nil, err
		}
	}
	for i := range st.Sources {
		// The figures begin with the processes; what was refused before is worth asking for while there are few sources.
		if len(st.Sources[i].Refused) == 0 && len(st.Sources) > few || len(r.Refused) == asked {
			continue
		}
		refusal, err := t.refusal(ctx, st.Sources[i].Name, day)
		if err != nil {
			return nil, err
		}
		r.Refused = append(r.Refused, *refusal)
	}
	t.recent = counted[*Recent]{r, time.Now()}
	return r, nil
}

// refusal counts what is kept of a source's refused requests.
func (t *Trends) refusal(ctx context.Context, source string, day time.Time) (*Refusal, error) {
	r := &Refusal{Source: source, Reasons: make(map[string]uint64)}
	selection := query.Rejected(source)
	hour := time.Now().Add(-time.Hour)
	var total uint64
	for since, to := range map[time.Time]*uint64{day: &total, hour: &r.Hour} {
		first, err := t.bus.Query().FirstSince(ctx, query.All(topology.StreamRejected), since)
		if err != nil {
			return nil, err
		}
		if *to, err = t.bus.Query().CountOn(ctx, selection, first); err != nil {
			return nil, err
		}
	}
	r.Usual = float64(total-min(total, r.Hour)) / 23
	if r.Hour == 0 {
		return r, nil
	}
	page, _, err := t.bus.Query().Reverse(ctx, selection.Within(hour, time.Time{}), 0, sampled)
	if err != nil {
		return nil, err
	}
	for i := range page {
		if rejected, err := quarantine.RequestOf(&page[i]); err == nil {
			r.Reasons[rejected.Reason]++
		}
	}
	return r, nil
}
