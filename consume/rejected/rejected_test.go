package rejected_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/consume/paging"
	"jethook/consume/rejected"
	"jethook/publish/bustest"
	"jethook/publish/quarantine"
)

// A retry over thousands is several short calls, which try each request once, and none that came meanwhile.
func TestReverifyInParts(t *testing.T) {
	t.Parallel()
	const n = 2300
	cfg := config.Default()
	cfg.DataDir, cfg.NATSListen, cfg.Sync = filepath.Join(t.TempDir(), "data"), "off", quantity.Sync(2*time.Minute)
	bus := bustest.Open(t, cfg)
	kept := make(chan error, n+1)
	reject := func(id int) {
		bus.Rejected().Reject(&quarantine.Request{
			Source: "shop", Reason: "bad_signature", Received: time.Now(), Header: http.Header{}, Body: fmt.Append(nil, id),
		}, func(err error) { kept <- err })
	}
	for i := range n {
		reject(i)
	}
	for range n {
		if err := <-kept; err != nil {
			t.Fatal(err)
		}
	}
	store, tried, calls := rejected.New(bus), map[string]int{}, 0
	verify := func(_ context.Context, r *quarantine.Request) (string, error) {
		if tried[string(r.Body)]++; len(tried)%2 == 0 {
			return "too_old", nil
		}
		return "", nil
	}
	verified, refused := 0, 0
	for q := (rejected.Query{Source: "shop"}); ; calls++ {
		done, err := store.Reverify(t.Context(), q, verify)
		if err != nil {
			t.Fatal(err)
		}
		if calls == 0 {
			reject(n)
			if err := <-kept; err != nil {
				t.Fatal(err)
			}
		}
		verified, refused = verified+done.Verified, refused+done.Refused["too_old"]
		if q.Cursor = done.Next; q.Cursor == "" {
			break
		}
	}
	if verified != n/2 || refused != n/2 || len(tried) != n || calls < 2 {
		t.Errorf("in %d calls %d verified, %d refused, %d tried", calls+1, verified, refused, len(tried))
	}
	for body, times := range tried {
		if times != 1 {
			t.Errorf("%s was tried %d times", body, times)
		}
	}
	left := 0
	for q := (rejected.Query{Source: "shop"}); ; {
		items, next, err := store.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		left += len(items)
		if q.Cursor = next; next == "" {
			break
		}
	}
	if left != n/2+1 {
		t.Errorf("%d are left, want those that were refused and the one that came meanwhile", left)
	}
	if _, err := store.Reverify(t.Context(), rejected.Query{Source: "shop", Cursor: "1"}, verify); !errors.Is(err, paging.ErrBadCursor) {
		t.Errorf("a cursor of another list: %v", err)
	}
}
