package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"jethook/config"
	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/notice"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/report"
)

const (
	// fresh is for how long a status is given to whoever asks. One that took longer to make is kept for as long as
	// that took, so that no number of askers keeps the bus busy with it.
	fresh = time.Second
	// BuildTime bounds the making of one: long enough for 10,000 endpoints that all have something waiting, on a machine
	// that has other things to do. What is not done by then is left out.
	BuildTime = 25 * time.Second
)

// Board makes the status. It is safe for concurrent use: who asks at the same time gets the same.
type Board struct {
	bus      *publish.Bus
	registry *registry.Registry
	sources  []config.Source

	flight singleflight.Group
	large  map[string]bool // used by the flight alone: endpoints for which so much waited that counting it again would take long

	mu    sync.Mutex // guards what follows
	last  *Status
	until time.Time
}

// NewBoard returns a board over what lies on bus. The registry is nil in a process that keeps none; sources are the
// those of this process, which are listed even when no process reports them.
func NewBoard(bus *publish.Bus, registry *registry.Registry, sources []config.Source) *Board {
	return &Board{bus: bus, registry: registry, sources: sources}
}

// Status returns the status of this moment, or of the last second. It fails only when ctx ends. What it returns is
// shared and must not be modified.
func (b *Board) Status(ctx context.Context) (*Status, error) {
	b.mu.Lock()
	last, until := b.last, b.until
	b.mu.Unlock()
	if time.Now().Before(until) {
		return last, nil
	}
	made := b.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), BuildTime) // others wait for it too
		defer cancel()
		began := time.Now()
		s := b.build(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.last, b.until = s, time.Now().Add(max(fresh, time.Since(began)))
		return s, nil
	})
	select {
	case r := <-made:
		return r.Val.(*Status), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// latest returns the status that was made last, however old it is; nil when there is none yet.
func (b *Board) latest() *Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// What a status may lack, and that has metrics.
const (
	lackDue     = "deliveries that came due"
	lackTurn    = "deliveries that have their turn"
	lackBehind  = "what lagging and ordered endpoints have not come to"
	lackWaiting = "waiting deliveries"
	lackDead    = "dead letters"
	lackMissed  = "missed"
	lackStore   = "store"
)

// lacks reports whether the status can't tell one of these.
func (s *Status) lacks(what ...string) bool {
	return slices.ContainsFunc(what, func(w string) bool { return s.lacking[w] })
}

// draft is a status that is being made.
type draft struct {
	*Status
	bus *publish.Bus

	mu     sync.Mutex // guards Incomplete
	loads  map[string]*load
	missed map[string]uint64
	large  map[string]bool
}

// note notes what the status can't tell.
func (d *draft) note(what string, err error) {
	if err == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lacking[what] = true
	d.Incomplete = append(d.Incomplete, fmt.Sprintf("%s: %v", what, err))
}

func (b *Board) build(ctx context.Context) *Status {
	now := time.Now().UTC()
	d := &draft{bus: b.bus, large: b.large, Status: &Status{
		lacking: make(map[string]bool), At: now, Endpoints: []Endpoint{}, Streams: []Stream{}, Queues: []Queue{}, Sources: []Source{}, Processes: []Process{},
	}}
	var endpoints []*endpoint.Endpoint
	if b.registry != nil {
		endpoints = b.registry.All()
	} else {
		d.Incomplete = append(d.Incomplete, "endpoints: this process does not deliver; call one that does")
	}
	var reports []report.Process
	var g errgroup.Group
	g.Go(func() (err error) {
		reports, d.Missing, err = b.bus.Processes().Ask(ctx)
		d.note("processes", err)
		return nil
	})
	g.Go(func() error {
		d.loads = d.weigh(ctx, endpoints)
		return nil
	})
	g.Go(func() (err error) {
		d.missed, err = cursor.NewTable(b.bus, nil).Missed(ctx)
		d.note(lackMissed, err)
		return nil
	})
	g.Go(func() error {
		d.readStreams(ctx)
		return nil
	})
	g.Wait() //nolint:errcheck // each notes what it lacks
	b.large = make(map[string]bool)
	for id, l := range d.loads {
		if l.scheduled > large {
			b.large[id] = true
		}
	}
	if mark, _ := b.bus.Moving().Moving(); mark != nil {
		d.Moving = &Moving{To: mark.To, Phase: string(mark.Phase), Began: mark.Began}
	}
	d.readProcesses(reports)
	d.readSources(ctx, reports, b.sources)
	d.readEndpoints(endpoints, reports)
	slices.Sort(d.Incomplete)
	return d.Status
}

// readProcesses lists who answered, and notes who did not.
func (d *draft) readProcesses(reports []report.Process) {
	d.HourSince = d.At.Add(-time.Hour)
	for i := range reports {
		r := &reports[i]
		d.Unknown += r.UnknownSource
		d.Processes = append(d.Processes, Process{Peer: r.Peer, Version: r.Version, Started: r.Started.UTC(), Endpoints: r.Known, Stalled: r.Stalled})
		if r.Started.After(d.HourSince) {
			d.HourSince = r.Started.UTC()
		}
	}
	for _, m := range d.Missing {
		d.Incomplete = append(d.Incomplete, fmt.Sprintf("processes: no response from %s on %s (pid %d), last heard at %s",
			m.Role, m.Host, m.PID, m.Heard.UTC().Format(time.TimeOnly)))
	}
	d.readUnreadable(reports)
	if len(reports) == 0 {
		d.Incomplete = append(d.Incomplete, "processes: none responds, so requests in progress are not known")
	}
}

// readUnreadable lists the records that processes can't read, each once.
func (d *draft) readUnreadable(reports []report.Process) {
	for i := range reports {
		r := &reports[i]
		who := fmt.Sprintf("%s on %s (pid %d)", r.Role, r.Host, r.PID)
		for _, u := range r.Unreadable {
			same := func(have Unreadable) bool { return have.Unreadable == u }
			if k := slices.IndexFunc(d.Unreadable, same); k >= 0 {
				d.Unreadable[k].Processes = append(d.Unreadable[k].Processes, who)
			} else {
				d.Unreadable = append(d.Unreadable, Unreadable{u, []string{who}})
			}
		}
		if n := r.UnreadableCount - len(r.Unreadable); n > 0 {
			d.Incomplete = append(d.Incomplete, fmt.Sprintf("unreadable records: %d more of %s", n, who))
		}
	}
	slices.SortStableFunc(d.Unreadable, func(a, b Unreadable) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Key, b.Key))
	})
}

