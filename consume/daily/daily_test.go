package daily_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"jethook/consume/daily"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
)

// rig is a bus on which nothing is delivered: what is put on it stays.
type rig struct{ bus *publish.Bus }

func newRig(t testing.TB) *rig {
	t.Helper()
	return &rig{bustest.Open(t, bustest.Settings(t))}
}

// days are counted while the test runs.
func (r *rig) days(t *testing.T, hour, look uint64) *daily.Counter {
	t.Helper()
	d := daily.New(r.bus)
	daily.SetBudgets(d, hour, look)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, func(err error) { t.Error(err) }) })
	t.Cleanup(func() { stop(); running.Wait() })
	return d
}

// record stores lines of the history, one in four a failure, evenly of these endpoints.
func (r *rig) record(t *testing.T, n int, endpoints ...string) {
	t.Helper()
	bustest.Fill(t, n, func(i int, done func(error)) {
		trait := delivery.HistoryKey{Endpoint: endpoints[i%len(endpoints)], Outcome: "delivered", Class: "ok", Status: 200}
		if i/len(endpoints)%4 == 3 {
			trait.Outcome, trait.Class, trait.Status = "failed", "status", 503
		}
		r.bus.Deliveries().Record(trait, []byte(`{}`), done)
	})
}

// counted looks until the day is as wanted.
func counted(t *testing.T, d *daily.Counter, endpoint string, ok func(daily.Day) bool) daily.Day {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		whole := d.Look(t.Context())
		day := d.Of(endpoint)
		if whole && ok(day) {
			return day
		}
		if time.Now().After(deadline) {
			t.Fatalf("counted %+v, the whole day: %t", day, whole)
		}
	}
}

// Each endpoint's attempts are counted in their hour, once each, and what is no attempt is not.
func TestDays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 1200, "ep_a", "ep_b", "ep_c")
	bustest.Fill(t, 3, func(i int, done func(error)) {
		r.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: "ep_a", Outcome: []string{"dead", "circuit_opened", "deferred"}[i]}, []byte(`{}`), done)
	})
	d := r.days(t, 20_000, 20_000)
	day := counted(t, d, "ep_a", func(daily.Day) bool { return true })
	if day.Delivered != 300 || day.Failed != 101 || day.Sampled {
		t.Errorf("counted %+v", day)
	}
	var sum uint64
	for i, h := range day.Hours {
		if i > 0 && h.Start.Sub(day.Hours[i-1].Start) != time.Hour {
			t.Errorf("hour %d begins at %s", i, h.Start)
		}
		if i < daily.Hours-2 && h.Delivered+h.Failed != 0 { // an hour may end while this runs
			t.Errorf("something in the past: %+v", h)
		}
		sum += h.Delivered + h.Failed
	}
	if sum != day.Delivered+day.Failed {
		t.Errorf("the hours have %d, the day %d", sum, day.Delivered+day.Failed)
	}
	if other := d.Of("ep_none"); other.Delivered+other.Failed != 0 {
		t.Errorf("an endpoint without attempts: %+v", other)
	}
	r.record(t, 4, "ep_a") // what comes later is added
	counted(t, d, "ep_a", func(day daily.Day) bool { return day.Delivered == 303 && day.Failed == 102 })
}

// Of more attempts than are read, a sample tells how many there were.
func TestDaysBySample(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record(t, 9000, "ep_a", "ep_b", "ep_c")
	d := r.days(t, 1500, 1500)
	day := counted(t, d, "ep_b", func(daily.Day) bool { return true })
	within := func(got, want uint64) bool { return got > want*9/10 && got < want*11/10 }
	if !day.Sampled || !within(day.Delivered, 2250) || !within(day.Failed, 750) {
		t.Errorf("a sample tells of %d delivered and %d failed", day.Delivered, day.Failed)
	}
}

// BenchmarkDays measures a first look at a day of a million attempts of a thousand endpoints, and the looks after it, each with a
// thousand attempts since the last one:
// go test ./consume/daily -run '^$' -bench Days -benchtime 1x
func BenchmarkDays(b *testing.B) {
	r := newRig(b)
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprintf("ep_%020d", i)
	}
	add := func(n int) {
		bustest.Fill(b, n, func(i int, done func(error)) {
			r.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: ids[i%len(ids)], Outcome: "delivered", Class: "ok", Status: 200}, make([]byte, 500), done)
		})
	}
	add(1_000_000)
	d := daily.New(r.bus)
	measure := func(name string) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := daily.CountNow(b.Context(), d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	measure("first")
	add(1000)
	measure("again")
}
