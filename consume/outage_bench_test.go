package consume_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/publish/topology"
)

var outageEvents = flag.Int("outage.events", 100_000, "how many events BenchmarkOutage publishes while an endpoint is down; 10,000 is what that is held against")

// BenchmarkOutage publishes events while an endpoint refuses them, lets it come back, and reports what waiting cost beyond the
// events' own bytes, against 10,000 events; how fast it then gets them all, against an endpoint that was never down and against
// bare posts; how many events came before an older one; and what the others notice of it, against an idle Jethook and one that
// delivers as much to an endpoint that was never down:
// go test ./consume -run '^$' -bench Outage -benchtime 1x -timeout 60m -args -outage.events 1000000
func BenchmarkOutage(b *testing.B) {
	for range b.N {
		few, many := measureOutage(b, 10_000), measureOutage(b, *outageEvents)
		b.ReportMetric((many.heap-few.heap)/1e6, "heap_MB_more")
		b.ReportMetric((many.disk-few.disk)/1e6, "disk_MB_more")
		b.ReportMetric(many.rate/many.alone, "back/alone")
		b.ReportMetric(many.rate/many.posts, "back/posts")
		b.ReportMetric(many.perCPU/many.alonePerCPU, "cpu_back/alone")
		b.ReportMetric(many.p99/many.idle, "p99_back/idle")
		b.ReportMetric(many.p99/many.busy, "p99_back/busy")
		b.ReportMetric(many.disorder, "overtaken_by")
		b.ReportMetric(many.again, "again")
		b.ReportMetric(many.waits, "waits")
	}
}

type outageFigures struct {
	heap, disk         float64 // bytes while it was down, beyond an idle Jethook's and the events' own
	idle, busy, p99    float64 // of another endpoint: before, beside one that was never down and gets as much as it takes, and while it comes back
	rate, perCPU       float64 // deliveries since it came back, after the first
	alone, alonePerCPU float64 // of as many without an outage, up to 20,000
	posts              float64 // bare ones a second
	disorder, again    float64
	waits              float64
}

func measureOutage(b *testing.B, n int) (f outageFigures) {
	commandHeap()
	r := start(b, settings(b, time.Hour))
	defer r.stop()
	m, other := newMeter(b), newMeter(b)
	r.add(b, other.URL, nil, "events.other")
	var down atomic.Bool
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		m.Config.Handler.ServeHTTP(w, req)
	}))
	defer gate.Close()
	r.add(b, gate.URL, nil, "events.a")
	f.posts = post(b, gate.URL, 20_000)
	m.begin(1000, 1).run(b, r, closely, on("events.a"))
	alone := m.begin(min(n, 20_000), 1)
	alone.run(b, r, closely, on("events.a"))
	f.alone, f.alonePerCPU = alone.rate(), alone.perCPU()

	const perSecond = 100
	probe := func(d time.Duration) *phase {
		p := other.begin(int(d.Seconds()*perSecond), 1)
		p.run(b, r, each(perSecond), on("events.other"))
		return p
	}
	f.idle = float64(probe(5 * time.Second).p99())
	busy := m.begin(min(n, 20_000), 1)
	var delivering sync.WaitGroup
	delivering.Go(func() { busy.run(b, r, closely, on("events.a")) })
	f.busy = float64(probe(2 * time.Second).p99())
	delivering.Wait()

	p := m.begin(n, 1)
	heapBefore, diskBefore := float64(heap()), stored(r)-streamBytes(b, r)
	before := written(b, r)
	down.Store(true)
	published := time.Now()
	p.publish(b, r, burst, on("events.a"))
	publishing := time.Since(published)
	passed(b, r)
	b.Logf("%d events were published in %s, and after %s the shared intake had passed them", n, publishing, time.Since(published))
	time.Sleep(3 * time.Second) // what was on its way has failed by then
	f.heap, f.disk = float64(heap())-heapBefore, stored(r)-streamBytes(b, r)-diskBefore
	f.waits = written(b, r) - before

	// What was attempted waits an hour for its next attempt; all others come before.
	tried := int(p.arrived.Load())
	down.Store(false)
	p.awaitSome(b, tried+1)
	p.began, p.cpu = time.Now(), -processorTime()
	from := p.arrived.Load()
	others := probe(3 * time.Second)
	f.p99 = float64(others.p99())
	p.awaitSome(b, n-int(f.waits))
	p.cpu += processorTime()
	f.rate = float64(p.arrived.Load()-from) / time.Since(p.began).Seconds()
	f.perCPU = float64(p.arrived.Load()-from) / p.cpu.Seconds()
	f.disorder, f.again = p.disorder(), float64(p.again.Load())
	b.Logf("%d events: %.1f MB of heap, %.1f MB of disk beyond; back %.0f/s, alone %.0f/s, posts %.0f/s, for each second of the processors %.0f and %.0f; p99 of the others %.1f ms, busy %.1f ms, idle %.1f ms; overtaken by %.0f, again %.0f, waits %.0f",
		n, f.heap/1e6, f.disk/1e6, f.rate, f.alone, f.posts, f.perCPU, f.alonePerCPU, f.p99/1e6, f.busy/1e6, f.idle/1e6, f.disorder, f.again, f.waits)
	return f
}

// awaitSome returns when so many have arrived.
func (p *phase) awaitSome(b *testing.B, n int) {
	b.Helper()
	for p.arrived.Load() < int64(n) {
		select {
		case <-p.moved:
		case <-time.After(2 * time.Minute):
			b.Fatalf("%d of %d arrived", p.arrived.Load(), n)
		}
	}
}

// disorder is by how many younger events, at most, one was overtaken.
func (p *phase) disorder() float64 {
	most, newest := int32(0), int32(0)
	for _, event := range p.events[:p.arrived.Load()] {
		newest = max(newest, event)
		most = max(most, newest-event)
	}
	return float64(most)
}

// streamBytes is what the events themselves take.
func streamBytes(b *testing.B, r *rig) float64 {
	b.Helper()
	s, err := r.js.Stream(b.Context(), topology.StreamEvents)
	if err != nil {
		b.Fatal(err)
	}
	return float64(s.CachedInfo().State.Bytes)
}

// post makes n bare posts over 64 connections, and returns how many a second there were.
func post(b *testing.B, url string, n int) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	body, began := make([]byte, 1024), time.Now()
	var next atomic.Int64
	var posting sync.WaitGroup
	for range 64 {
		posting.Go(func() {
			for next.Add(1) <= int64(n) {
				res, err := client.Post(url, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	posting.Wait()
	return float64(n) / time.Since(began).Seconds()
}
