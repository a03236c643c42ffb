package bench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Tests that start children start this binary, which then plays a Jethook that fails.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		for i := range 20 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		fmt.Fprintln(os.Stderr, "JETHOOK_SECRET_OF_USER:", os.Getenv("JETHOOK_SECRET_OF_USER"), "sync:", os.Getenv("JETHOOK_SYNC"))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestStartShowsWhatTheChildSaidLast(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("JETHOOK_SECRET_OF_USER", "not for the child")
	_, err := startJethook(t.Context(), "serve", "JETHOOK_SYNC=2m")
	if !errors.Is(err, errNotStarted) {
		t.Fatalf("got %v", err)
	}
	for text, want := range map[string]bool{
		"line 19\n": true, "line 11\n": true, "line 10\n": false, "not for the child": false, "sync: 2m": true,
	} {
		if strings.Contains(err.Error(), text) != want {
			t.Errorf("%q in the error: want %v: %v", text, want, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestTallyCountsEachEventOnceAtEachEndpoint(t *testing.T) {
	t.Parallel()
	tally := newTally(130, []kind{healthy, slow, healthy}, time.Minute)
	for i := range 130 {
		tally.publish(i)
		tally.arrive(&tally.endpoints[0], tally.id(i))
		tally.arrive(&tally.endpoints[0], tally.id(i))
		if i != 64 {
			tally.arrive(&tally.endpoints[2], tally.id(i))
		}
	}
	for _, id := range []string{"", "other-5", tally.id(130), tally.id(-1), tally.run + "-x", tally.probeID(1)} {
		tally.arrive(&tally.endpoints[2], id)
	}
	var f DeliverFigures
	f.count(tally)
	if f.Healthy != 2 || f.Expected != 260 || f.Lost != 1 || f.Duplicated != 130 || tally.probed.Load() != 1 {
		t.Errorf("got %+v and %d probed", f, tally.probed.Load())
	}
	report := DeliverReport{Baseline: &DeliverFigures{}, Jethook: f}
	if err := report.Lost(); !errors.Is(err, ErrLost) {
		t.Errorf("a lost event is reported as %v", err)
	}
	tally.arrive(&tally.endpoints[2], tally.id(64))
	select {
	case <-tally.complete:
	default:
		t.Error("it is not complete when all have arrived")
	}
}

func TestKindsSpreadBadEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoints             int
		slow, failing         float64
		wantSlow, wantFailing int
	}{
		{1, 0, 0, 0, 0},
		{100, 0.1, 0.05, 10, 5},
		{10, 0.01, 0.01, 1, 1}, // a share of more than none is at least one
		{7, 0.5, 0.3, 4, 2},
	} {
		o := DeliverOptions{Endpoints: c.endpoints, Slow: c.slow, Failing: c.failing}
		n := map[kind]int{}
		for _, k := range o.kinds(true) {
			n[k]++
		}
		if n[slow] != c.wantSlow || n[failing] != c.wantFailing || n[healthy] != c.endpoints-c.wantSlow-c.wantFailing {
			t.Errorf("%+v: %v", c, n)
		}
		if good := o.kinds(false); len(good) != n[healthy] {
			t.Errorf("%+v: %d in the baseline", c, len(good))
		}
	}
}
