package metrics_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/consume/attempt"
	"jethook/consume/metrics"
)

// series returns how often each series counted something.
func series(t *testing.T, m *metrics.Meters) map[string]float64 {
	t.Helper()
	all := prometheus.NewPedanticRegistry()
	if err := all.Register(m); err != nil {
		t.Fatal(err)
	}
	families, err := all.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, one := range f.GetMetric() {
			name := f.GetName()
			for _, label := range one.GetLabel() {
				name += " " + label.GetValue()
			}
			out[name] = one.GetCounter().GetValue() + float64(one.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// What is counted for an endpoint is told by its name, and goes with it.
func TestCounts(t *testing.T) {
	t.Parallel()
	m := metrics.New(10)
	m.Open("ep_a")
	began := time.Now()
	failed := &attempt.Result{Verdict: attempt.Failed, Class: attempt.ClassStatus, Started: began}
	m.Note("ep_a", failed, began.Add(-time.Second))
	m.Note("ep_a", failed, time.Time{})                                                          // a later attempt
	m.Note("ep_a", &attempt.Result{Verdict: attempt.Aborted, Class: attempt.ClassStatus}, began) // says nothing of the event's wait
	m.Died("ep_a")
	m.Note("ep_b", failed, began) // there is none
	m.Died("ep_b")
	want := map[string]float64{
		"jethook_attempts_total status ep_a failed": 2, "jethook_attempts_total status ep_a aborted": 1,
		"jethook_attempt_duration_seconds ep_a": 3, "jethook_first_attempt_delay_seconds ep_a": 1, "jethook_deliveries_dead_total ep_a": 1,
	}
	got := series(t, m)
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %v, want %v", name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("series: %v", got)
	}
	m.Forget("ep_a")
	if got := series(t, m); len(got) != 0 || m.Name("ep_a") != "" {
		t.Errorf("left of a removed endpoint: %v", got)
	}
}

// The first death of an endpoint is told once, until it has taken something.
func TestFirstDeath(t *testing.T) {
	t.Parallel()
	m := metrics.New(10)
	if !m.FirstDeath("ep_a") || m.FirstDeath("ep_a") {
		t.Error("the first death is not told once")
	}
	m.Note("ep_a", &attempt.Result{Verdict: attempt.Failed}, time.Time{})
	if m.FirstDeath("ep_a") {
		t.Error("it is told again, and nothing was taken")
	}
	m.Note("ep_a", &attempt.Result{Verdict: attempt.Delivered}, time.Time{})
	if !m.FirstDeath("ep_a") {
		t.Error("it is not told again after something was taken")
	}
}
