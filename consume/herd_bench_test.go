package consume_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/consume/endpoint"
	"jethook/publish/delivery"
)

// BenchmarkHerd makes b.N retries of 4,000 endpoints due at one moment, while another endpoint gets 200 events a
// second, and reports how much longer the slowest hundredth of those takes then than before, and how much the heap grows:
// go test ./consume -run '^$' -bench Herd -benchtime 200000x
func BenchmarkHerd(b *testing.B) { eachSync(b, time.Hour, herd) }

func herd(b *testing.B, r *rig) {
	const endpoints = 4000
	rc := count(b, b.N)
	ids := r.addMany(b, endpoints, func(int) (string, string) { return rc.URL, "events.unused" })
	var latencies struct {
		sync.Mutex
		all []time.Duration
	}
	healthy := receive(b, func(_ int, got request, _ http.ResponseWriter) {
		sent, _ := strconv.ParseInt(string(got.body[:19]), 10, 64)
		latencies.Lock()
		defer latencies.Unlock()
		latencies.all = append(latencies.all, time.Since(time.Unix(0, sent)))
	})
	r.add(b, healthy.URL, nil, "events.healthy")
	p99 := func() time.Duration {
		latencies.Lock()
		defer latencies.Unlock()
		defer func() { latencies.all = nil }()
		if len(latencies.all) == 0 {
			return 0
		}
		slices.Sort(latencies.all)
		return latencies.all[len(latencies.all)*99/100]
	}

	due := time.Now().Add(max(20*time.Second, time.Duration(b.N)*100*time.Microsecond))
	body := make([]byte, 1024)
	r.schedule(b, b.N, func(i int) delivery.Delivery {
		e := internal(fmt.Sprint("herd_", i), "unused")
		e.Body = body
		return delivery.Delivery{Endpoint: ids[i%endpoints], Event: *e, Attempt: 2, Due: due, Why: delivery.WhyRetry}
	})
	if time.Until(due) < 6*time.Second {
		b.Fatal("storing took too long")
	}
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	publishers.Go(func() {
		t := time.NewTicker(5 * time.Millisecond)
		defer t.Stop()
		for i := 0; ; i++ {
			select {
			case now := <-t.C:
				e := internal(fmt.Sprint("healthy_", i), "healthy")
				e.Body = strconv.AppendInt(make([]byte, 0, 1024), now.UnixNano(), 10)
				publishers.Go(func() {
					if _, err := r.bus.Publish(b.Context(), e); err != nil {
						b.Error(err)
					}
				})
			case <-stop:
				return
			}
		}
	})
	time.Sleep(time.Until(due) - 5*time.Second)
	p99()
	time.Sleep(5 * time.Second)
	before, held, peak := p99(), float64(heap())-float64(len(commandHeap())), peakHeap()
	b.ResetTimer()
	rc.await(b)
	during := p99()
	b.StopTimer()
	close(stop)
	publishers.Wait()
	b.ReportMetric(float64(before.Microseconds())/1000, "p99_before_ms")
	b.ReportMetric(float64(during.Microseconds())/1000, "p99_during_ms")
	b.ReportMetric(float64(during)/float64(before), "p99_ratio")
	b.ReportMetric((peak()-held)/1e6, "heap_MB_more")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "retries/s")
}

// addMany makes n endpoints, each with a URL and a pattern, and returns their ids.
func (r *rig) addMany(b *testing.B, n int, each func(i int) (url, pattern string), change ...func(*endpoint.Spec)) []string {
	b.Helper()
	ids := make([]string, n)
	var making errgroup.Group
	making.SetLimit(64)
	for i := range n {
		making.Go(func() error {
			name := "test"
			url, pattern := each(i)
			spec := &endpoint.Spec{Name: &name, URL: &url, Events: []string{pattern}}
			for _, c := range change {
				c(spec)
			}
			e, err := endpoint.New(spec, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
			if err != nil {
				return err
			}
			ids[i] = e.ID
			_, err = r.registry.Create(b.Context(), e)
			return err
		})
	}
	if err := making.Wait(); err != nil {
		b.Fatal(err)
	}
	for _, id := range ids {
		eventually(b, "the endpoint is seen", func() bool { _, ok := r.registry.Lookup(id); return ok })
	}
	return ids
}
