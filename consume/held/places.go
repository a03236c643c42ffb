package held

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// stuck is how long a delivery waits for a place in the full window: in that time many places become free, unless those
// who hold them do not move. A disk may be busy for as long.
const stuck = 500 * time.Millisecond

// Places are a number of deliveries that one process holds at once, of one kind. They are safe for
// concurrent use.
type Places struct {
	free  *semaphore.Weighted
	moved atomic.Int64 // unix nanoseconds of when a place last became free
	full  atomic.Int64 // and of when none was first found free since there was one; 0: there is
}

// NewPlaces returns so many places, all free.
func NewPlaces(n int64) *Places { return &Places{free: semaphore.NewWeighted(n)} }

// Take gets the job a place. It waits for one only while places become free: when those who hold them do not move,
// nobody must wait behind them.
func (p *Places) Take(ctx context.Context, j *Job) bool {
	if p.free.TryAcquire(1) {
		p.full.Store(0)
		j.place = p
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
	j.place = p
	return true
}

func (p *Places) release() {
	p.free.Release(1)
	p.moved.Store(time.Now().UnixNano())
}
