package bench

import (
	"time"

	"jethook/publish/report"
)

// scale is fine enough to compare figures: a value is off by at most 0.5 %, from a microsecond to 40 hours.
var scale = report.NewScale(time.Microsecond, 1.01)

const buckets = 2600

// histogram counts durations. Its memory is the same for ten values and for ten billion. The zero value is empty. It is
// not safe for concurrent use.
type histogram struct {
	counts [buckets]uint32
	n      int64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[min(scale.Bucket(d), buckets-1)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
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

func (h *histogram) latency() Latency {
	quantile := func(q float64) float64 { return ms(min(scale.Quantile(h.counts[:], q), h.max)) }
	return Latency{P50: quantile(0.5), P90: quantile(0.9), P99: quantile(0.99), Max: ms(h.max)}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
