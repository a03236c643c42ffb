package lane

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// offer offers jobs of n bytes until one is refused, and returns how many were taken.
func offer(l *Lane[*task], facts Facts, place func() bool) (taken int) {
	for taken < 1<<20 && l.Offer(&task{facts: facts}, place) {
		taken++
	}
	return taken
}

func granted() bool { return true }
func denied() bool  { return false }

// A crowd of hanging endpoints, each with more than it may hold, shares the limits, and leaves room for one that is well.
func TestHangingCrowdSharesTheRoom(t *testing.T) {
	in(t, func(t *testing.T) {
		limits := Limits{Deliveries: 4096, Bytes: 128 << 20, DetachedBytes: 32 << 20}
		r := newRig(t, limits, func(l *Lane[*task], _ *task) (time.Duration, attempt.Result) {
			if l.ep.ID == "ep_well" {
				return time.Millisecond, delivered
			}
			return 24 * time.Hour, delivered
		})
		const crowd = 70
		total := 0
		for i := range crowd { // each is busy before they are full
			give(r.lane(&endpoint.Endpoint{ID: fmt.Sprint("ep_", i)}), 1, Facts{})
		}
		for i := range crowd {
			n := offer(r.Find(fmt.Sprint("ep_", i)), Facts{}, granted)
			total += n
			if n > limits.Deliveries/2/crowd {
				t.Errorf("one holds %d", n)
			}
		}
		if total > limits.Deliveries*3/4 {
			t.Errorf("the crowd holds %d of %d", total, limits.Deliveries)
		}
		well := r.lane(&endpoint.Endpoint{ID: "ep_well"})
		if n := offer(well, Facts{}, denied); n != reserved {
			t.Errorf("one that is well gets %d of %d places, though the process has none", n, reserved)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := offer(well, Facts{}, granted); n < 20 {
			t.Errorf("one that is well gets %d", n)
		}
	})
}

// Bodies for endpoints that hang fill no more than the limit, and leave half of it to others while there is one such.
func TestLargeBodiesAreBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		limits := Limits{Deliveries: 4096, Bytes: 64 << 20, DetachedBytes: 8 << 20}
		r := newRig(t, limits, always(24*time.Hour, delivered))
		one, other := r.lane(&endpoint.Endpoint{ID: "ep_a"}), r.lane(&endpoint.Endpoint{ID: "ep_b"})
		give(other, 1, Facts{Size: 1 << 20})
		offer(one, Facts{Size: 1 << 20}, granted)
		if held := one.bytes; held != limits.Bytes/2 {
			t.Errorf("one of two holds %d bytes", held)
		}
		offer(other, Facts{Size: 1 << 20, Detached: true, Class: Retry}, granted)
		if held := other.bytes; held != limits.DetachedBytes {
			t.Errorf("the other one holds %d bytes of bodies that are fetched", held)
		}
		third := r.lane(&endpoint.Endpoint{ID: "ep_c"})
		if !third.Offer(&task{facts: Facts{Size: 60 << 20}}, denied) {
			t.Error("an idle one does not get its first, however large that is")
		}
		if r.Bytes() != one.bytes+other.bytes+third.bytes {
			t.Errorf("%d bytes are counted", r.Bytes())
		}
	})
}

// A lane asks its cursors for what it will attempt within a second, and not for what it could not: it is never idle for want
// of events, and never holds many.
func TestAppetite(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(20*time.Millisecond, delivered))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", Concurrency: 4})
		got, idle := 0, 0
		for begin := time.Now(); got < 400 && time.Since(begin) < time.Minute; {
			n, more := l.Wants()
			if n > mostAhead {
				t.Errorf("it asks for %d", n)
			}
			if n > 0 {
				give(l, n, Facts{Origin: Cursor})
				got += n
			}
			if l.running < 4 {
				idle++
			}
			if n == 0 {
				<-more
			}
		}
		r.Wait()
		all := r.requests()
		if took, want := all[len(all)-1].at.Sub(all[0].at), time.Duration(len(all)-1)/4*20*time.Millisecond; took > want+20*time.Millisecond {
			t.Errorf("%d requests took %s, want %s: it was idle", len(all), took, want)
		}
		if idle > 0 {
			t.Errorf("%d times fewer requests than it bears were under way", idle)
		}
	})
}

