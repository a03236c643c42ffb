package streak

import (
	"sync/atomic"
	"time"
)

// StrayPause is how long one line in the log stands for all requests of its kind: whoever finds the server can send them.
const StrayPause = 10 * time.Minute

// Strays are requests that are told to the operator, and not to anybody's source: for a source that does not exist, or from
// an address that may not send.
type Strays struct {
	count atomic.Uint64
	told  atomic.Int64 // unix nanoseconds of the last line in the log; 0: none yet
}

// Add counts a request, and reports how many there were and whether it is time for a line in the log.
func (s *Strays) Add(now time.Time) (count uint64, tell bool) {
	count, last := s.count.Add(1), s.told.Load()
	tell = (last == 0 || now.UnixNano()-last > int64(StrayPause)) && s.told.CompareAndSwap(last, now.UnixNano())
	return count, tell
}

// Count returns how many there were.
func (s *Strays) Count() uint64 { return s.count.Load() }

// Note counts a request that is told in another line.
func (s *Strays) Note() { s.count.Add(1) }
