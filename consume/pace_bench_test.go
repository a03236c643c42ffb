package consume_test

import (
	"fmt"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// BenchmarkRateLimit sends a burst to an endpoint with a limit of 50/s and reports by how much the worst second
// missed it at the receiver, leaving out the first and the last: go test ./consume -run '^$' -bench RateLimit
// -benchtime 5000x
func BenchmarkRateLimit(b *testing.B) {
	const perSecond = 50
	r := start(b, settings(b, time.Minute))
	rc := receive(b, always(200))
	limit := fmt.Sprint(perSecond, "/s")
	r.add(b, rc.URL, func(s *endpoint.Spec) { s.RateLimit = &limit }, "events.>")
	b.ResetTimer()
	go publishMany(b, r, b.N, make([]byte, 1024))
	seconds := map[int]int{}
	seen := map[string]bool{}
	var first time.Time
	for range b.N {
		got := rc.next(b)
		if first.IsZero() {
			first = got.at
		}
		seconds[int(got.at.Sub(first)/time.Second)]++
		seen[got.header.Get("webhook-id")] = true
	}
	worst := 0
	for s, n := range seconds {
		if s > 0 && s < len(seconds)-1 {
			worst = max(worst, perSecond-n, n-perSecond)
		}
	}
	b.ReportMetric(100*float64(worst)/perSecond, "worst_%")
	b.ReportMetric(float64(b.N-len(seen)), "lost")
}
