package delivery

import (
	"sync"
	"time"
)

const (
	// slotTime is the grain in which a calendar counts: the server looks for what is due as often.
	slotTime = 250 * time.Millisecond
	// perSlot is how many deliveries come due in a slot for each processor of this process: a little less than it attempts
	// beside other work.
	perSlot = 125
	// forgetEvery is how often a calendar forgets the past.
	forgetEvery = time.Minute
)

// calendar spreads what would come due at one moment. The server reads all that is due into memory, and makes it so as fast as
// it can; what an outage of many endpoints leaves behind could not be attempted at once anyway.
type calendar struct {
	most int // deliveries that come due in a slot

	mu        sync.Mutex // guards what follows
	slots     map[int64]slot
	forgotten time.Time
}

// slot is a quarter of a second.
type slot struct {
	taken int
	next  int64 // once it is full: a later slot, and all before that are full too
}

func newCalendar(most int) *calendar { return &calendar{most: most, slots: make(map[int64]slot)} }

// book returns when a delivery comes due that was to at a time: then, or at the first later time that has room.
func (c *calendar) book(at time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.forget(now)
	asked := max(at.UnixNano(), now.UnixNano()) / int64(slotTime)
	free := asked
	for c.slots[free].taken >= c.most {
		free = c.slots[free].next
	}
	s := c.slots[free]
	if free != asked {
		at = time.Unix(0, free*int64(slotTime)+int64(s.taken)*int64(slotTime)/int64(c.most))
		full := c.slots[asked] // what is asked for once is asked for again: the way is short then
		full.next = free
		c.slots[asked] = full
	}
	c.slots[free] = slot{taken: s.taken + 1, next: free + 1}
	return at
}

// forget forgets the slots that are past, now and then.
func (c *calendar) forget(now time.Time) {
	if now.Sub(c.forgotten) < forgetEvery {
		return
	}
	c.forgotten = now
	for at := range c.slots {
		if at < now.UnixNano()/int64(slotTime) {
			delete(c.slots, at)
		}
	}
}
