package consume

import (
	"sync"

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
}

func newMeters(most int) *meters {
	labels := []string{"endpoint"}
	return &meters{
		names: report.NewNames(most),
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

// of returns the meter of an endpoint's lane. Each is given up by release.
func (m *meters) of(id string) *meter {
	name := m.names.Claim(id)
	return &meter{
		of: m, name: name, took: m.took.WithLabelValues(name), delay: m.delay.WithLabelValues(name), dead: m.dead.WithLabelValues(name),
	}
}

// meter counts what is done for one endpoint.
type meter struct {
	of          *meters
	name        string
	took, delay prometheus.Observer
	dead        prometheus.Counter

	mu       sync.Mutex // guards released
	released bool
}

// note counts a request, and how long its event waited for the first one.
func (m *meter) note(j *job, res *attempt.Result) {
	m.took.Observe(res.Duration.Seconds())
	if j.isFirst() && j.d.Attempt == 1 && !j.h.stored.IsZero() && res.Verdict != attempt.Aborted {
		m.delay.Observe(max(0, res.Started.Sub(j.h.stored)).Seconds())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.released {
		m.of.attempts.WithLabelValues(m.name, res.Verdict.String(), string(res.Class)).Inc()
	}
}

// countDead counts a dead letter of an endpoint.
func (e *Engine) countDead(id string) {
	e.mu.Lock()
	l := e.lanes[id]
	e.mu.Unlock()
	if l != nil {
		l.meter.dead.Inc()
	}
}

// release forgets an endpoint that is removed.
func (m *meter) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.released = true
	if m.name == report.Other {
		return
	}
	label := prometheus.Labels{"endpoint": m.name}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.of.attempts, m.of.took, m.of.delay, m.of.dead} {
		v.DeletePartialMatch(label)
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
	lanes := e.allLanes()
	for _, l := range lanes {
		running[l.meter.name] += l.inFlight()
	}
	for name, n := range running {
		gauge(runningDesc, float64(n), name)
	}
	for stream, d := range e.Stalled() {
		gauge(stalledDesc, d.Seconds(), stream)
	}
	gauge(lanesDesc, float64(len(lanes)))
	gauge(busyLanesDesc, float64(e.busyLanes.Load()))
	gauge(heldDesc, float64(e.laneBytes.Load()))
}

// inFlight is how many requests the lane makes now.
func (l *lane) inFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}
