package status

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/publish/delivery"
	"jethook/publish/report"
)

const (
	// gaugesFresh is for how long a status is good enough for the metrics, and gaugesShare a multiple of the time that
	// making it took: however often they are scraped, and by however many, the bus is kept busy for a fifth of the time.
	gaugesFresh = 5 * time.Second
	gaugesShare = 4
	// gaugesWait is how long a scrape waits for a status. The one before it is shown otherwise.
	gaugesWait = 2 * time.Second
	// gaugesOld is when a status says nothing about the present any more: better no figures than wrong ones.
	gaugesOld = 2 * time.Minute
)

// Gauges are a status in the form of metrics. Every process shows the same figures of the bus: whoever adds up what
// several processes show must take the greatest of each, not the sum. What a status lacks has no metric.
type Gauges struct {
	board *Board
	names *report.Names

	mu    sync.Mutex // guards what follows
	last  *Status
	until time.Time // the last one is good enough until then
}

// NewGauges returns the metrics of a board. Endpoints that find no place in names are added up.
func NewGauges(board *Board, names *report.Names) *Gauges { return &Gauges{board: board, names: names} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("jethook_"+name, help, labels, nil)
}

var (
	descAt         = desc("status_timestamp_seconds", "When the figures of the bus were taken; they are of this process's last look.")
	descIncomplete = desc("status_incomplete", "How many parts of the status could not be had; their metrics are missing.")

	descEndpoints = desc("endpoints", "Endpoints, by state: healthy, failing, open (its circuit is open) or disabled.", "state")
	descOpen      = desc("endpoint_circuit_open", "1 if the endpoint keeps failing and is only probed, otherwise 0; of the endpoint other how many do.", "endpoint")
	descDisabled  = desc("endpoint_disabled", "1 if the endpoint is disabled, otherwise 0; of the endpoint other how many are.", "endpoint")
	descWaiting   = desc("deliveries_waiting", "Deliveries that wait, by endpoint and what for.", "endpoint", "why")
	descPastDue   = desc("deliveries_past_due_seconds", "How long ago the delivery was due that is most overdue, by endpoint; 0 if none is.", "endpoint")
	descDead      = desc("deliveries_dead", "Dead letters, by endpoint.", "endpoint")
	descMissed    = desc("events_missed", "Events that retention took while they waited for the endpoint, until it has caught up.", "endpoint")

	descPending = desc("consumer_pending_messages", "Messages that a consumer shared by all processes has not handed out.", "stream", "consumer")
	descUnacked = desc("consumer_unacknowledged_messages", "Messages that it has handed out and that have no outcome yet.", "stream", "consumer")
	descOldest  = desc("consumer_oldest_seconds", "Age of the oldest of both; 0 if there is none.", "stream", "consumer")

	descMessages    = desc("stream_messages", "Messages in a stream.", "stream")
	descBytes       = desc("stream_bytes", "Size of a stream.", "stream")
	descBytesLimit  = desc("stream_limit_bytes", "The most that a stream may hold, if it has a limit of its own.", "stream")
	descStore       = desc("store_bytes", "Size of all streams together.")
	descStoreLimit  = desc("store_limit_bytes", "The most that all streams may hold together, if there is a limit.")
	descProcesses   = desc("processes", "Processes that answer, by role.", "role")
	descMissing     = desc("processes_missing", "Processes that were heard of in the last 15 minutes and do not answer.")
	descUnreadables = desc("records_unreadable", "Stored records that some process can't read and passes over.")
)

var gaugeDescs = []*prometheus.Desc{
	descAt, descIncomplete, descEndpoints, descOpen, descDisabled, descWaiting, descPastDue, descDead, descMissed, descPending,
	descUnacked, descOldest, descMessages, descBytes, descBytesLimit, descStore, descStoreLimit, descProcesses, descMissing, descUnreadables,
}

// Describe is of [prometheus.Collector].
func (g *Gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range gaugeDescs {
		ch <- d
	}
}

// Collect shows a status that is seconds old. It never waits long for one, since a scrape that gets no answer in time
// has no figures of the process itself either.
func (g *Gauges) Collect(ch chan<- prometheus.Metric) {
	s := g.status()
	if s == nil {
		return
	}
	p := pen{ch}
	p.gauge(descAt, float64(s.At.UnixMilli())/1000)
	p.gauge(descIncomplete, float64(len(s.Incomplete)))
	p.gauge(descUnreadables, float64(len(s.Unreadable)))
	g.endpoints(p, s)
	p.queues(s)
	p.streams(s)
	roles := make(map[string]int)
	for i := range s.Processes {
		roles[s.Processes[i].Role]++
	}
	for role, n := range roles {
		p.gauge(descProcesses, float64(n), role)
	}
	p.gauge(descMissing, float64(len(s.Missing)))
}

