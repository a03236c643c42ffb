package ingest

import (
	"sync/atomic"
	"time"
)

// strayPause is how long one line in the log stands for all requests of its kind: whoever finds the server can send them.
const strayPause = 10 * time.Minute

// strays are requests that are told to the operator, and not to anybody's source: for a source that does not exist, or from
// an address that may not send.
type strays struct {
	count atomic.Uint64
	told  atomic.Int64 // unix nanoseconds of the last line in the log; 0: none yet
}

// add counts a request, and reports how many there were and whether it is time for a line in the log.
func (s *strays) add(now time.Time) (count uint64, tell bool) {
	count, last := s.count.Add(1), s.told.Load()
	tell = (last == 0 || now.UnixNano()-last > int64(strayPause)) && s.told.CompareAndSwap(last, now.UnixNano())
	return count, tell
}

// UnknownSource returns how many requests were made for sources that do not exist.
func (s *Server) UnknownSource() uint64 { return s.unknown.count.Load() }
