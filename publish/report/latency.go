package report

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

const (
	// shortest is the upper end of the first bucket, and growth how much each one ends above the one before: a
	// time in the middle of a bucket is off by less than a tenth, whatever it is.
	shortest = 100 * time.Microsecond
	growth   = 1.19
	// buckets reach to the longest timeout that an endpoint can have, 5 minutes.
	buckets = 87
)

// Latency counts durations in logarithmic buckets, from 0.1 ms to 5 min. The zero value is empty.
type Latency [buckets]uint32

// perBucket is ln(growth).
var perBucket = math.Log(growth)

// Add counts d.
func (l *Latency) Add(d time.Duration) { l[bucket(d)]++ }

func bucket(d time.Duration) int {
	if d <= shortest {
		return 0
	}
	return min(1+int(math.Log(float64(d)/float64(shortest))/perBucket), buckets-1)
}

func (l *Latency) merge(o *Latency) {
	for i, n := range o {
		l[i] += n
	}
}

// Quantile returns the duration that a share q of all was at most, off by less than a tenth; 0 when there is none.
func (l *Latency) Quantile(q float64) time.Duration {
	var total, seen uint64
	for _, n := range l {
		total += uint64(n)
	}
	rank := max(1, uint64(math.Ceil(q*float64(total))))
	for i, n := range l {
		if seen += uint64(n); n > 0 && seen >= rank {
			// The geometric middle: as far, in proportion, from one end as from the other.
			return time.Duration(float64(shortest) * math.Pow(growth, float64(i)-0.5))
		}
	}
	return 0
}

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
