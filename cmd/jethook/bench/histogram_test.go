package bench

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
		d := time.Duration(math.Exp(random.Float64() * 24)) // 1 ns to 26 s
		values = append(values, d)
		parts[i%3].Add(d)
	}
	var h Histogram
	for i := range parts {
		h.Merge(&parts[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		want := float64(values[max(0, int(q*float64(len(values))+0.5)-1)])
		if got := float64(h.Quantile(q)); math.Abs(got-want) > 0.008*want+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.Max() != values[len(values)-1] || h.Count() != int64(len(values)) {
		t.Errorf("max %v and count %d, want %v and %d", h.Max(), h.Count(), values[len(values)-1], len(values))
	}
}

func TestHistogramEdges(t *testing.T) {
	t.Parallel()
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Error("an empty one has no quantiles")
	}
	for _, d := range []time.Duration{-1, 0, 1, math.MaxInt64} {
		h.Add(d)
	}
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("the median of -1, 0, 1 and the longest is %v, want 0", got)
	}
	if got := h.Max(); got != math.MaxInt64 {
		t.Errorf("the longest is %v", got)
	}
}

// Buckets follow each other without a gap, and each holds its own middle.
func TestHistogramBuckets(t *testing.T) {
	t.Parallel()
	for i := range bucket(math.MaxInt64) {
		if got := bucket(uint64(middle(i))); got != i {
			t.Fatalf("the middle of bucket %d lies in bucket %d", i, got)
		}
	}
	if last := bucket(math.MaxInt64); last >= buckets {
		t.Fatalf("bucket %d is beyond the last", last)
	}
}