// readEndpoints puts together what is known of each endpoint, the most urgent first.
func (d *draft) readEndpoints(endpoints []*endpoint.Endpoint, reports []report.Process) {
	reported := merge(reports)
	var hour report.Hour
	for _, ep := range endpoints {
		about := notice.About(ep)
		e := Endpoint{ID: ep.ID, Name: ep.Name, Host: about.Host, DisabledReason: ep.DisabledReason, Missed: d.missed[ep.ID]}
		l := d.loads[ep.ID]
		if l == nil {
			l = &load{}
		}
		l.describe(&e)
		told := reported[ep.ID]
		if told == nil {
			told = &report.Endpoint{}
		}
		describe(told, &e)
		hour.Add(&told.Hour)
		e.State = stateOf(ep, told, l.tried)
		if e.State == Open {
			since := ep.FailingSince.UTC()
			e.FailingSince = &since
		}
		d.Endpoints = append(d.Endpoints, e)
		d.Behind += e.Behind
	}
	if hour.Delivered+hour.Failed > 0 {
		d.P50, d.P99 = milliseconds(hour.Latency.Quantile(0.5)), milliseconds(hour.Latency.Quantile(0.99))
	}
	slices.SortStableFunc(d.Endpoints, moreUrgent)
}

// stateOf says how an endpoint fares. Tried says that something waits because it failed before: that counts when no
// process has made a request since it started.
func stateOf(ep *endpoint.Endpoint, told *report.Endpoint, tried bool) State {
	never := told.LastOK.IsZero() && told.LastFailed.IsZero()
	switch {
	case ep.Disabled:
		return Disabled
	case !ep.FailingSince.IsZero():
		return Open
	case told.LastFailed.After(told.LastOK), never && tried:
		return Failing
	default:
		return Healthy
	}
}

// moreUrgent orders endpoints: what needs somebody first comes first.
func moreUrgent(a, b Endpoint) int {
	rank := func(e *Endpoint) int {
		switch {
		case e.State == Open:
			return 0
		case e.State == Failing:
			return 1
		case e.State == Disabled && e.Waiting+e.Behind > 0:
			return 2
		case e.Dead > 0:
			return 3
		case e.Waiting+e.Behind > 0:
			return 4
		default:
			return 5
		}
	}
	oldest := func(e *Endpoint) int64 {
		if e.Oldest == nil {
			return 1<<63 - 1
		}
		return e.Oldest.UnixNano()
	}
	return cmp.Or(
		cmp.Compare(rank(&a), rank(&b)), cmp.Compare(oldest(&a), oldest(&b)), cmp.Compare(b.Dead, a.Dead), cmp.Compare(a.Name, b.Name),
	)
}
