package status_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"jethook/consume/status"
	"jethook/publish/delivery"
)

// BenchmarkStatus measures what it costs to see what is stuck: among 10,000 endpoints with a million deliveries that
// wait, beside events that are published meanwhile:
// go test ./consume/status -run '^$' -bench Status -benchtime 5x -timeout 30m
func BenchmarkStatus(b *testing.B) {
	for _, n := range []int{1_000, 200_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const endpoints = 10_000
			r := start(b)
			ids := make([]string, endpoints)
			var created sync.WaitGroup
			for part := range 8 {
				created.Go(func() {
					for i := part; i < endpoints; i += 8 {
						ids[i] = r.add(b, fmt.Sprint("e", i), nil).ID
					}
				})
			}
			created.Wait()
			due := time.Now().Add(24 * time.Hour)
			body := make([]byte, 1024)
			r.schedule(b, n, func(i int) delivery.Delivery {
				d := aDelivery(ids[i%endpoints], i, due)
				d.Event.Body = body
				return d
			})
			b.ResetTimer()
			for b.Loop() {
				s, err := status.NewBoard(r.bus, r.registry, nil).Status(b.Context())
				if err != nil || len(s.Endpoints) != endpoints {
					b.Fatal(err)
				}
				waiting := uint64(0)
				for i := range s.Endpoints {
					waiting += s.Endpoints[i].Waiting
				}
				if waiting != uint64(n) {
					b.Errorf("%d wait, found %d: %v", n, waiting, s.Incomplete)
				}
			}
		})
	}
}
