// Package streak keeps the log short where anyone can send what is refused: it tells when something begins to fail, and when
// that is over, and lets one line stand for many requests.
package streak

import (
	"sync/atomic"
	"time"
)

// Pause is for how long nothing must have failed for the next failure to be more than a line at debug level: an
// outage repeats one, and anyone can send what is refused.
const Pause = 10 * time.Second

// Streak is something that fails again and again, and is worth a line in the log when it begins and when it is over.
// It is over when something went well and nothing has failed for [Pause]: anyone can send what is refused, between
// requests that are not.
type Streak struct{ last atomic.Int64 } // unix nanoseconds of the last failure; 0: it is over

// Begins notes a failure and reports whether it is the first.
func (t *Streak) Begins(now time.Time) bool { return t.last.Swap(now.UnixNano()) == 0 }

// Ends notes that something went well, and reports whether that is the end.
func (t *Streak) Ends(now time.Time) bool {
	last := t.last.Load()
	return last != 0 && now.UnixNano()-last > int64(Pause) && t.last.CompareAndSwap(last, 0)
}
