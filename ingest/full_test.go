package ingest

import (
	"fmt"
	"strings"
	"testing"

	"jethook/config"
	"jethook/publish/event"
)

// TestFullStore fills the stream up to a tiny limit: from then on senders are asked to come back, what they were told
// is stored stays, and as soon as there is room they are served again.
func TestFullStore(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	url := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{plain("plain")}}) + "/webhooks/plain"
	anEvent := func(n int) string {
		return fmt.Sprintf(`{"type":"a","id":"evt_%d","more":"%s"}`, n, strings.Repeat("x", 1000))
	}
	limits := rig.stream.CachedInfo().Config
	limit := func(bytes int64) {
		t.Helper()
		limits.MaxBytes = bytes
		if _, err := rig.js.UpdateStream(t.Context(), limits); err != nil {
			t.Fatal(err)
		}
	}
	limit(16 << 10)

	taken := 0
	for resp, body := do(t, signed(t, url, anEvent(taken))); ; resp, body = do(t, signed(t, url, anEvent(taken))) {
		if resp.StatusCode != 202 {
			wantError(t, resp, body, 503, "store_full")
			break
		}
		if taken++; taken > 16 {
			t.Fatal("the stream never is full")
		}
	}
	if err := rig.bus.Ready(t.Context()); err == nil {
		t.Error("ready although the store is full")
	}
	if got := rig.stored(t); taken == 0 || got != uint64(taken) {
		t.Errorf("%d events were accepted, %d are stored", taken, got)
	}

	limit(1 << 20)
	if resp, body := do(t, signed(t, url, anEvent(taken))); resp.StatusCode != 202 {
		t.Errorf("there is room, and still %d %s", resp.StatusCode, body)
	}
	if err := rig.bus.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	for n := range taken + 1 { // what was accepted is there: in the order it came
		msg, err := rig.stream.GetMsg(t.Context(), uint64(n+1))
		if err != nil || msg.Header.Get(event.HeaderID) != fmt.Sprint("evt_", n) {
			t.Errorf("event %d: %v %v", n, msg, err)
		}
	}
}
