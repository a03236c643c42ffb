package ingest

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/ingest/source"
)

// leastBurst is how many requests may always come at once, unless the limit is lower: senders send in bursts.
const leastBurst = 10

// newLimiter returns a limiter for r, or nil for none. At once it lets a second's worth pass, or leastBurst.
func newLimiter(r quantity.Rate) *rate.Limiter {
	if r.Count == 0 {
		return nil
	}
	perSecond := float64(r.Count) / r.Per.Seconds()
	burst := min(r.Count, max(leastBurst, int(math.Ceil(perSecond))))
	return rate.NewLimiter(rate.Limit(perSecond), burst)
}

// limitBodies gives each source that has none the common limit of a body. Room is what can be stored; 0: anything.
func limitBodies(sources map[string]*reception, common, room int64) error {
	var problems config.Problems
	for name, src := range sources {
		switch {
		case src.MaxBody == 0:
			src.MaxBody = common
		case room > 0 && src.MaxBody > room:
			problems = append(problems, config.Problem{Variable: source.Variable(name, "MAX_BODY"), Reason: fmt.Sprintf(
				"%s exceeds the NATS cluster's limit; choose at most %s, raise the cluster's max_payload to this plus 64KiB for headers, or set JETHOOK_LARGE_BODIES=true",
				quantity.Bytes(src.MaxBody), quantity.Bytes(room))})
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// largestBody is the largest body that any of the sources takes.
func largestBody(sources map[string]*reception) (most int64) {
	for _, src := range sources {
		most = max(most, src.MaxBody)
	}
	return most
}

// tooFastError is a verified request beyond the source's rate limit.
type tooFastError struct{ wait time.Duration }

func (e *tooFastError) Error() string { return "source rate limit exceeded" }

// admit counts a verified request against the source's limit. Strangers' requests don't count: they could use up
// what the sender needs.
func (src *reception) admit(now time.Time) error {
	if src.limiter == nil {
		return nil
	}
	r := src.limiter.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return &tooFastError{wait}
	}
	return nil
}
