package lane

import (
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

const (
	// maxLate is how much of what a pacer is behind its rate it makes up for: the delays of timers, not those of
	// an endpoint that was slow.
	maxLate = 40 * time.Millisecond
	// slowest is the slowest rate that an endpoint's refusals teach: one request in this time.
	slowest = time.Minute
	// runGap is the pause between two requests that ends a run: what an endpoint takes is measured over one run.
	runGap = 5 * time.Second
	// speedUp is which part of what was learned each request that went well takes back, and sooner is the part that one takes
	// back in each soonerEvery: an endpoint that gets one request in a minute would else be slow for hours.
	speedUp     = 256
	sooner      = 8
	soonerEvery = 10 * time.Second
)

// pacer spaces the requests to an endpoint that has a rate limit, of its own or one that its answers have taught, and
// keeps to the pauses that it asks for. Its lane's lock guards it.
type pacer struct {
	interval time.Duration // between two requests; 0: no limit
	limit    time.Duration // the endpoint's own interval; 0: none
	learned  time.Duration // what the endpoint bears, by its refusals; 0: none is known
	told     time.Duration // what the endpoint's answers say that it takes; 0: they say nothing
	next     time.Time     // when the next request may be made
	until    time.Time     // the end of the pause that the endpoint asked for

	run   time.Time // when the present run of requests began
	last  time.Time // when the last one of it was made that went well
	taken int       // how many of it went well
	eased time.Time // when the endpoint last refused, or a larger part was taken back
}

// reset forgets every limit and pause.
func (p *pacer) reset() { *p = pacer{} }

// set takes over an endpoint's rate as of now; nil means no limit.
func (p *pacer) set(r *endpoint.Rate, now time.Time) {
	p.limit = 0
	if r != nil {
		p.limit = r.Per / time.Duration(r.Count)
	}
	p.space(now)
}

// space lets the interval follow from what is known.
func (p *pacer) space(now time.Time) {
	interval := max(p.limit, p.learned, p.told)
	if interval == p.interval {
		return
	}
	p.interval = interval
	if soonest := now.Add(interval); p.next.After(soonest) {
		p.next = soonest
		p.hold(p.until)
	}
}

// hold allows no request before a time.
func (p *pacer) hold(until time.Time) {
	if p.until = until; p.next.Before(until) {
		p.next = until
	}
}

// took notes a request that went well. Little by little that takes back what was learned.
func (p *pacer) took(started, now time.Time) {
	if started.Sub(p.last) > runGap {
		p.run, p.taken = started, 0
	}
	p.last = started
	p.taken++
	if p.learned > 0 {
		part := time.Duration(speedUp)
		if now.Sub(p.eased) > soonerEvery {
			part, p.eased = sooner, now
		}
		if p.learned -= p.learned/part + 1; p.learned < time.Millisecond {
			p.learned = 0
		}
		p.space(now)
	}
}

// refused notes a request that the endpoint put off, made at a time, and waits until it says. The rate that it bears is
// how many it took in this run until the pause's end. Requests that were under way when it first asked for a pause teach
// nothing.
func (p *pacer) refused(started, now, until time.Time) {
	if started.After(p.until) || p.until.IsZero() {
		p.learned = max(2*p.learned, p.learned+time.Millisecond)
		if p.taken > 0 && now.Sub(p.last) <= runGap {
			p.learned = max(p.interval, until.Sub(p.run)/time.Duration(p.taken))
		}
		p.learned = min(p.learned, slowest)
		p.run, p.taken, p.eased = until, 0, until
		p.space(now)
	}
	if until.After(p.until) {
		p.hold(until)
	}
}

// hear takes over what an endpoint's answer says that it takes: what is left is spread over the time until there is more.
func (p *pacer) hear(a *attempt.Allowance, now time.Time) {
	switch {
	case a == nil:
		return
	case a.Remaining > 0:
		p.told = min(a.Reset/time.Duration(a.Remaining), slowest)
	case now.Add(min(a.Reset, slowest)).After(p.until):
		p.hold(now.Add(min(a.Reset, slowest)))
	}
	p.space(now)
}

func (p *pacer) limits() bool { return p.interval > 0 }

// wait is how long it is until the next request may be made.
func (p *pacer) wait(now time.Time) time.Duration { return max(0, p.next.Sub(now)) }

// ready reports whether a request may be made now, and counts it if so.
func (p *pacer) ready(now time.Time) bool {
	if p.wait(now) > 0 {
		return false
	}
	if !p.limits() {
		return true
	}
	if now.Sub(p.next) > maxLate {
		p.next = now
	}
	p.next = p.next.Add(p.interval)
	return true
}
