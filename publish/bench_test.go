package publish_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config/quantity"
	"jethook/publish/bustest"
)

// BenchmarkPublish stores 1 KiB events from 256 goroutines at once, as ingest does under load, with and without an encrypted store.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name string
		sync quantity.Sync
		keys []string
	}{
		{"sync=always", 0, nil},
		{"sync=always/encrypted", 0, []string{bustest.OneKey}},
		{"sync=2m", quantity.Sync(2 * time.Minute), nil},
		{"sync=2m/encrypted", quantity.Sync(2 * time.Minute), []string{bustest.OneKey}},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := withKeys(bustest.Settings(b), c.keys...)
			cfg.Sync = c.sync
			bus := bustest.Open(b, cfg)
			body := make([]byte, 1024)
			var n atomic.Int64
			b.SetParallelism(128)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e := bustest.Event(fmt.Sprint("evt_", n.Add(1)))
					e.Body = body
					if _, err := bus.Publish(b.Context(), e); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
