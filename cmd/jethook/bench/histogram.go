package bench

import (
	"math/bits"
	"time"
)

const (
	// Each power of two of nanoseconds is cut into 2^fineBits buckets, so a value is off by less than 0.8 %.
	fineBits = 7
	fine     = 1 << fineBits
	buckets  = (64 - fineBits) * fine
)

// Histogram counts durations in buckets that grow with the duration: its memory is the same for ten values and for
// ten billion. The zero value is empty. It is not safe for concurrent use.
type Histogram struct {
	counts [buckets]uint32
	n      int64
	max    time.Duration
}

// Add counts d; less than nothing counts as nothing.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds what other counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, c := range other.counts {
		h.counts[i] += c
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// Count is how many values were added.
func (h *Histogram) Count() int64 { return h.n }

// Max is the largest value, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the value that a share q of all values does not exceed; 0 when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	left := max(1, int64(q*float64(h.n)+0.5))
	for i, c := range h.counts {
		if left -= int64(c); left <= 0 {
			return min(middle(i), h.max)
		}
	}
	return h.max
}

// bucket is the place of a value: exact below 2*fine, and then its exponent and the bits after its first one.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-fineBits-1)
	return shift<<fineBits + int(v>>shift)
}

// middle is the value in the middle of a bucket.
func middle(i int) time.Duration {
	if i < 2*fine {
		return time.Duration(i)
	}
	shift := i>>fineBits - 1
	low := uint64(i-shift<<fineBits) << shift
	return time.Duration(low + 1<<shift/2)
}
