package lane

import (
	"testing"
	"time"
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
		c.succeeded(First, now)
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
				c.succeeded(First, now)
			} else {
				fail(&c, 1)
			}
		}
		if c.open {
			t.Error("open below the share")
		}
		c = circuit{failures: 1<<57 - 1} // one success ago
		c.succeeded(First, now)
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
	t.Run("is not opened by retries that a live endpoint refuses", func(t *testing.T) {
		t.Parallel()
		var c circuit
		if !c.blames(Retry, true, now) {
			t.Error("nothing is known of the endpoint, and its answer counts for nothing")
		}
		c.succeeded(Retry, now)
		if !c.blames(Retry, true, now) {
			t.Error("a retry that was taken says that all others would be")
		}
		c.succeeded(First, now)
		soon, later := now.Add(aliveFor-1), now.Add(aliveFor)
		if c.blames(Retry, true, soon) {
			t.Error("it counts what a live endpoint refuses again")
		}
		if !c.blames(First, true, soon) || !c.blames(Retry, false, soon) || !c.blames(Retry, true, later) {
			t.Error("it does not count a first attempt, a retry without an answer, or one long after the last event was taken")
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
		c.succeeded(First, now)
		if fail(&c, 1); c.open {
			t.Error("old failures count after a success")
		}
	})
}
