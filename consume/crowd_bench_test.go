package consume_test

import (
	"flag"
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/publish/topology"
)

var crowdSize = flag.Int("crowd.size", 10_000, "of how many endpoints 300 lag in BenchmarkCrowd")

const (
	crowdLagging = 300 // a third refuses connections, a third answers after 2 s, a third takes one a second
	crowdEach    = 100 // events that wait for each of those
	// crowdLeast is how many events a rate is told by, at least: that of a few is the time that a single one happens to take.
	crowdLeast = 20_000
)

// BenchmarkCrowd delivers b.N events, or crowdLeast if that is more, to 9,700 endpoints, alone and while 300 others lag, by turns, and reports how long it takes
// until those have left the shared intake:
// go test ./consume -run '^$' -bench Crowd -benchtime 50000x -timeout 30m
func BenchmarkCrowd(b *testing.B) {
	r := start(b, settings(b, time.Hour))
	m := newMeter(b)
	healthy := *crowdSize - crowdLagging
	r.addMany(b, healthy, func(i int) (string, string) { return m.URL, fmt.Sprint("events.healthy.", i) })
	run := func() *phase {
		p := m.begin(max(b.N, crowdLeast), 1)
		p.run(b, r, closely, func(i int) string { return fmt.Sprint("events.healthy.", i%healthy) })
		return p
	}
	m.begin(1000, 1).run(b, r, closely, on("events.healthy.1"))
	var rates, cpu, leaving []float64
	for round := range rounds {
		alone := run()
		began := time.Now()
		ids := lag(b, r, round)
		passed(b, r)
		leaving = append(leaving, time.Since(began).Seconds())
		with := run()
		rates, cpu = append(rates, with.rate()/alone.rate()), append(cpu, with.perCPU()/alone.perCPU())
		b.Logf("beside %.0f/s, alone %.0f/s: %.2f; for each second of the processors %.2f; p99 %s and %s",
			with.rate(), alone.rate(), with.rate()/alone.rate(), with.perCPU()/alone.perCPU(), with.p99(), alone.p99())
		for _, id := range ids {
			if err := r.registry.Delete(b.Context(), id); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(median(rates), "beside/alone")
	b.ReportMetric(median(cpu), "cpu_beside/alone")
	b.ReportMetric(median(leaving), "leaving_s")
	b.ReportMetric(written(b, r), "waits")
}

// passed returns when the shared intake has nothing left.
func passed(b *testing.B, r *rig) {
	b.Helper()
	eventually(b, "the shared intake has come to the end", func() bool {
		c, err := r.js.Consumer(b.Context(), topology.StreamEvents, "jethook")
		return err == nil && c.CachedInfo().NumPending == 0
	})
}

// lag makes the endpoints that lag, and publishes what waits for them.
func lag(b *testing.B, r *rig, round int) (ids []string) {
	b.Helper()
	slow := dawdle(b, 2*time.Second)
	one, rate := 1, "1/s"
	for i, of := range []struct {
		url    string
		change func(*endpoint.Spec)
	}{
		{refuse(b), func(*endpoint.Spec) {}},
		{slow, func(s *endpoint.Spec) { s.Concurrency = &one }},
		{slow, func(s *endpoint.Spec) { s.RateLimit = &rate }},
	} {
		ids = append(ids, r.addMany(b, crowdLagging/3, func(k int) (string, string) {
			return of.url, fmt.Sprintf("events.lagging.%d.%d", round, i*crowdLagging/3+k)
		}, of.change)...)
	}
	unheard := newMeter(b)
	p := unheard.begin(crowdLagging*crowdEach, 1)
	p.publish(b, r, burst, func(i int) string { return fmt.Sprintf("events.lagging.%d.%d", round, i%crowdLagging) })
	return ids
}

var isolationRate = flag.Float64("isolation.rate", 20, "how many events a second BenchmarkIsolation publishes, each for 80 healthy endpoints")

// BenchmarkIsolation delivers b.N events, at a rate, to 80 endpoints alone, and beside ten that hang for 20 s and ten that
// answer 500, by turns, and reports how much longer the slowest hundredth takes beside them:
// go test ./consume -run '^$' -bench Isolation -benchtime 400x -timeout 30m -args -isolation.rate 50
func BenchmarkIsolation(b *testing.B) {
	const healthy, bad = 80, 10
	r := start(b, settings(b, time.Hour))
	m := newMeter(b)
	r.addMany(b, healthy, func(int) (string, string) { return m.URL, "events.>" })
	failing := receive(b, always(http.StatusInternalServerError))
	go func() {
		for range failing.got { // nobody looks
		}
	}()
	hanging := hang(b)
	run := func(subject string) *phase {
		p := m.begin(b.N, healthy)
		p.run(b, r, each(*isolationRate), on(subject))
		return p
	}
	m.begin(20, healthy).run(b, r, each(*isolationRate), on("events.warm"))
	var ratios []float64
	for range rounds {
		alone := run("events.alone")
		ids := append(r.addMany(b, bad, func(int) (string, string) { return failing.URL, "events.bad" }),
			r.addMany(b, bad, func(int) (string, string) { return hanging, "events.bad" })...)
		with := run("events.bad")
		for _, id := range ids {
			if err := r.registry.Delete(b.Context(), id); err != nil {
				b.Fatal(err)
			}
		}
		ratios = append(ratios, float64(with.p99())/float64(alone.p99()))
		b.Logf("p99 beside %s, alone %s: %.2f; for each second of the processors %.2f",
			with.p99(), alone.p99(), ratios[len(ratios)-1], with.perCPU()/alone.perCPU())
	}
	b.ReportMetric(median(ratios), "p99_beside/alone")
}
