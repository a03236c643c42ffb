package consume_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"jethook/publish/delivery"
)

// BenchmarkWaiting measures what many retries that wait cost: to store one, in memory, at a restart, and in
// throughput of everything else: go test ./consume -run '^$' -bench Waiting -benchtime 1x -timeout 30m
func BenchmarkWaiting(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				waiting(b, n)
			}
		})
	}
}

func waiting(b *testing.B, n int) {
	cfg := settings(b, time.Hour)
	r := start(b, cfg)
	empty := heap()
	began := time.Now()
	scheduleMany(b, r, n)
	stored := time.Since(began)
	held := heap()
	b.ReportMetric(float64(stored.Microseconds())/float64(n), "store_us/retry")
	b.ReportMetric(float64(held-empty)/float64(n), "heap_B/retry")
	r.stop()

	began = time.Now()
	r = start(b, cfg)
	b.ReportMetric(time.Since(began).Seconds(), "restart_s")
	const events = 20_000
	rc := count(b, events)
	r.add(b, rc.URL, nil, "events.a")
	began = time.Now()
	go publishMany(b, r, events, make([]byte, 1024))
	rc.await(b)
	b.ReportMetric(events/time.Since(began).Seconds(), "deliveries/s")
	r.stop()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// scheduleMany stores n retries of a hundred endpoints that are due tomorrow.
func scheduleMany(b *testing.B, r *rig, n int) {
	body := make([]byte, 1024)
	due := time.Now().Add(24 * time.Hour)
	r.schedule(b, n, func(i int) delivery.Delivery {
		e := internal(fmt.Sprint("evt_", i), "a")
		e.Body = body
		return delivery.Delivery{
			Endpoint: fmt.Sprintf("ep_%020d", i%100), Event: *e, Attempt: 2, Why: delivery.WhyRetry,
			Due: due.Add(time.Duration(i) * time.Millisecond),
		}
	})
}
