package lane

import (
	"math/bits"
	"time"

	"golang.org/x/time/rate"
)

const (
	// openAfter failures one after the other open the circuit, and so do openShare failures among the last 64
	// requests: an endpoint that takes one event in twenty is as good as down.
	openAfter = 10
	openShare = 58
	// probesAtOnce real deliveries may follow each other at once through an open circuit, and one more in each pause: the
	// probeShare'th part of the time that the endpoint has failed, within bounds. An endpoint that gets little never notices
	// its circuit: each of its deliveries is a probe.
	probesAtOnce          = 5
	probeShare            = 60
	leastProbe, mostProbe = time.Second, time.Minute
	// aliveFor is how long an endpoint is alive that has taken an event at its first attempt. A retry that it answers and
	// refuses meanwhile says something of the event, which it may refuse for good, and nothing of the endpoint.
	aliveFor = time.Minute
)

// circuit keeps an endpoint that fails and fails from being asked over and over. Closed, it lets everything
// through. Open, it lets a few real deliveries through, one of which closes it by its success. It is not safe
// for concurrent use: its lane's lock guards it.
type circuit struct {
	failures uint64    // of the last 64 requests, the latest in the lowest bit; 1: it failed
	since    time.Time // of the first failure after the last success; zero: there is none
	took     time.Time // when it last took an event at its first attempt
	open     bool
	probes   *rate.Limiter // while open
}

// blames reports whether a request that failed now says something of the endpoint. Of retries, those that got no answer do.
func (c *circuit) blames(class Class, answered bool, now time.Time) bool {
	return class == First || !answered || now.Sub(c.took) >= aliveFor
}

// failed notes a request that has failed now. An endpoint that has failed for patience opens the circuit whatever the
// number of requests; 0: never.
func (c *circuit) failed(now time.Time, patience time.Duration) {
	if c.since.IsZero() {
		c.since = now
	}
	c.failures = c.failures<<1 | 1
	const last = 1<<openAfter - 1
	if c.failures&last == last || bits.OnesCount64(c.failures) >= openShare ||
		patience > 0 && now.Sub(c.since) >= patience {
		c.trip(c.since)
	}
}

// succeeded notes a request that went well now. It closes the circuit, which then judges anew.
func (c *circuit) succeeded(class Class, now time.Time) {
	if class == First {
		c.took = now
	}
	c.since = time.Time{}
	c.failures <<= 1
	if c.open {
		c.open, c.failures = false, 0
	}
}

// trip opens the circuit of an endpoint that has failed since then.
func (c *circuit) trip(since time.Time) {
	if c.since = since; !c.open {
		c.open, c.probes = true, rate.NewLimiter(rate.Every(leastProbe), probesAtOnce)
	}
}

// reset forgets everything.
func (c *circuit) reset() { *c = circuit{} }

// wait is how long it is until an open circuit lets one more delivery through.
func (c *circuit) wait(now time.Time) time.Duration {
	missing := 1 - c.probes.TokensAt(now)
	return max(0, time.Duration(missing/float64(c.probes.Limit())*float64(time.Second)))
}

// probed counts a delivery that an open circuit lets through.
func (c *circuit) probed(now time.Time) {
	pause := min(max(now.Sub(c.since)/probeShare, leastProbe), mostProbe)
	c.probes.SetLimitAt(now, rate.Every(pause))
	c.probes.AllowN(now, 1)
}
