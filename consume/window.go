package consume

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// stuck is how long a delivery waits for a place in the full window: in that time many places become free, unless those
// who hold them do not move. A disk may be busy for as long.
const stuck = 500 * time.Millisecond

// places are a number of deliveries that one process holds at once, of one kind.
type places struct {
	free  *semaphore.Weighted
	moved atomic.Int64 // unix nanoseconds of when a place last became free
	full  atomic.Int64 // and of when none was first found free since there was one; 0: there is
}

func newPlaces(n int64) *places { return &places{free: semaphore.NewWeighted(n)} }

// take gets the job a place. It waits for one only while places become free: when those who hold them do not move,
// nobody must wait behind them.
func (p *places) take(ctx context.Context, j *job) bool {
	if p.free.TryAcquire(1) {
		p.full.Store(0)
		j.window = p
		return true
	}
	now := time.Now().UnixNano()
	p.full.CompareAndSwap(0, now)
	if now-max(p.moved.Load(), p.full.Load()) > int64(stuck) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, stuck)
	defer cancel()
	if p.free.Acquire(ctx, 1) != nil {
		return false
	}
	j.window = p
	return true
}

func (p *places) release() {
	p.free.Release(1)
	p.moved.Store(time.Now().UnixNano())
}
