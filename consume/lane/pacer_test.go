package lane

import (
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// What an endpoint's refusals taught is forgotten in minutes once it takes all again, however slow it made the lane.
func TestWhatRefusalsTeachIsForgotten(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{100 * time.Millisecond, time.Second, 10 * time.Second, time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			p := pacer{}
			p.took(now, now)
			p.refused(now, now, now.Add(pause))
			if p.learned == 0 {
				t.Fatal("it has learned nothing")
			}
			resumed := now.Add(pause)
			for now = resumed; p.learned > 10*time.Millisecond; now = now.Add(p.interval) {
				p.took(now, now)
			}
			if took := now.Sub(resumed); took > 20*time.Minute {
				t.Errorf("it takes %s", took)
			}
		})
	}
}

// An endpoint that goes on refusing stays as slow as it asks for.
func TestRefusalsGoOnTeaching(t *testing.T) {
	t.Parallel()
	const least = 2 * time.Second // between two requests, or the second one is refused
	start := time.Now()
	now, last, refusals, requests := start, time.Time{}, 0, 0
	p := pacer{}
	for ; now.Sub(start) < 10*time.Minute; now = now.Add(max(p.interval, time.Millisecond)) {
		if now.Before(p.until) {
			now = p.until
		}
		if requests++; now.Sub(last) < least {
			refusals++
			p.refused(now, now, last.Add(least))
			continue
		}
		last = now
		p.took(now, now)
	}
	if requests < 200 || refusals > requests/2 {
		t.Errorf("of %d requests in ten minutes it refused %d", requests, refusals)
	}
}

// A pacer keeps its rate over time whatever the delays of single requests, and never runs ahead of it.
func TestPacer(t *testing.T) {
	t.Parallel()
	p := pacer{interval: 20 * time.Millisecond}
	begin := time.Now()
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	for _, step := range []struct {
		ms   int
		want bool
	}{
		{0, true},
		{0, false},
		{19, false},
		{23, true},  // 3 ms late
		{39, false}, // and no sooner for it
		{40, true},
		{95, true},  // 35 ms late: the next one is
		{95, true},  // made up for
		{95, false}, // but no more than that
		{1000, true},
		{1019, false}, // a long pause saves nothing up
	} {
		if got := p.ready(at(step.ms)); got != step.want {
			t.Errorf("after %d ms: %t", step.ms, got)
		}
	}
}

// A rate limit that changes holds from then on: what was reserved under the old one does not.
func TestPacerFollowsItsRate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hourly, quick := &endpoint.Rate{Count: 1, Per: time.Hour}, &endpoint.Rate{Count: 100, Per: time.Second}
	for name, change := range map[string]func(*pacer){
		"raised":            func(p *pacer) { p.set(quick, now) },
		"removed and given": func(p *pacer) { p.set(nil, now); p.set(quick, now) },
	} {
		t.Run(name, func(t *testing.T) {
			p := &pacer{}
			p.set(hourly, now)
			if !p.ready(now) || p.ready(now) {
				t.Error("the first rate does not hold")
			}
			change(p)
			if wait := p.wait(now); wait > 10*time.Millisecond {
				t.Errorf("the next request still waits %s", wait)
			}
		})
	}
}