// While its circuit is open a lane wants one event for each probe. Where retries wait too, it wants the one whose turn is next.
func TestAppetiteOfAFailingEndpoint(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(0, refused))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", FailingSince: time.Now()})
		for range probesAtOnce {
			if n, _ := l.Wants(); n != 1 {
				t.Errorf("it wants %d for a probe", n)
			}
			give(l, 1, Facts{Origin: Cursor})
			synctest.Wait()
		}
		n, more := l.Wants()
		if n != 0 {
			t.Errorf("it wants %d before the next probe", n)
		}
		begin := time.Now()
		<-more
		if took := time.Since(begin); took < leastProbe-time.Millisecond || took > leastProbe+time.Millisecond {
			t.Errorf("it wants one more after %s", took)
		}
		give(l, 3, Facts{Class: Retry}) // one is the probe
		synctest.Wait()
		if n, _ := l.Wants(); n != 1 {
			t.Errorf("it wants %d though the next turn is an event's", n)
		}
		give(l, 1, Facts{Origin: Cursor})
		if n, _ := l.Wants(); n != 0 {
			t.Errorf("it wants %d though it has the next probe", n)
		}
		time.Sleep(leastProbe + time.Millisecond)
		if n, _ := l.Wants(); n != 0 {
			t.Errorf("it wants %d though the next turn is a retry's", n)
		}
	})
}

// An endpoint that refuses some events for good, and has been down for long, has many retries that it will refuse again. They
// don't keep it from what it would take.
func TestRefusedRetriesAreNotTheOnlyProbes(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, func(_ *Lane[*task], j *task) (time.Duration, attempt.Result) {
			if j.facts.Class == Retry {
				return time.Millisecond, refused
			}
			return time.Millisecond, delivered
		})
		l := r.lane(&endpoint.Endpoint{ID: "ep_a", FailingSince: time.Now().Add(-24 * time.Hour)})
		give(l, restingRetries, Facts{Class: Retry, Origin: Due})
		begin := time.Now()
		for !l.Works() {
			n, more := l.Wants()
			if n > 0 {
				give(l, n, Facts{Origin: Cursor})
			}
			synctest.Wait()
			if n == 0 && !l.Works() {
				<-more
			}
		}
		if took := time.Since(begin); r.requests()[probesAtOnce].class != First || took > mostProbe+time.Second {
			t.Errorf("it took %d probes and %s to find that the endpoint is well", r.count(), took)
		}
	})
}

// A full lane is waited for while it moves fast, and not when it is slow, fails, or others run dry for it.
func TestWaitingForAFullLane(t *testing.T) {
	fill := func(r *rig, l *Lane[*task]) {
		give(l, 64, Facts{}) // it proves itself
		r.Wait()
		offer(l, Facts{}, granted)
	}
	for name, test := range map[string]struct {
		latency time.Duration
		dry     bool
		want    bool
	}{
		"fast":                    {latency: time.Millisecond, want: true},
		"slow":                    {latency: time.Second},
		"fast, but others starve": {latency: time.Millisecond, dry: true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				stall := false
				r := newRig(t, Limits{Deliveries: 400, Bytes: 1 << 30}, func(l *Lane[*task], _ *task) (time.Duration, attempt.Result) {
					if stall && l.ep.ID == "ep_a" {
						return time.Hour, delivered
					}
					return test.latency, delivered
				})
				l := r.lane(&endpoint.Endpoint{ID: "ep_a"})
				stall = test.dry
				if test.dry { // it has been fast until now
					stall = false
					give(l, 64, Facts{})
					r.Wait()
					stall = true
					offer(l, Facts{}, granted)
					give(r.lane(&endpoint.Endpoint{ID: "ep_b"}), 64, Facts{})
					time.Sleep(20 * time.Millisecond)
				} else {
					fill(r, l)
				}
				begin := time.Now()
				if taken := l.OfferPatiently(t.Context(), &task{}, granted); taken != test.want {
					t.Errorf("taken: %t after %s", taken, time.Since(begin))
				}
			})
		})
	}
}

// A lane that comes to rest gives back what it can't attempt for a while, and says whose it is then.
func TestRelieve(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, plenty, always(time.Millisecond, delivered))
		l := r.lane(&endpoint.Endpoint{ID: "ep_a"})
		r.Follow(&endpoint.Endpoint{ID: "ep_a", Disabled: true})
		give(l, 5, Facts{Stream: "EVENTS"})
		give(l, 3, Facts{Stream: "EVENTS", Origin: Cursor})
		give(l, 100, Facts{Stream: "DELIVERIES", Origin: Due, Class: Retry})
		if n := l.HoldsShared("EVENTS"); n != 5 {
			t.Errorf("it holds %d of the shared intake", n)
		}
		jobs := l.Relieve()
		if len(jobs) != 108 {
			t.Errorf("a disabled one gives back %d", len(jobs))
		}
		if n := l.HoldsShared("EVENTS"); n != 5 { // until it has been handed over
			t.Errorf("%d are being handed over", n)
		}
		l.CountHandover("EVENTS", -5)
		if n := l.HoldsShared("EVENTS"); n != 0 {
			t.Errorf("%d are left", n)
		}
		r.Follow(&endpoint.Endpoint{ID: "ep_a", FailingSince: time.Now()})
		give(l, 2*restingRetries, Facts{Origin: Due, Class: Retry})
		l.Relieve()
		if n := len(l.queues[Retry]); n > restingRetries || n < restingRetries/2 {
			t.Errorf("a failing one keeps %d retries", n)
		}
	})
}
