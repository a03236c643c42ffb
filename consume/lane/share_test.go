package lane

import (
	"runtime"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// An endpoint that catches up makes few requests at once while others have first attempts, unless it is slow; alone, and when
// it has caught up, it makes as many as it bears.
func TestLaneSharesTheProcessorsWhileItCatchesUp(t *testing.T) {
	t.Parallel()
	processors, now := runtime.GOMAXPROCS(0), time.Now()
	const bears = 10_000
	for name, test := range map[string]struct {
		lags    bool
		first   time.Time // the last first attempt
		latency time.Duration
		want    int
	}{
		"fast, beside others": {true, now.Add(-firstFor / 2), 50 * time.Microsecond, processors * lagShare},
		"slow, beside others": {true, now.Add(-firstFor / 2), 50 * time.Millisecond, processors * lagPace / 20},
		"very slow":           {true, now.Add(-firstFor / 2), time.Hour, bears},
		"alone":               {true, now.Add(-2 * firstFor), 50 * time.Microsecond, bears},
		"has caught up":       {false, now.Add(-firstFor / 2), 50 * time.Microsecond, bears},
	} {
		t.Run(name, func(t *testing.T) {
			p := idlePool()
			p.throttle.first.Store(test.first.UnixNano())
			l := newLane(p, &endpoint.Endpoint{ID: "ep_a"})
			l.limit, l.lags, l.latency = bears, test.lags, test.latency
			if got := l.parallel(now); got != min(test.want, bears) {
				t.Errorf("%d requests at once, want %d", got, test.want)
			}
		})
	}
}
