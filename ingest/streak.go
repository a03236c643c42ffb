package ingest

import (
	"sync/atomic"
	"time"
)

// streak is something that fails again and again, and is worth a line in the log when it begins and when it is over.
// It is over when something went well and nothing has failed for logPause: anyone can send what is refused, between
// requests that are not.
type streak struct{ last atomic.Int64 } // unix nanoseconds of the last failure; 0: it is over

// begins notes a failure and reports whether it is the first.
func (t *streak) begins(now time.Time) bool { return t.last.Swap(now.UnixNano()) == 0 }

// ends notes that something went well, and reports whether that is the end.
func (t *streak) ends(now time.Time) bool {
	last := t.last.Load()
	return last != 0 && now.UnixNano()-last > int64(logPause) && t.last.CompareAndSwap(last, 0)
}
