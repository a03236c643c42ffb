package consume

import (
	"slices"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/publish"
)

func TestCircuit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fail := func(c *circuit, n int) {
		for range n {
			c.failed(now, 0)
		}
	}
	t.Run("opens after failures in a row", func(t *testing.T) {
		t.Parallel()
		var c circuit
		if fail(&c, openAfter-1); c.open {
			t.Error("open too early")
		}
		c.succeeded()
		if fail(&c, openAfter-1); c.open {
			t.Error("a success did not end the row")
		}
		if fail(&c, 1); !c.open || !c.since.Equal(now) {
			t.Errorf("open %t since %s", c.open, c.since)
		}
	})
	t.Run("opens by the share of failures", func(t *testing.T) {
		t.Parallel()
		var c circuit
		for i := range 64 { // 7 successes, never 10 failures in a row
			if i%9 == 8 {
				c.succeeded()
			} else {
				fail(&c, 1)
			}
		}
		if c.open {
			t.Error("open below the share")
		}
		c = circuit{failures: 1<<57 - 1} // one success ago
		c.succeeded()
		if fail(&c, 1); !c.open {
			t.Error("closed above the share")
		}
	})
	t.Run("opens when it has failed for long", func(t *testing.T) {
		t.Parallel()
		var c circuit
		c.failed(now, time.Hour)
		if c.failed(now.Add(time.Hour-1), time.Hour); c.open {
			t.Error("open too early")
		}
		if c.failed(now.Add(time.Hour), time.Hour); !c.open || !c.since.Equal(now) {
			t.Errorf("open %t since %s", c.open, c.since)
		}
	})
	t.Run("lets a few through and closes with one success", func(t *testing.T) {
		t.Parallel()
		var c circuit
		fail(&c, 64)
		for range probesAtOnce {
			if c.wait(now) > 0 {
				t.Error("too few probes")
			}
			c.probed(now)
		}
		if wait := c.wait(now); wait < leastProbe-time.Millisecond || wait > leastProbe {
			t.Errorf("the next one after %s", wait)
		}
		later := now.Add(4 * time.Hour) // one pause is no longer than a minute
		for range probesAtOnce {
			c.probed(later)
		}
		if wait := c.wait(later); wait < mostProbe-time.Millisecond || wait > mostProbe {
			t.Errorf("after hours the next one after %s", wait)
		}
		c.succeeded()
		if fail(&c, 1); c.open {
			t.Error("old failures count after a success")
		}
	})
}

// A pacer keeps its rate over time whatever the delays of single requests, and never runs ahead of it.
func TestPacer(t *testing.T) {
	t.Parallel()
	told := make(chan struct{}, 1)
	p := pacer{interval: 20 * time.Millisecond, due: func() { told <- struct{}{} }}
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
	<-told
}

// While both kinds of deliveries wait, a lane serves them in turn.
func TestLaneServesBothClasses(t *testing.T) {
	t.Parallel()
	l := &lane{engine: &Engine{stop: make(chan struct{})}, ep: &endpoint.Endpoint{}}
	for i := range 3 {
		for c := range l.queues {
			l.queues[c] = append(l.queues[c], &job{d: publish.Delivery{Attempt: 1 + c}})
		}
		l.queues[again] = append(l.queues[again], &job{d: publish.Delivery{Attempt: 2 + i}})
	}
	var got []class
	for j := l.pop(time.Now()); j != nil; j = l.pop(time.Now()) {
		got = append(got, j.class())
	}
	if want := []class{again, fresh, again, fresh, again, fresh, again, again, again}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
