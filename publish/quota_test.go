package publish_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/failure"
	"jethook/publish/quarantine"
	"jethook/publish/query"
)

// kept lists the rejected requests of a source, the newest first.
func kept(t *testing.T, b *publish.Bus, source string) (all []quarantine.Request) {
	t.Helper()
	for before := uint64(0); ; {
		page, end, err := b.Query().Reverse(t.Context(), query.Rejected(source), before, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			r, err := quarantine.RequestOf(&page[i])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		if end == 0 {
			return all
		}
		before = end
	}
}

// TestAFloodPushesOutItsOwn: however much is rejected at one source, by two processes and after a restart, what was
// rejected at another stays, and of the first one's the newest.
func TestAFloodPushesOutItsOwn(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.RejectedMaxBytes = 1 << 20
	cfg.Sources = []config.Source{{Name: "a"}, {Name: "b"}}
	const size, ofB = 8 << 10, 20
	bus := bustest.Open(t, cfg)
	body := func(i int) []byte { return append(fmt.Appendf(nil, "%06d", i), bytes.Repeat([]byte("x"), size)...) }
	for i := range ofB {
		for { // until its source has counted what it has, which takes a moment
			err := reject(t.Context(), bus, &quarantine.Request{Source: "b", Reason: "bad_signature", Size: size, Body: body(i)})
			if err == nil {
				break
			}
			if !errors.Is(err, quarantine.ErrQuota) {
				t.Fatal(err)
			}
		}
	}
	flood := func(bus *publish.Bus, from, to int) (last int) {
		for i := from; i < to; i++ {
			err := reject(t.Context(), bus, &quarantine.Request{Source: "a", Reason: "bad_signature", Method: fmt.Sprint(i), Size: size, Body: body(i)})
			switch {
			case err == nil:
				last = i
			case !errors.Is(err, quarantine.ErrQuota):
				t.Fatal(err)
			}
		}
		return last
	}
	check := func(last int) {
		t.Helper()
		if got := kept(t, bus, "b"); len(got) != ofB {
			t.Errorf("%d of %d left at the other source", len(got), ofB)
		}
		if got := kept(t, bus, "a"); len(got) == 0 || got[0].Method != fmt.Sprint(last) {
			t.Errorf("of the flood %d are left, and not the newest, %d", len(got), last)
		}
		stored := 0
		for _, r := range kept(t, bus, "a") {
			whole, err := bus.Rejected().Get(t.Context(), r.Seq)
			switch {
			case errors.Is(err, failure.ErrNotFound): // pushed out a moment ago
			case err != nil:
				t.Fatal(err)
			default:
				stored += len(whole.Body)
			}
		}
		if stored > 1<<20*3/8 {
			t.Errorf("of the flood %d bytes are left", stored)
		}
	}
	check(flood(bus, 0, 500))
	bus.Close()
	bus = bustest.Open(t, cfg)
	check(flood(bus, 500, 1000))
}

// TestOversizedBodyIsCut: what is more than its share stays as hash and beginning.
func TestOversizedBodyIsCut(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.RejectedMaxBytes = 1 << 20
	cfg.Sources = []config.Source{{Name: "a"}, {Name: "b"}}
	bus := bustest.Open(t, cfg)
	large := bytes.Repeat([]byte("large "), 1<<16)
	sum := sha256.Sum256(large)
	began := time.Now().UTC().Round(0)
	if err := reject(t.Context(), bus, &quarantine.Request{Source: "a", Received: began, Size: len(large), Body: bytes.Clone(large)}); err != nil {
		t.Fatal(err)
	}
	listed := kept(t, bus, "a")
	if len(listed) != 1 {
		t.Fatalf("%d kept", len(listed))
	}
	got, err := bus.Rejected().Get(t.Context(), listed[0].Seq)
	if err != nil || !got.NoBody || got.Size != len(large) || got.Sum != hex.EncodeToString(sum[:]) ||
		len(got.Body) == 0 || len(got.Body) > 4<<10 || !bytes.HasPrefix(large, got.Body) {
		t.Errorf("kept %d of %d bytes, no body %t, hash %s, %v", len(got.Body), got.Size, got.NoBody, got.Sum, err)
	}
}
