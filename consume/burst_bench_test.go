package consume_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// rounds is how often the two kinds of phases take turns.
const rounds = 5

// BenchmarkBurst publishes b.N events at once, and so that none waits, by turns, and reports how much slower the burst is delivered
// than the others:
// go test ./consume -run '^$' -bench Burst -benchtime 100000x -timeout 30m
func BenchmarkBurst(b *testing.B) {
	eachSync(b, time.Minute, func(b *testing.B, r *rig) {
		m := newMeter(b)
		r.add(b, m.URL, nil, "events.>")
		m.begin(1000, 1).run(b, r, closely, on("events.warm"))
		var ratios, cpu, tails []float64
		for range rounds {
			paced, all := m.begin(b.N, 1), (*phase)(nil)
			paced.run(b, r, closely, on("events.a"))
			all = m.begin(b.N, 1)
			all.run(b, r, burst, on("events.a"))
			ratios, cpu = append(ratios, all.rate()/paced.rate()), append(cpu, all.perCPU()/paced.perCPU())
			tails = append(tails, all.tail())
			b.Logf("burst %.0f/s, paced %.0f/s: %.2f; for each second of the processors %.0f, paced %.0f: %.2f; slowest second %.2f; p99 of the paced %s",
				all.rate(), paced.rate(), all.rate()/paced.rate(), all.perCPU(), paced.perCPU(), all.perCPU()/paced.perCPU(), all.tail(), paced.p99())
		}
		b.ReportMetric(median(ratios), "burst/paced")
		b.ReportMetric(median(cpu), "cpu_burst/paced")
		b.ReportMetric(median(tails), "slowest/median_s")
		b.ReportMetric(written(b, r), "waits")
	})
}

// BenchmarkBeside publishes b.N events at once to a healthy endpoint alone, and beside endpoints that are bad, by turns:
// go test ./consume -run '^$' -bench Beside -benchtime 100000x -timeout 30m
func BenchmarkBeside(b *testing.B) {
	b.Run("refusing", func(b *testing.B) {
		eachSync(b, time.Minute, func(b *testing.B, r *rig) { beside(b, r, 1, refuse(b)) })
	})
	b.Run("hanging", func(b *testing.B) {
		eachSync(b, time.Minute, func(b *testing.B, r *rig) { beside(b, r, 10, hang(b)) })
	})
}

func beside(b *testing.B, r *rig, bad int, url string) {
	m := newMeter(b)
	r.add(b, m.URL, nil, "events.>")
	m.begin(1000, 1).run(b, r, closely, on("events.warm"))
	var rates, cpu, heaps []float64
	run := func(subject string) (*phase, float64) {
		heap() // what the phase before left
		p, peak := m.begin(b.N, 1), peakHeap()
		p.run(b, r, burst, on(subject))
		return p, peak()
	}
	for range rounds {
		alone, heapAlone := run("events.alone")
		var made []endpoint.Endpoint
		for range bad {
			made = append(made, r.add(b, url, nil, "events.bad"))
		}
		with, heapWith := run("events.bad")
		for _, ep := range made {
			if err := r.registry.Delete(b.Context(), ep.ID); err != nil {
				b.Fatal(err)
			}
		}
		rates, cpu = append(rates, with.rate()/alone.rate()), append(cpu, with.perCPU()/alone.perCPU())
		heaps = append(heaps, heapWith/heapAlone)
		b.Logf("beside %.0f/s, alone %.0f/s: %.2f; for each second of the processors %.2f; heap %.0f and %.0f MB",
			with.rate(), alone.rate(), with.rate()/alone.rate(), with.perCPU()/alone.perCPU(), heapWith/1e6, heapAlone/1e6)
	}
	b.ReportMetric(median(rates), "beside/alone")
	b.ReportMetric(median(cpu), "cpu_beside/alone")
	b.ReportMetric(median(heaps), "heap_beside/alone")
	b.ReportMetric(written(b, r), "waits")
}

// refuse returns the URL of an endpoint that refuses connections.
func refuse(b *testing.B) string {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

// hang returns the URL of an endpoint that answers after 20 s, which is longer than it may take.
func hang(b *testing.B) string { return dawdle(b, 20*time.Second) }

// dawdle returns the URL of an endpoint that answers after a while, or when the benchmark is over.
func dawdle(b *testing.B, pause time.Duration) string {
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(pause):
		case <-req.Context().Done():
		case <-over:
		}
	}))
	b.Cleanup(s.Close)
	b.Cleanup(func() { close(over) })
	return s.URL
}
