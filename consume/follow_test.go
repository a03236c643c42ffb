package consume

import (
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// A rate limit that changes holds from then on: what was reserved under the old one does not.
func TestPacerFollowsItsRate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hourly, quick := &endpoint.Rate{Count: 1, Per: time.Hour}, &endpoint.Rate{Count: 100, Per: time.Second}
	for name, change := range map[string]func(*pacer){
		"raised":            func(p *pacer) { p.set(quick, now) },
		"removed and given": func(p *pacer) { p.set(nil, now); p.set(quick, now) },
	} {
		told := make(chan struct{}, 9)
		p := &pacer{due: func() { told <- struct{}{} }}
		p.set(hourly, now)
		if !p.ready(now) || p.ready(now) {
			t.Errorf("%s: the first rate does not hold", name)
		}
		change(p)
		<-told // what waited for an hour is looked at again
		if wait := p.wait(now); wait > 10*time.Millisecond {
			t.Errorf("%s: the next request still waits %s", name, wait)
		}
	}
}

// Failures from before an endpoint was disabled, or lived at another address, don't count.
func TestLaneForgetsWhatIsNoLongerTrue(t *testing.T) {
	t.Parallel()
	before := &endpoint.Endpoint{ID: "ep_a", URL: "https://old.example.com"}
	for name, changes := range map[string][]*endpoint.Endpoint{
		"enabled again": {{ID: "ep_a", URL: before.URL, Disabled: true}, {ID: "ep_a", URL: before.URL}},
		"moved":         {{ID: "ep_a", URL: "https://new.example.com"}},
		"well again":    {{ID: "ep_a", URL: before.URL, FailingSince: time.Now()}, {ID: "ep_a", URL: before.URL}},
	} {
		l := newLane(&Engine{stop: make(chan struct{})}, before)
		longAgo := time.Now().Add(-time.Hour)
		l.circuit.failed(longAgo, 0)
		for _, ep := range changes {
			l.follow(ep)
		}
		if l.circuit.failed(time.Now(), time.Minute); l.circuit.open {
			t.Errorf("%s: the first failure opens the circuit, since %s", name, l.circuit.since)
		}
	}
}

// A rate limit that is lowered gives back what the lane holds for longer than it should.
func TestLowerRateShedsTheQueue(t *testing.T) {
	t.Parallel()
	l := newLane(&Engine{stop: make(chan struct{})}, &endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: 500, Per: time.Second}})
	for range 900 {
		l.queues[fresh] = append(l.queues[fresh], &job{h: &held{in: &intake{}}})
	}
	l.resize(&endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: 1, Per: time.Hour}})
	jobs := l.relieve()
	if len(l.queues[fresh]) > 4*firstConcurrency || len(jobs)+len(l.queues[fresh]) != 900 {
		t.Errorf("%d stay, %d go", len(l.queues[fresh]), len(jobs))
	}
}
