package lane

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// in runs a test in a bubble, whose clock moves on only when all wait.
func in(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// A lane is never idle while something waits, and never makes more requests at once than the endpoint wants: so many jobs
// take exactly so long.
func TestLaneIsWorkConserving(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(10*time.Millisecond, delivered))
		begin := time.Now()
		give(r.lane(&endpoint.Endpoint{ID: "ep_a", Concurrency: 4}), 101, Facts{})
		r.Wait()
		if took, want := time.Since(begin), 26*10*time.Millisecond; took != want {
			t.Errorf("101 requests, 4 at once, of 10 ms each took %s, want %s", took, want)
		}
		if most := r.mostAtOnce("ep_a"); most != 4 {
			t.Errorf("%d requests at once", most)
		}
	})
}

// The number of requests at once grows with each success to what the endpoint wants, halves with each timeout to one, and
// grows again.
func TestConcurrencyFollowsTheEndpoint(t *testing.T) {
	in(t, func(t *testing.T) {
		answer := delivered
		r := newRig(t, plenty, func(*Lane[*task], *task) (time.Duration, attempt.Result) { return 10 * time.Millisecond, answer })
		l := r.lane(&endpoint.Endpoint{ID: "ep_a"})
		l.Take(&task{})
		r.Wait()
		if most := r.mostAtOnce("ep_a"); most != 1 {
			t.Errorf("%d requests at once for one job", most)
		}
		give(l, firstConcurrency, Facts{})
		synctest.Wait()
		if most := r.mostAtOnce("ep_a"); most != firstConcurrency {
			t.Errorf("it begins with %d at once", most)
		}
		give(l, 500, Facts{})
		r.Wait()
		if most := r.mostAtOnce("ep_a"); most != defaultConcurrency {
			t.Errorf("it grows to %d at once", most)
		}
		answer = timedOut
		want := defaultConcurrency
		for range 8 { // fewer than open the circuit
			l.Take(&task{})
			r.Wait()
			want = max(1, want/2)
			if l.limit != want {
				t.Errorf("%d at once after a timeout, want %d", l.limit, want)
			}
		}
		answer = delivered
		give(l, 500, Facts{})
		r.Wait()
		if l.limit != defaultConcurrency {
			t.Errorf("it grows again to %d at once", l.limit)
		}
	})
}

// A lower concurrency is in force as soon as the requests of before have ended, a higher one at once.
func TestConcurrencyThatChanges(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(10*time.Millisecond, delivered))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", Concurrency: 16})
		give(l, 200, Facts{})
		time.Sleep(55 * time.Millisecond)
		if most := r.mostAtOnce("ep_a"); most != 16 {
			t.Errorf("%d at once, of 16", most)
		}
		r.Follow(&endpoint.Endpoint{ID: "ep_a", Concurrency: 1})
		time.Sleep(10 * time.Millisecond)
		r.mostAtOnce("ep_a")
		time.Sleep(50 * time.Millisecond)
		if most := r.mostAtOnce("ep_a"); most != 1 {
			t.Errorf("%d at once, after it was lowered to 1", most)
		}
		r.Follow(&endpoint.Endpoint{ID: "ep_a", Concurrency: 4})
		r.Wait()
		if most := r.mostAtOnce("ep_a"); most != 4 {
			t.Errorf("%d at once, after it was raised to 4", most)
		}
		if n := r.count(); n != 200 {
			t.Errorf("%d requests", n)
		}
	})
}

// However many retries wait, first attempts get every other place, and retries get theirs beside any number of first attempts.
func TestClassesAlternate(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(time.Millisecond, delivered))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", Ordered: true}) // one at once
		give(l, 1, Facts{})
		give(l, 200, Facts{Class: Retry})
		give(l, 20, Facts{})
		r.Wait()
		all := r.requests()
		for i, req := range all[1:41] {
			if want := []Class{Retry, First}[i%2]; req.class != want {
				t.Fatalf("request %d is of class %d, want %d", i, req.class, want)
			}
		}
		if len(all) != 221 {
			t.Errorf("%d requests", len(all))
		}
	})
}

// A rate limit spaces requests evenly, whatever waits, and holds as soon as it is changed.
func TestRateLimit(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(time.Millisecond, delivered))
		ep := func(count int, per time.Duration) *endpoint.Endpoint {
			return &endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: count, Per: per}}
		}
		l := r.lane(ep(20, time.Second))
		give(l, 35, Facts{})
		give(l, 35, Facts{Class: Retry})
		r.settle(70)
		all := r.requests()
		for i := range all[1:] {
			if gap := all[i+1].at.Sub(all[i].at); gap != 50*time.Millisecond {
				t.Fatalf("%s between two requests", gap)
			}
		}
		r.Follow(ep(1, time.Hour))
		time.Sleep(time.Hour)
		give(l, 6, Facts{})
		synctest.Wait()
		if n := r.count(); n != 71 {
			t.Errorf("%d requests at once, with one an hour", n-70)
		}
		begin := time.Now()
		r.Follow(ep(100, time.Second))
		r.settle(76)
		if took := time.Since(begin); took > 60*time.Millisecond {
			t.Errorf("what waited under the old limit took %s", took)
		}
	})
}

// settle waits until so many requests have been made and ended.
func (r *rig) settle(n int) {
	for r.count() < n {
		time.Sleep(time.Millisecond)
	}
	r.Wait()
}

