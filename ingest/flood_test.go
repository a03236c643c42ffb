package ingest

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config"
	"jethook/publish/quarantine"
	"jethook/publish/topology"
)

// counting passes rejected requests on, and counts them.
type counting struct {
	Rejecter
	kept, bytes, held atomic.Int64 // held are those that are not stored yet
}

func (c *counting) Reject(r *quarantine.Request, done func(error)) {
	c.kept.Add(1)
	c.bytes.Add(int64(len(r.Body)))
	c.held.Add(1)
	c.Rejecter.Reject(r, func(err error) { c.held.Add(-1); done(err) })
}

// A stranger who knows a source's name sends thousands of large requests. What verifies is taken and stored all the
// same, and what is kept of the others stays within its bounds.
func TestFloodOfBadSignatures(t *testing.T) {
	t.Parallel()
	const (
		strangers, each = 4, 500 // requests
		size            = 256 << 10
		verified        = 200
		maxBytes        = 4 << 20 // of the stream
		tick            = 10 * time.Millisecond
	)
	rig := newRig(t, func(cfg *config.Config) { cfg.RejectedMaxBytes = maxBytes })
	drawer := &counting{Rejecter: rig.bus.Rejected()}
	// Whoever looks at the server's clock moves it on by a tick.
	var ticks atomic.Int64
	began := time.Now()
	s, err := New(Options{
		Sources: []config.Source{plain("plain")}, Publisher: rig.bus, Rejecter: drawer, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return began.Add(time.Duration(ticks.Add(1)) * tick) },
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s) + "/webhooks/plain"

	var all sync.WaitGroup
	body := strings.Repeat("x", size)
	for range strangers {
		all.Go(func() {
			for range each {
				r := request(t, url, body, http.Header{"X-Polaris-Signature": {strings.Repeat("00", 32)}})
				if resp, _ := do(t, r); resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("a bad signature: %s", resp.Status)
				}
			}
		})
	}
	for i := range verified {
		resp, answer := do(t, signed(t, url, fmt.Sprintf(`{"type":"order.paid","id":"evt_%d"}`, i)))
		if resp.StatusCode/100 != 2 {
			t.Errorf("a right signature: %s %s", resp.Status, answer)
		}
	}
	all.Wait()
	until(t, "all that is kept is stored", func() bool { return drawer.held.Load() == 0 })

	if got := rig.stored(t); got != verified {
		t.Errorf("%d verified events stored, want %d", got, verified)
	}
	if got := drawer.kept.Load(); got <= rejectedBurst || got >= strangers*each {
		t.Errorf("%d of %d kept, want more than a burst and not all", got, strangers*each)
	}
	lasted := time.Duration(ticks.Load()) * tick
	// Requests at the same time may come to the limiter in another order than to the clock, which it credits twice.
	const slack = 1.1
	if got, bound := drawer.bytes.Load(), int64(slack*rejectedBytes*(8+lasted.Seconds())); got > bound {
		t.Errorf("%d bytes of bodies kept in %v, want at most %d", got, lasted, bound)
	}
	stream, err := rig.js.Stream(t.Context(), topology.StreamRejected)
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.Bytes > maxBytes || state.Bytes < maxBytes/2 || state.Msgs >= uint64(drawer.kept.Load()) {
		t.Errorf("%d messages with %d bytes in the stream, want at most %d and the oldest gone", state.Msgs, state.Bytes, maxBytes)
	}
}
