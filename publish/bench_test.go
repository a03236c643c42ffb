package publish_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config"
)

// BenchmarkPublish stores 1 KiB events from 256 goroutines at once, as ingest does under load.
func BenchmarkPublish(b *testing.B) {
	for name, sync := range map[string]config.Sync{"sync=always": 0, "sync=2m": config.Sync(2 * time.Minute)} {
		b.Run(name, func(b *testing.B) {
			cfg := settings(b)
			cfg.Sync = sync
			bus := open(b, cfg)
			body := make([]byte, 1024)
			var n atomic.Int64
			b.SetParallelism(128)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e := event(fmt.Sprint("evt_", n.Add(1)))
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
