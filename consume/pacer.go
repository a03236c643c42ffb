package consume

import (
	"time"

	"jethook/consume/endpoint"
)

// maxLate is how much of what a pacer is behind its rate it makes up for: the delays of timers, not those of
// an endpoint that was slow.
const maxLate = 40 * time.Millisecond

// pacer spaces the requests to an endpoint that has a rate limit. Its lane's lock guards it.
type pacer struct {
	interval time.Duration // between two requests; 0: no limit
	next     time.Time     // when the next one may be made
	due      func()        // is told when ready would be true, after it was not
	timer    *time.Timer
	armed    bool // due is yet to be told
}

// set takes over an endpoint's rate as of now; nil means no limit.
func (p *pacer) set(r *endpoint.Rate, now time.Time) {
	interval := time.Duration(0)
	if r != nil {
		interval = r.Per / time.Duration(r.Count)
	}
	if interval == p.interval {
		return
	}
	p.interval = interval
	if soonest := now.Add(interval); p.next.After(soonest) {
		p.next = soonest
	}
	if p.armed {
		p.timer.Reset(0)
	}
}

func (p *pacer) limits() bool { return p.interval > 0 }

// most is how many requests the limit allows within the time that its lane looks ahead; there must be a limit.
func (p *pacer) most() int { return 1 + int(2*patience/p.interval) }

// wait is how long it is until the next request may be made.
func (p *pacer) wait(now time.Time) time.Duration {
	if !p.limits() {
		return 0
	}
	return max(0, p.next.Sub(now))
}

// ready reports whether a request may be made now, and counts it if so. If not, due is told when it may.
func (p *pacer) ready(now time.Time) bool {
	if !p.limits() {
		return true
	}
	if wait := p.next.Sub(now); wait > 0 {
		p.arm(wait)
		return false
	}
	if now.Sub(p.next) > maxLate {
		p.next = now
	}
	p.next = p.next.Add(p.interval)
	return true
}

func (p *pacer) arm(wait time.Duration) {
	if p.armed {
		return
	}
	p.armed = true
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.due)
	} else {
		p.timer.Reset(wait)
	}
}
