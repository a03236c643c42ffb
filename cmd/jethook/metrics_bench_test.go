package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkScraped measures what it costs to be scraped every second, by turns in one run, since the machine's speed
// changes: webhooks are received, stored with an fsync, and delivered to four endpoints, while all that is for a fifth
// waits. The ratio is that of the rate with to the rate without:
// go test ./cmd/jethook -run '^$' -bench Scraped -benchtime 20x
func BenchmarkScraped(b *testing.B) {
	p := newProcess(b)
	p.start(b, "serve")
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer sink.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer broken.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	for i := range 4 {
		p.endpoint(b, fmt.Sprint("well", i), sink.URL, "")
	}
	p.endpoint(b, "ill", broken.URL, "")
	var n atomic.Int64
	rate := func(d time.Duration) float64 {
		ctx, cancel := context.WithTimeout(b.Context(), d)
		defer cancel()
		var taken atomic.Int64
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for ctx.Err() == nil {
					if code, _ := p.post(ctx, client, fmt.Sprint("evt_", n.Add(1)), secret); code == http.StatusAccepted {
						taken.Add(1)
					}
				}
			})
		}
		all.Wait()
		return float64(taken.Load()) / d.Seconds()
	}
	rate(time.Second) // warms up
	var with, without float64
	for i := 0; b.Loop(); i++ {
		scraped := i%4 == 0 || i%4 == 3 // with, without, without, with: what drifts falls on both
		ended := make(chan struct{})
		ctx, stop := context.WithCancel(b.Context())
		go func() {
			defer close(ended)
			for scraped && ctx.Err() == nil {
				scrape(b, p.admin)
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}()
		if r := rate(3 * time.Second); scraped {
			with += r
		} else {
			without += r
		}
		stop()
		<-ended
	}
	if without > 0 {
		b.ReportMetric(with/without, "ratio")
		b.ReportMetric(2*with/float64(b.N), "webhooks/s")
	}
}

// senders is how many connections send at once.
const senders = 32
