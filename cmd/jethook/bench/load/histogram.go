package load

import (
	"time"

	"jethook/publish/report"
)

// scale is fine enough to compare figures: a value is off by at most 0.5 %, from a microsecond to 40 hours.
var scale = report.NewScale(time.Microsecond, 1.01)

const buckets = 2600

// Histogram counts durations. Its memory is the same for ten values and for ten billion. The zero value is empty. It is
// not safe for concurrent use.
type Histogram struct {
	counts [buckets]uint32
	n      int64
	max    time.Duration
}

// Add counts d.
func (h *Histogram) Add(d time.Duration) {
	h.counts[min(scale.Bucket(d), buckets-1)]++
	h.n++
	h.max = max(h.max, d)
}

// Count is how many were counted.
func (h *Histogram) Count() int64 { return h.n }

func (h *Histogram) merge(other *Histogram) {
	for i, c := range other.counts {
		h.counts[i] += c
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// Latency is how long things took, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Summary returns what a report shows.
func (h *Histogram) Summary() Latency {
	quantile := func(q float64) float64 { return Milliseconds(min(scale.Quantile(h.counts[:], q), h.max)) }
	return Latency{P50: quantile(0.5), P90: quantile(0.9), P99: quantile(0.99), Max: Milliseconds(h.max)}
}

// Milliseconds is d in milliseconds, exact to the microsecond.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
