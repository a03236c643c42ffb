package report_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"jethook/publish/report"
)

// A quantile is off by less than a tenth over the whole range of timeouts.
func TestQuantileIsNear(t *testing.T) {
	t.Parallel()
	for d := 100 * time.Microsecond; d <= 5*time.Minute; d += d / 50 {
		var l report.Latency
		l.Add(d)
		if got := l.Quantile(0.99); math.Abs(float64(got-d)) >= float64(d)/10 {
			t.Errorf("%s is given as %s", d, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var l report.Latency
	if l.Quantile(0.5) != 0 {
		t.Error("no request has a latency")
	}
	for range 98 {
		l.Add(10 * time.Millisecond)
	}
	l.Add(time.Second)
	l.Add(time.Hour) // beyond every timeout
	near := func(q float64, want time.Duration) {
		if got := l.Quantile(q); math.Abs(float64(got-want)) > float64(want)/10 {
			t.Errorf("q%v is %s, want about %s", q, got, want)
		}
	}
	near(0.5, 10*time.Millisecond)
	near(0.98, 10*time.Millisecond)
	near(0.99, time.Second)
	near(1, 5*time.Minute)
}

// What two processes counted is merged after it was on the bus.
func TestHourSurvivesTheBus(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var w report.Window
	for i := range 1000 {
		w.Add(now, i%10 != 0, time.Duration(i+1)*time.Millisecond)
	}
	want := w.Hour(now)
	data, err := json.Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	var got report.Hour
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got != want || got.Delivered != 900 || got.Failed != 100 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got.Add(&want)
	if got.Delivered != 1800 || got.Latency.Quantile(0.5) != want.Latency.Quantile(0.5) {
		t.Errorf("merged: %d delivered, p50 %s", got.Delivered, got.Latency.Quantile(0.5))
	}
	if err := json.Unmarshal([]byte(`[400,1,2,3]`), &got.Latency); err != nil {
		t.Errorf("a bucket of another version: %v", err)
	}
}

// What is older than an hour is gone, also from a slot that is used again.
func TestWindowMovesOn(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0).Add(500_000 * time.Hour)
	var w report.Window
	for minute := range 180 {
		w.Add(start.Add(time.Duration(minute)*time.Minute), true, time.Millisecond)
	}
	end := start.Add(179 * time.Minute)
	if got := w.Hour(end); got.Delivered < 60 || got.Delivered > 70 {
		t.Errorf("%d in the last hour, want 60 to 70", got.Delivered)
	}
	if got := w.Hour(end.Add(80 * time.Minute)); got.Delivered != 0 {
		t.Errorf("%d are left after an idle hour", got.Delivered)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	var w report.Window
	now := time.Now()
	if n := testing.AllocsPerRun(1000, func() { w.Add(now, true, 3*time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}
