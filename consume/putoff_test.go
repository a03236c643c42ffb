package consume_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// bucket answers as a service that takes a number of requests in a time, and tells the rest how long to wait.
type bucket struct {
	most  int
	per   time.Duration
	wait  func(w http.ResponseWriter, rest time.Duration) // says how long
	mu    sync.Mutex
	began time.Time
	n     int
	taken map[string]int // by event
	put   int            // how many were put off
}

func (b *bucket) answer(_ int, r request, w http.ResponseWriter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.at.Sub(b.began) > b.per {
		b.began, b.n = r.at, 0
	}
	if b.n++; b.n > b.most {
		b.put++
		b.wait(w, b.per-r.at.Sub(b.began))
		return
	}
	b.taken[r.header.Get("webhook-id")]++
}

func (b *bucket) count() (taken, put int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.taken), b.put
}

// A burst for an endpoint that takes a few requests at a time is taken, all of it, with no attempt used up, and without a
// circuit that opens: it has said what it needs.
func TestTooManyRequestsIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		format string
		wait   func(w http.ResponseWriter, rest time.Duration)
	}{
		"429 with Retry-After": {"raw", func(w http.ResponseWriter, rest time.Duration) {
			w.Header().Set("Retry-After", fmt.Sprint(1+int(rest/time.Second)))
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		"429": {"raw", func(w http.ResponseWriter, _ time.Duration) { w.WriteHeader(http.StatusTooManyRequests) }},
		"503 with Retry-After": {"raw", func(w http.ResponseWriter, _ time.Duration) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}},
		"Discord": {"discord", func(w http.ResponseWriter, rest time.Duration) {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprintf(w, `{"message":"You are being rate limited.","retry_after":%.3f,"global":false}`, rest.Seconds())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, settings(t)) // a single attempt: one that is used up is dead
			b := &bucket{most: 20, per: 2 * time.Second, wait: test.wait, taken: map[string]int{}}
			if test.format == "discord" {
				b.most = 5
			}
			rc := receive(t, b.answer)
			ep := r.add(t, rc.URL, func(s *endpoint.Spec) { s.Format = &test.format }, "events.>")
			events := 2 * b.most
			for i := range events {
				r.publish(t, fmt.Sprint("evt_", i), "a")
			}
			eventually(t, "all are taken", func() bool { taken, _ := b.count(); return taken == events })
			r.settled(t, topology.StreamEvents)
			r.settled(t, topology.StreamDeliveries)
			if dead := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusDead}); len(dead) > 0 {
				t.Errorf("%d are dead, such as %+v", len(dead), dead[0])
			}
			if now, _ := r.registry.Lookup(ep.ID); !now.FailingSince.IsZero() {
				t.Error("its circuit is open")
			}
			deferred := 0
			for _, a := range r.history(t, ep.ID) {
				if a.Attempt != 1 || a.Outcome != history.Delivered && a.Outcome != history.Deferred {
					t.Errorf("attempt %d: %s", a.Attempt, a.Outcome)
				}
				if a.Outcome == history.Deferred {
					deferred++
				}
			}
			if _, put := b.count(); put != deferred {
				t.Errorf("%d were put off, and %d are in the history", put, deferred)
			} else {
				t.Logf("%d of %d requests were put off", put, put+events)
			}
		})
	}
}

// While it waits, a delivery says why, and until when.
func TestPutOffIsSeenToWait(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 5*time.Minute, time.Hour))
	rc := receive(t, func(_ int, _ request, w http.ResponseWriter) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ep := r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	at := rc.next(t).at
	eventually(t, "it waits", func() bool {
		found := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting})
		return len(found) == 1 && found[0].Waits == string(delivery.WhyAsked) && found[0].HTTP == 429 && found[0].Attempts == 0 &&
			found[0].Next.Sub(at).Round(time.Minute) == 10*time.Minute
	})
}
