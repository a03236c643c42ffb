package delivery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/topology"
)

// space keeps DELIVERIES below a limit that an operator or an account sets. JetStream can't: a stream with schedules drops
// the oldest when it is full, and that is a delivery which waits. So no new delivery is written once seven eighths are used.
// What is left is for those that are there already: a retry takes the place of the one that came due.
//
// Each process asks how much is used once a second, and before it has written a sixteenth of what is left free. So up to 16
// processes together never get beyond the limit, however fast they write.
type space struct {
	most, step int64 // most is what new deliveries may use; 0: there is no limit

	mu    sync.Mutex // guards what follows
	asked time.Time
	used  int64
	wrote int64 // since then
}

// Bound is how many bytes of their stream new deliveries may use; 0: there is no limit.
func (s *Store) Bound() int64 { return s.space.most }

const (
	spaceAge   = time.Second
	spaceShare = 8
	spaceSteps = 16
)

// limit sets the limit in bytes; there is none if it is not positive.
func (s *space) limit(bytes int64) {
	if bytes > 0 {
		free := bytes / spaceShare
		s.most, s.step = bytes-free, free/spaceSteps
	}
}

// take counts a message of so many bytes, which is to be written now. ErrFull: there is no room for it.
func (s *space) take(stream jetstream.Stream, bytes int) error {
	if s.most == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) > spaceAge || s.wrote+int64(bytes) > s.step {
		ctx, cancel := context.WithTimeout(context.Background(), groupcommit.Timeout)
		defer cancel()
		info, err := stream.Info(ctx)
		if err != nil {
			return fmt.Errorf("%w: asking for stream %s: %w", failure.ErrUnavailable, topology.StreamDeliveries, err)
		}
		s.asked, s.used, s.wrote = time.Now(), int64(info.State.Bytes), 0
	}
	if s.used+s.wrote+int64(bytes) > s.most {
		return fmt.Errorf("%w: stream %s holds %d bytes, and new deliveries may use %d of it", failure.ErrFull, topology.StreamDeliveries, s.used+s.wrote, s.most)
	}
	s.wrote += int64(bytes)
	return nil
}
