package consume_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"jethook/consume/archive"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// BenchmarkFindEvent looks for an id that no event has, and so passes all b.N of them, or as many as it can in its
// time. Bodies are of 1 KiB.
func BenchmarkFindEvent(b *testing.B) {
	r := start(b, settings(b, time.Hour))
	body := bytes.Repeat([]byte("x"), 1024)
	stored := make(chan error, 1000)
	for i := range b.N {
		e := internal("", "a.b")
		e.ID, e.Body = event.HashID(b.Name(), time.Duration(i).String()), body
		if i >= cap(stored) {
			if err := <-stored; err != nil {
				b.Fatal(err)
			}
		}
		go func() {
			_, err := r.bus.Publish(b.Context(), e)
			stored <- err
		}()
	}
	for range min(b.N, cap(stored)) {
		if err := <-stored; err != nil {
			b.Fatal(err)
		}
	}
	r.settled(b, topology.StreamEvents)
	a := archive.New(r.bus, r.registry)
	b.ResetTimer()
	_, _, err := a.Find(b.Context(), "none", archive.Query{})
	passed := b.N
	if far, ok := errors.AsType[*archive.SearchError](err); ok {
		passed = far.Passed
	} else if !errors.Is(err, archive.ErrNoEvent) {
		b.Fatal(err)
	}
	b.ReportMetric(float64(passed)/b.Elapsed().Seconds(), "events/s")
}
