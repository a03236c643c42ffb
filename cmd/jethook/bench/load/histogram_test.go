package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var parts [3]Histogram
	var values []time.Duration
	for i := range 30_000 {
		d := time.Duration(math.Exp(random.Float64()*24) * 1000) // 1 µs to 7 h
		values = append(values, d)
		parts[i%3].Add(d)
	}
	var h Histogram
	for i := range parts {
		h.merge(&parts[i])
	}
	slices.Sort(values)
	got := h.Summary()
	for q, figure := range map[float64]float64{0.5: got.P50, 0.9: got.P90, 0.99: got.P99} {
		want := Milliseconds(values[int(q*float64(len(values))+0.5)-1])
		if math.Abs(figure-want) > 0.006*want+0.001 {
			t.Errorf("quantile %v is %v, want %v", q, figure, want)
		}
	}
	if h.max != values[len(values)-1] || h.n != int64(len(values)) {
		t.Errorf("max %v and count %d, want %v and %d", h.max, h.n, values[len(values)-1], len(values))
	}
}

func TestHistogramEdges(t *testing.T) {
	t.Parallel()
	var h Histogram
	if got := h.Summary(); got != (Latency{}) {
		t.Errorf("an empty one has %+v", got)
	}
	for _, d := range []time.Duration{-1, 0, 1, math.MaxInt64} {
		h.Add(d)
	}
	if got := h.Summary(); got.P50 != 0 || got.Max != Milliseconds(math.MaxInt64) {
		t.Errorf("-1, 0, 1 and the longest give %+v", got)
	}
}
