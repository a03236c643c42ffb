package consume

import (
	"github.com/prometheus/client_golang/prometheus"

	"jethook/publish/report"
)

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
func (e *Engine) Names() *report.Names { return e.meters.Names() }

// Describe is of [prometheus.Collector].
func (e *Engine) Describe(ch chan<- *prometheus.Desc) {
	e.meters.Describe(ch)
	ch <- lanesDesc
	ch <- busyLanesDesc
	ch <- heldDesc
	ch <- runningDesc
	ch <- stalledDesc
}

// Collect tells what this process did and does for the endpoints. It asks the bus nothing.
func (e *Engine) Collect(ch chan<- prometheus.Metric) {
	e.meters.Collect(ch)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	running := make(map[string]int)
	lanes := e.Report()
	for i := range lanes {
		if name := e.meters.Name(lanes[i].ID); name != "" {
			running[name] += lanes[i].Running
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
