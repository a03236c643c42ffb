package report

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Scale cuts time into buckets that grow with it, so that a duration is known by its bucket about as exactly whatever it
// is: off by at most the root of the growth.
type Scale struct {
	first     time.Duration // the end of the first bucket
	perBucket float64       // ln(growth)
}

// NewScale returns the scale whose first bucket ends at first, and each further one growth times as late as the one before.
func NewScale(first time.Duration, growth float64) Scale { return Scale{first, math.Log(growth)} }

// Bucket is the bucket of d, from 0 on.
func (s Scale) Bucket(d time.Duration) int {
	if d <= s.first {
		return 0
	}
	return 1 + int(math.Log(float64(d)/float64(s.first))/s.perBucket)
}

// Quantile returns the duration that a share q of all was at most, where each bucket holds so many; 0 when there is none.
func (s Scale) Quantile(buckets []uint32, q float64) time.Duration {
	var total, seen uint64
	for _, n := range buckets {
		total += uint64(n)
	}
	rank := max(1, uint64(math.Ceil(q*float64(total))))
	for i, n := range buckets {
		if seen += uint64(n); n > 0 && seen >= rank {
			// The geometric middle: as far, in proportion, from one end as from the other.
			return time.Duration(float64(s.first) * math.Exp(s.perBucket*(float64(i)-0.5)))
		}
	}
	return 0
}

// buckets of scale reach to the longest timeout that an endpoint can have, 5 minutes.
const buckets = 87

var scale = NewScale(100*time.Microsecond, 1.19)

// Latency counts durations from 0.1 ms to 5 min, each off by less than a tenth. The zero value is empty.
type Latency [buckets]uint32

// Add counts d.
func (l *Latency) Add(d time.Duration) { l[min(scale.Bucket(d), buckets-1)]++ }

func (l *Latency) merge(o *Latency) {
	for i, n := range o {
		l[i] += n
	}
}

// Quantile returns the duration that a share q of all was at most, off by less than a tenth; 0 when there is none.
func (l *Latency) Quantile(q float64) time.Duration { return scale.Quantile(l[:], q) }

// MarshalJSON writes pairs of a bucket and its count: most are empty.
func (l Latency) MarshalJSON() ([]byte, error) {
	out := []byte{'['}
	for i, n := range l {
		if n > 0 {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = fmt.Appendf(out, "%d,%d", i, n)
		}
	}
	return append(out, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. Buckets that there are not, as another version may have, are dropped.
func (l *Latency) UnmarshalJSON(data []byte) error {
	var pairs []uint32
	if err := json.Unmarshal(data, &pairs); err != nil {
		return fmt.Errorf("reading a latency: %w", err)
	}
	*l = Latency{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if b := pairs[i]; b < buckets {
			l[b] = pairs[i+1]
		}
	}
	return nil
}
