// Package metrics counts what a process does for its endpoints, of which it names a bounded number.
//
// An endpoint that is removed takes its series with it. The package counts what it is told; it looks at nothing itself.
package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/consume/attempt"
	"jethook/publish/report"
)

// Meters count what the engine does for its endpoints, of which they name a bounded number. They are safe for concurrent
// use.
type Meters struct {
	names    *report.Names
	attempts *prometheus.CounterVec
	took     *prometheus.HistogramVec
	delay    *prometheus.HistogramVec
	dead     *prometheus.CounterVec

	mu   sync.Mutex // guards each
	each map[string]*meter
}

// New returns meters that name at most so many endpoints.
func New(most int) *Meters {
	labels := []string{"endpoint"}
	return &Meters{
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

// Names are those of the endpoints that have metrics of their own.
func (m *Meters) Names() *report.Names { return m.names }

// Name is what an endpoint's series are called; empty if it is removed, or if nothing was counted for it yet.
func (m *Meters) Name(id string) string {
	if one := m.find(id); one != nil {
		return one.name
	}
	return ""
}

// Describe is of [prometheus.Collector].
func (m *Meters) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect is of [prometheus.Collector].
func (m *Meters) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

// Open begins to count for an endpoint that there is, unless that has begun.
func (m *Meters) Open(id string) { m.open(id) }

func (m *Meters) all() []prometheus.Collector {
	return []prometheus.Collector{m.attempts, m.took, m.delay, m.dead}
}

// open returns the meter of an endpoint that there is, which is made if there is none yet.
func (m *Meters) open(id string) *meter {
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
func (m *Meters) find(id string) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.each[id]
}

// Forget forgets an endpoint that is removed.
func (m *Meters) Forget(id string) {
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

// Note counts a request to an endpoint. Stored is when its event was, if this was the first attempt of a delivery that had not
// waited; else zero.
func (m *Meters) Note(id string, res *attempt.Result, stored time.Time) {
	one := m.find(id)
	if one == nil {
		return
	}
	one.took.Observe(res.Duration.Seconds())
	if !stored.IsZero() && res.Verdict != attempt.Aborted {
		one.delay.Observe(max(0, res.Started.Sub(stored)).Seconds())
	}
	if res.Verdict == attempt.Delivered {
		one.dying.Store(false)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.each[id] == one { // else its series are removed
		m.attempts.WithLabelValues(one.name, res.Verdict.String(), string(res.Class)).Inc()
	}
}

// Died counts a dead letter of an endpoint.
func (m *Meters) Died(id string) {
	if one := m.find(id); one != nil {
		one.dead.Inc()
	}
}

// FirstDeath reports whether no delivery of an endpoint that there is has died since it last took one, and remembers that one
// has now.
func (m *Meters) FirstDeath(id string) bool { return !m.open(id).dying.Swap(true) }

// meter counts what is done for one endpoint.
type meter struct {
	name        string
	took, delay prometheus.Observer
	dead        prometheus.Counter
	dying       atomic.Bool // a delivery has died since a request last succeeded
}
