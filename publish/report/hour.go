package report

import "time"

// Hour is the requests of the last hour.
type Hour struct {
	Delivered uint64  `json:"delivered"`
	Failed    uint64  `json:"failed"`
	Latency   Latency `json:"latency"`
}

// Add counts the requests of another process in.
func (h *Hour) Add(o *Hour) {
	h.Delivered += o.Delivered
	h.Failed += o.Failed
	h.Latency.merge(&o.Latency)
}

const (
	// slot is the step in which the hour moves on: what is older than an hour leaves it up to so much too late.
	slot  = 10 * time.Minute
	slots = int(time.Hour/slot) + 1
)

// Window counts requests over the last hour, in a fixed 2.4 KB and without allocating. It is not safe for concurrent
// use.
type Window struct {
	slots [slots]struct {
		number            int64 // since 1970; a slot that is older holds what is gone
		delivered, failed uint32
		latency           Latency
	}
}

// Add counts a request that ended now.
func (w *Window) Add(now time.Time, delivered bool, took time.Duration) {
	number := now.UnixNano() / int64(slot)
	s := &w.slots[number%int64(slots)]
	if s.number != number {
		s.number, s.delivered, s.failed, s.latency = number, 0, 0, Latency{}
	}
	if delivered {
		s.delivered++
	} else {
		s.failed++
	}
	s.latency.Add(took)
}

// Hour returns the requests of the hour before now.
func (w *Window) Hour(now time.Time) (h Hour) {
	newest := now.UnixNano() / int64(slot)
	for i := range w.slots {
		s := &w.slots[i]
		if s.number > newest-int64(slots) && s.number <= newest {
			h.Delivered += uint64(s.delivered)
			h.Failed += uint64(s.failed)
			h.Latency.merge(&s.latency)
		}
	}
	return h
}
