package consume

import (
	"testing"
	"time"
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