// An endpoint that goes on failing gets a few probes, fewer the longer it fails, and everything as soon as one is taken.
func TestFailingEndpointIsProbed(t *testing.T) {
	in(t, func(t *testing.T) {
		answer := refused
		r := newRig(t, plenty, func(*Lane[*task], *task) (time.Duration, attempt.Result) { return time.Millisecond, answer })
		l := r.lane(&endpoint.Endpoint{ID: "ep_a"})
		give(l, 2000, Facts{})
		time.Sleep(time.Minute)
		synctest.Wait()
		least, most := openAfter+probesAtOnce+50, openAfter+firstConcurrency+probesAtOnce+60
		if n := r.count(); n < least || n > most {
			t.Errorf("%d requests in the first minute, want %d to %d", n, least, most)
		}
		if l.Works() {
			t.Error("the circuit is closed")
		}
		time.Sleep(3 * time.Hour)
		before := r.count()
		time.Sleep(time.Hour)
		if n := r.count() - before; n < 59 || n > 61 {
			t.Errorf("%d requests in an hour, after hours", n)
		}
		answer = delivered
		begin := time.Now()
		r.settle(2000)
		if took := time.Since(begin); took > mostProbe+time.Second {
			t.Errorf("the rest took %s", took)
		}
		if !l.Works() {
			t.Error("the circuit is open")
		}
	})
}

// A probe is one request at a time. Retries and first attempts take turns.
func TestProbesTakeTurns(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(100*time.Millisecond, refused))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", FailingSince: time.Now()})
		give(l, 5, Facts{})
		give(l, 3, Facts{Class: Retry})
		time.Sleep(2 * time.Second)
		var classes []Class
		for _, req := range r.requests() {
			classes = append(classes, req.class)
		}
		if got, want := fmt.Sprint(classes[:4]), fmt.Sprint([]Class{First, Retry, First, Retry}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if most := r.mostAtOnce("ep_a"); most != 1 {
			t.Errorf("%d probes at once", most)
		}
	})
}

// An endpoint that asks for a pause gets it, and the pause is doubled when it does not say for how long.
func TestPausesAreKept(t *testing.T) {
	in(t, func(t *testing.T) {
		later := attempt.Result{Verdict: attempt.Later, Class: "4xx", Status: 429}
		r := newRig(t, plenty, always(0, delivered))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", Concurrency: 1})
		now := func() *attempt.Result { res := later; res.Started = time.Now(); return &res }
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			until := l.Pause(now(), time.Hour)
			if got := time.Until(until); got != want*time.Second {
				t.Errorf("a pause of %s, want %d s", got, want)
			}
			time.Sleep(time.Until(until))
		}
		said := now()
		said.RetryAfter = 90 * time.Second
		if got := time.Until(l.Pause(said, time.Hour)); got != 90*time.Second {
			t.Errorf("a pause of %s, want that which was asked for", got)
		}
		if n, _ := l.Wants(); n != 0 {
			t.Errorf("it wants %d events meanwhile", n)
		}
		if _, rests := l.RestsUntil(); !rests {
			t.Error("it does not rest")
		}
		begin := time.Now()
		give(l, 1, Facts{})
		r.settle(1)
		if got := r.requests()[0].at.Sub(begin); got != 90*time.Second {
			t.Errorf("the next request after %s", got)
		}
		said.Started, said.RetryAfter = time.Now(), 24*time.Hour
		if got := time.Until(l.Pause(said, time.Hour)); got != time.Hour {
			t.Errorf("a pause of %s, want at most an hour", got)
		}
	})
}

// A disabled endpoint gets nothing, and everything when it is enabled; one that is removed drops everything at once.
func TestDisabledAndRemoved(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(time.Millisecond, delivered))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", Disabled: true, RateLimit: &endpoint.Rate{Count: 1, Per: time.Hour}})
		give(l, 10, Facts{})
		time.Sleep(time.Hour)
		if n := r.count(); n != 0 {
			t.Errorf("%d requests to a disabled endpoint", n)
		}
		r.Follow(&endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: 1, Per: time.Hour}})
		synctest.Wait()
		if n := r.count(); n != 1 {
			t.Errorf("%d requests when it was enabled, with one an hour", n)
		}
		begin := time.Now()
		r.Remove("ep_a")
		r.settle(10)
		if took := time.Since(begin); took > 10*time.Millisecond {
			t.Errorf("what was for a removed endpoint took %s", took)
		}
		if r.Find("ep_a") != nil {
			t.Error("it still has a lane")
		}
	})
}

// When the process stops, everything goes to the worker at once, whatever it waits for, and what was set aside comes back.
func TestDrain(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(time.Hour, delivered))
		limited := r.lane(&endpoint.Endpoint{ID: "ep_a", RateLimit: &endpoint.Rate{Count: 1, Per: time.Hour}})
		disabled := r.lane(&endpoint.Endpoint{ID: "ep_b", Disabled: true})
		give(limited, 20, Facts{Size: 10})
		give(disabled, 20, Facts{Size: 10})
		limited.SetAside(&task{id: 7, facts: Facts{Stream: "A"}})
		begin := time.Now()
		close(r.stop)
		aside := r.Drain()
		r.Wait()
		if took := time.Since(begin); took > 0 || len(aside) != 1 || aside[0].id != 7 {
			t.Errorf("it took %s, and %d were aside", took, len(aside))
		}
	})
}