// status returns the status to show; nil when there is none that says anything.
func (g *Gauges) status() *Status {
	g.mu.Lock()
	s, until := g.last, g.until
	g.mu.Unlock()
	if time.Now().Before(until) {
		return s
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), gaugesWait)
	defer cancel()
	s, err := g.board.Status(ctx)
	if err != nil {
		s = g.board.latest()
	}
	if s == nil || time.Since(s.At) > gaugesOld {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last, g.until = s, time.Now().Add(max(gaugesFresh, gaugesShare*time.Since(began)))
	return s
}

// sums are what is shown of one endpoint, or of all that have no name of their own.
type sums struct {
	open, disabled, dead, missed uint64
	waiting                      map[string]uint64
	pastDue                      time.Duration
}

func (g *Gauges) endpoints(p pen, s *Status) {
	if g.board.registry == nil {
		return
	}
	states := map[State]int{Healthy: 0, Failing: 0, Open: 0, Disabled: 0}
	all := make(map[string]*sums)
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		if _, ok := g.board.registry.Lookup(e.ID); !ok { // it was removed meanwhile, and must not take a name
			continue
		}
		states[e.State]++
		name := g.names.Claim(e.ID)
		if all[name] == nil {
			all[name] = &sums{waiting: make(map[string]uint64)}
		}
		all[name].add(e, s.At)
	}
	for state, n := range states {
		p.gauge(descEndpoints, float64(n), string(state))
	}
	for name, sum := range all {
		p.endpoint(s, name, sum)
	}
}

func (sum *sums) add(e *Endpoint, at time.Time) {
	switch e.State {
	case Open:
		sum.open++
	case Disabled:
		sum.disabled++
	}
	sum.dead += e.Dead
	sum.missed += e.Missed
	for why, n := range e.WaitingWhy {
		sum.waiting[why] += n
	}
	if e.Behind > 0 {
		sum.waiting[e.BehindWhy] += e.Behind
	}
	if e.NextDue != nil && e.State != Disabled { // what waits for a disabled endpoint is due when that is enabled
		sum.pastDue = max(sum.pastDue, at.Sub(*e.NextDue))
	}
}

// pen writes metrics.
type pen struct{ ch chan<- prometheus.Metric }

func (p pen) gauge(d *prometheus.Desc, v float64, labels ...string) {
	p.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// endpoint writes what is known of an endpoint, and nothing that looks like a 0 and is not known.
func (p pen) endpoint(s *Status, name string, sum *sums) {
	p.gauge(descOpen, float64(sum.open), name)
	p.gauge(descDisabled, float64(sum.disabled), name)
	if !s.lacks(lackDue, lackTurn, lackBehind, lackWaiting) {
		sum.waiting[string(delivery.WhyRetry)] += 0 // so that an endpoint for which nothing waits has a series
		for why, n := range sum.waiting {
			p.gauge(descWaiting, float64(n), name, why)
		}
		p.gauge(descPastDue, sum.pastDue.Seconds(), name)
	}
	if !s.lacks(lackDead) {
		p.gauge(descDead, float64(sum.dead), name)
	}
	if !s.lacks(lackMissed) {
		p.gauge(descMissed, float64(sum.missed), name)
	}
}

func (p pen) queues(s *Status) {
	for i := range s.Queues {
		q := &s.Queues[i]
		p.gauge(descPending, float64(q.Pending), q.Stream, q.Name)
		p.gauge(descUnacked, float64(q.Unacked), q.Stream, q.Name)
		age := time.Duration(0)
		if q.Oldest != nil {
			age = max(0, s.At.Sub(*q.Oldest))
		}
		p.gauge(descOldest, age.Seconds(), q.Stream, q.Name)
	}
}

func (p pen) streams(s *Status) {
	for i := range s.Streams {
		st := &s.Streams[i]
		p.gauge(descMessages, float64(st.Messages), st.Name)
		p.gauge(descBytes, float64(st.Bytes), st.Name)
		if st.MaxBytes > 0 {
			p.gauge(descBytesLimit, float64(st.MaxBytes), st.Name)
		}
	}
	if s.lacks(lackStore) {
		return
	}
	p.gauge(descStore, float64(s.Store.Used))
	if s.Store.Limit > 0 {
		p.gauge(descStoreLimit, float64(s.Store.Limit))
	}
}
