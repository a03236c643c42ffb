package groupcommit

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/publish/failure"
)

// Results of a message that was to be stored, as the metrics name them.
const (
	resultStored    = "stored"
	resultDuplicate = "duplicate"
	resultRefused   = "refused"
	resultFailed    = "failed"
)

// Meters count what is stored.
type Meters struct {
	messages *prometheus.CounterVec
	took     *prometheus.HistogramVec
	batch    *prometheus.HistogramVec
}

// NewMeters returns meters that count nothing yet.
func NewMeters() *Meters {
	return &Meters{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jethook_messages_total",
			Help: "Messages that this process wrote to a stream, by what came of them: stored, duplicate (the id was stored before), refused (it is too large, or not what the store expects) or failed (the store is full, busy or away).",
		}, []string{"stream", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "jethook_publish_duration_seconds",
			Help:    "Time from when a message was to be stored until the store acknowledged it, by stream.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"stream"}),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "jethook_publish_batch_messages",
			Help:    "Messages that were stored together, by stream.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}, []string{"stream"}),
	}
}

// Of returns the meter of one stream, which has a series for each result from the start: a rate needs a value before the
// first message.
func (m *Meters) Of(stream string) meter {
	return meter{
		stored:    m.messages.WithLabelValues(stream, resultStored),
		duplicate: m.messages.WithLabelValues(stream, resultDuplicate),
		refused:   m.messages.WithLabelValues(stream, resultRefused),
		failed:    m.messages.WithLabelValues(stream, resultFailed),
		took:      m.took.WithLabelValues(stream),
		batch:     m.batch.WithLabelValues(stream),
	}
}

// Describe implements [prometheus.Collector].
func (m *Meters) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements [prometheus.Collector]. It asks the store nothing.
func (m *Meters) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

func (m *Meters) all() []prometheus.Collector {
	return []prometheus.Collector{m.messages, m.took, m.batch}
}

// meter counts what is stored in one stream.
type meter struct {
	stored, duplicate, refused, failed prometheus.Counter
	took, batch                        prometheus.Observer
}

// note counts a message whose end is known now.
func (m *meter) note(p *pending, r Receipt, err error, now time.Time) {
	switch {
	case errors.Is(err, failure.ErrTooLarge), errors.Is(err, failure.ErrRefused), errors.Is(err, failure.ErrConflict):
		m.refused.Inc()
		return
	case err != nil:
		m.failed.Inc()
		return
	case r.Duplicate:
		m.duplicate.Inc()
	default:
		m.stored.Inc()
	}
	m.took.Observe(now.Sub(p.since).Seconds())
}
