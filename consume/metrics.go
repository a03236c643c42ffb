package consume

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/consume/attempt"
	"jethook/publish/report"
)

// meters count what the engine does for its endpoints, of which they name a bounded number.
type meters struct {
	names    *report.Names
	attempts *prometheus.CounterVec
	took     *prometheus.HistogramVec
	delay    *prometheus.HistogramVec
	dead     *prometheus.CounterVec

	mu   sync.Mutex // guards each
	each map[string]*meter
}

func newMeters(most int) *meters {
	labels := []string{"endpoint"}
	return &meters{
		names: report.NewNames(most), each: make(map[string]*meter),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jethook_attempts_total",
			Help: "Requests that this process made, by endpoint, outcome (delivered, failed, gone, later or aborted) and class of the answer or fault.",
		}, []string{"endpoint", "outcome", "class"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "jethook_attempt_duration_seconds",
			Help:    "Time that a request took, by endpoint.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, labels),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "jethook_first_attempt_delay_seconds",
			Help:    "Time from when an event was stored until its first attempt began, by endpoint.",
			Buckets: []float64{.005, .01, .05, .1, .5, 1, 5, 30, 60, 300, 1800, 7200},
		}, labels),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jethook_deliveries_dead_total",
			Help: "Deliveries that this process made dead letters, by endpoint.",
		}, labels),
	}
}

func (m *meters) all() []prometheus.Collector {
	return []prometheus.Collector{m.attempts, m.took, m.delay, m.dead}
}

// open returns the meter of an endpoint that there is, which is made if there is none yet.
func (m *meters) open(id string) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.each[id]
	if !ok {
		name := m.names.Claim(id)
		one = &meter{name: name, took: m.took.WithLabelValues(name), delay: m.delay.WithLabelValues(name), dead: m.dead.WithLabelValues(name)}
		m.each[id] = one
	}
	return one
}

// find returns the meter of an endpoint; nil if it is removed, or if nothing was counted for it yet.
func (m *meters) find(id string) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.each[id]
}

// forget forgets an endpoint that is removed.
func (m *meters) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one := m.each[id]; one != nil {
		delete(m.each, id)
		if one.name != report.Other {
			label := prometheus.Labels{"endpoint": one.name}
			for _, v := range []interface {
				DeletePartialMatch(prometheus.Labels) int
			}{m.attempts, m.took, m.delay, m.dead} {
				v.DeletePartialMatch(label)
			}
		}
	}
	m.names.Release(id)
}

// note counts a request, and how long its event waited for the first one.
func (m *meters) note(j *job, res *attempt.Result) {
	one := m.find(j.d.Endpoint)
	if one == nil {
		return
	}
	one.took.Observe(res.Duration.Seconds())
	if j.isFirst() && j.d.Attempt == 1 && !j.h.stored.IsZero() && res.Verdict != attempt.Aborted {
		one.delay.Observe(max(0, res.Started.Sub(j.h.stored)).Seconds())
	}
	if res.Verdict == attempt.Delivered {
		one.dying.Store(false)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.each[j.d.Endpoint] == one { // else its series are removed
		m.attempts.WithLabelValues(one.name, res.Verdict.String(), string(res.Class)).Inc()
	}
}

// meter counts what is done for one endpoint.
type meter struct {
	name        string
	took, delay prometheus.Observer
	dead        prometheus.Counter
	dying       atomic.Bool // a delivery has died since a request last succeeded
}

// firstDeath reports whether no delivery has died since the endpoint last took one, and remembers that one has now.
func (m *meter) firstDeath() bool { return !m.dying.Swap(true) }

// countDead counts a dead letter of an endpoint.
func (e *Engine) countDead(id string) {
	if m := e.meters.find(id); m != nil {
		m.dead.Inc()
	}
}

var (
	lanesDesc = prometheus.NewDesc("jethook_lanes",
		"Endpoints that this process has had something for.", nil, nil)
	busyLanesDesc = prometheus.NewDesc("jethook_lanes_busy",
		"Endpoints to which this process makes a request now.", nil, nil)
	heldDesc = prometheus.NewDesc("jethook_lanes_held_bytes",
		"Bodies of the deliveries that this process holds, running or queued; one that goes to several endpoints counts for each.", nil, nil)
	stalledDesc = prometheus.NewDesc("jethook_intake_stalled_seconds",
		"For how long this process has got no messages of a stream although it asks for them and the bus should answer, by stream; 0: all is well.", []string{"stream"}, nil)
	runningDesc = prometheus.NewDesc("jethook_endpoint_requests_running",
		"Requests that this process is making now, by endpoint.", []string{"endpoint"}, nil)
)

// Names are those of the endpoints that have metrics of their own.
func (e *Engine) Names() *report.Names { return e.meters.names }

// Describe is of [prometheus.Collector].
func (e *Engine) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range e.meters.all() {
		c.Describe(ch)
	}
	ch <- lanesDesc
	ch <- busyLanesDesc
	ch <- heldDesc
	ch <- runningDesc
	ch <- stalledDesc
}

// Collect tells what this process did and does for the endpoints. It asks the bus nothing.
func (e *Engine) Collect(ch chan<- prometheus.Metric) {
	for _, c := range e.meters.all() {
		c.Collect(ch)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	running := make(map[string]int)
	lanes := e.Report()
	for i := range lanes {
		if m := e.meters.find(lanes[i].ID); m != nil {
			running[m.name] += lanes[i].Running
		}
	}
	for name, n := range running {
		gauge(runningDesc, float64(n), name)
	}
	for stream, d := range e.Stalled() {
		gauge(stalledDesc, d.Seconds(), stream)
	}
	gauge(lanesDesc, float64(len(lanes)))
	gauge(busyLanesDesc, float64(e.lanes.Busy()))
	gauge(heldDesc, float64(e.lanes.Bytes()))
}

// Unreadable names the recoveries that can't be read, and tells how many there are.
func (e *Engine) Unreadable() ([]report.Unreadable, int) {
	return e.recoveries.Unreadable()
}

// Report returns what this process does for each endpoint that it has had something for.
func (e *Engine) Report() []report.Endpoint {
	now := time.Now()
	lanes := e.lanes.All()
	out := make([]report.Endpoint, len(lanes))
	for i, l := range lanes {
		out[i] = l.Report(now)
	}
	return out
}

// circuits tells a recovery of the lanes' circuits.
type circuits struct{ engine *Engine }

// IsOpen reports whether an endpoint's circuit is open in this process.
func (c circuits) IsOpen(id string) bool {
	l := c.engine.lanes.Find(id)
	return l != nil && !l.Works()
}
