package bench

import (
	"errors"
	"maps"
	"testing"
	"time"
)

func TestTallyCountsEachEventOnceAtEachEndpoint(t *testing.T) {
	t.Parallel()
	tally := newTally(130, []kind{healthy, slow, healthy}, time.Minute)
	for i := range 130 {
		tally.publish(i)
		tally.arrive(0, tally.id(i))
		tally.arrive(0, tally.id(i))
		if i != 64 {
			tally.arrive(2, tally.id(i))
		}
	}
	for _, id := range []string{"", "other-5", tally.id(130), tally.id(-1), tally.run + "-x", tally.probeID(1)} {
		tally.arrive(2, id)
	}
	f := tally.figures()
	if f.Healthy != 2 || f.Expected != 260 || f.Lost != 1 || f.Duplicated != 130 || len(tally.probed) != 1 {
		t.Errorf("got %+v and %d probed", f, len(tally.probed))
	}
	report := DeliverReport{Baseline: &DeliverFigures{}, Jethook: *f}
	if err := report.lost(); !errors.Is(err, ErrLost) {
		t.Errorf("a lost event is reported as %v", err)
	}
	tally.arrive(2, tally.id(64))
	select {
	case <-tally.complete:
	default:
		t.Error("it is not complete when all have arrived")
	}
}

func TestKindsSpreadBadEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoints               int
		slow, failing, refusing float64
		want                    map[kind]int
	}{
		{1, 0, 0, 0, map[kind]int{healthy: 1}},
		{100, 0.1, 0.05, 0.2, map[kind]int{healthy: 65, slow: 10, failing: 5, refusing: 20}},
		{10, 0.01, 0.01, 0, map[kind]int{healthy: 8, slow: 1, failing: 1}}, // a share of more than none is at least one
		{7, 0.5, 0.3, 0, map[kind]int{healthy: 1, slow: 4, failing: 2}},
		{2, 0, 0, 0.5, map[kind]int{healthy: 1, refusing: 1}},
	} {
		o := DeliverOptions{Endpoints: c.endpoints, Slow: c.slow, Failing: c.failing, Refusing: c.refusing}
		n := map[kind]int{}
		for _, k := range o.kinds(true) {
			n[k]++
		}
		if !maps.Equal(n, c.want) {
			t.Errorf("%+v: %v", c, n)
		}
		if good := o.kinds(false); len(good) != n[healthy] {
			t.Errorf("%+v: %d in the baseline", c, len(good))
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seconds []int   // arrivals in each
		want    float64 // -1: none
	}{
		"all at one pace":          {[]int{100, 100, 100, 100}, 1},
		"the last ones trickle in": {[]int{100, 100, 100, 10}, 0.1},
		"a pause in the middle":    {[]int{100, 0, 100, 100}, 0},
		"the start is left out":    {[]int{7, 100, 50, 100}, 0.5},
		"too short":                {[]int{100, 100, 100}, -1},
	} {
		tally := newTally(1, []kind{healthy}, time.Minute)
		for second, n := range c.seconds {
			for i := range n {
				tally.add(time.Millisecond, second*slotsPerSecond+i%slotsPerSecond)
			}
		}
		if got := tally.tail(); (got == nil) != (c.want < 0) || got != nil && *got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
