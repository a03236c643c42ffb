package lane

import (
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// Failures from before an endpoint was disabled, or lived at another address, don't count.
func TestLaneForgetsWhatIsNoLongerTrue(t *testing.T) {
	t.Parallel()
	before := &endpoint.Endpoint{ID: "ep_a", URL: "https://old.example.com"}
	for name, changes := range map[string][]*endpoint.Endpoint{
		"enabled again": {{ID: "ep_a", URL: before.URL, Disabled: true}, {ID: "ep_a", URL: before.URL}},
		"moved":         {{ID: "ep_a", URL: "https://new.example.com"}},
		"well again":    {{ID: "ep_a", URL: before.URL, FailingSince: time.Now()}, {ID: "ep_a", URL: before.URL}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLane(idlePool(), before)
			longAgo := time.Now().Add(-time.Hour)
			l.circuit.failed(longAgo, 0)
			for _, ep := range changes {
				l.follow(ep)
			}
			if l.circuit.failed(time.Now(), time.Minute); l.circuit.open {
				t.Errorf("the first failure opens the circuit, since %s", l.circuit.since)
			}
		})
	}
}

// A rate limit that is lowered gives back what the lane holds for longer than it should.
func TestLowerRateShedsTheQueue(t *testing.T) {
	t.Parallel()
	l := newLane(idlePool(), &endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: 500, Per: time.Second}})
	for range 900 {
		l.queues[First] = append(l.queues[First], &task{})
	}
	l.resize(&endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: 1, Per: time.Hour}})
	jobs := l.Relieve()
	if len(l.queues[First]) > 4*firstConcurrency || len(jobs)+len(l.queues[First]) != 900 {
		t.Errorf("%d stay, %d go", len(l.queues[First]), len(jobs))
	}
}
