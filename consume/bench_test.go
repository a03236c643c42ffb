package consume_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config/quantity"
	"jethook/publish/topology"
)

// BenchmarkDeliver takes 1 KiB events from their publication to one fast endpoint, signed and recorded; the
// publisher and the receiver run in the same process. BenchmarkBarePost is the limit it can be held against:
// the same requests, and nothing else.
func BenchmarkDeliver(b *testing.B) {
	eachSync(b, time.Minute, func(b *testing.B, r *rig) {
		rc := count(b, b.N)
		r.add(b, rc.URL, nil, "events.>")
		body := make([]byte, 1024)
		b.ReportAllocs()
		b.ResetTimer()
		go publishMany(b, r, b.N, body)
		rc.await(b)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	})
}

// eachSync runs a benchmark with fsync and without.
func eachSync(b *testing.B, schedule time.Duration, run func(*testing.B, *rig)) {
	for name, sync := range map[string]quantity.Sync{"sync=always": 0, "sync=2m": quantity.Sync(2 * time.Minute)} {
		b.Run(name, func(b *testing.B) {
			cfg := settings(b, schedule)
			cfg.Sync = sync
			commandHeap()
			run(b, start(b, cfg))
		})
	}
}

// BenchmarkDeliverAmong delivers to one endpoint among others that subscribed to something else.
func BenchmarkDeliverAmong(b *testing.B) {
	for _, others := range []int{10, 10_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			r := start(b, settings(b, time.Minute))
			rc := count(b, b.N)
			for i := range others {
				r.add(b, rc.URL, nil, fmt.Sprintf("events.other.%d.>", i))
			}
			r.add(b, rc.URL, nil, "events.a")
			body := make([]byte, 1024)
			b.ResetTimer()
			go publishMany(b, r, b.N, body)
			rc.await(b)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkFanOut takes each event to 100 endpoints, and reports how many messages it took to let deliveries wait.
func BenchmarkFanOut(b *testing.B) {
	eachSync(b, time.Minute, func(b *testing.B, r *rig) {
		const endpoints = 100
		rc := count(b, b.N*endpoints)
		for range endpoints {
			r.add(b, rc.URL, nil, "events.>")
		}
		b.ReportAllocs()
		b.ResetTimer()
		go publishMany(b, r, b.N, make([]byte, 1024))
		rc.await(b)
		b.StopTimer()
		b.ReportMetric(float64(b.N*endpoints)/b.Elapsed().Seconds(), "deliveries/s")
		s, err := r.js.Stream(b.Context(), topology.StreamDeliveries)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.CachedInfo().State.LastSeq)/float64(b.N*endpoints), "waits/delivery")
	})
}

func BenchmarkBarePost(b *testing.B) {
	rc := count(b, b.N)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	body := make([]byte, 1024)
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	for range 64 {
		go func() {
			for next.Add(1) <= int64(b.N) {
				res, err := client.Post(rc.URL, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}()
	}
	rc.await(b)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

func publishMany(b *testing.B, r *rig, n int, body []byte) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 256 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				e := internal(fmt.Sprint("evt_", i), "a")
				e.Body = body
				if _, err := r.bus.Publish(b.Context(), e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// counter is a receiver that only counts.
type counter struct {
	*httptest.Server
	done chan struct{}
}

func count(b *testing.B, want int) *counter {
	c := &counter{done: make(chan struct{})}
	var n atomic.Int64
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		if n.Add(1) == int64(want) {
			close(c.done)
		}
	}))
	b.Cleanup(c.Server.Close)
	return c
}

func (c *counter) await(b *testing.B) {
	select {
	case <-c.done:
	case <-time.After(15 * time.Minute):
		b.Fatal("not all arrived")
	}
}
