package ingest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/publish/event"
)

// tokenSource takes what has the token, and has no ids.
func tokenSource(name string, dedup quantity.Dedup) config.Source {
	return config.Source{
		Name: name, Provider: "token", Header: "X-Token", Dedup: dedup,
		Secrets: []config.Secret{config.NewSecret("a-token-of-the-tests")},
	}
}

// ids returns the ids of all stored events, in order.
func (r *rig) ids(t testing.TB) []string {
	t.Helper()
	info, err := r.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := r.stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get(event.HeaderID))
	}
	return ids
}

func wantDistinct(t testing.TB, ids []string, want int) {
	t.Helper()
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if len(ids) != want || len(seen) != want {
		t.Errorf("stored %q, want %d events with ids of their own", ids, want)
	}
}

func sendToken(t testing.TB, url, source, body string) {
	t.Helper()
	resp, text := do(t, request(t, url+"/webhooks/"+source, body, http.Header{"Content-Type": {"application/json"}, "X-Token": {"a-token-of-the-tests"}}))
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %d %s", source, resp.StatusCode, text)
	}
}

// TestDownUpDown: equal bodies are one event while a sender may be sending it again, and no longer.
func TestDownUpDown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dedup quantity.Dedup
		pause time.Duration
		want  int
	}{
		{0, 4 * time.Second, 2}, // the third down is a redelivery
		{0, 11 * time.Second, 6},
		{quantity.Dedup(time.Minute), 11 * time.Second, 2},
		{quantity.Dedup(time.Second), 999 * time.Millisecond, 4},
		{quantity.NoDedup, 0, 6},
	} {
		t.Run(fmt.Sprintf("%s every %s", test.dedup, test.pause), func(t *testing.T) {
			t.Parallel()
			r, c := newRig(t), &testClock{at: beforeTurn}
			url := serve(t, Options{Publisher: r.bus, Now: c.now, Sources: []config.Source{tokenSource("site", test.dedup)}})
			for i := range 6 {
				sendToken(t, url, "site", fmt.Sprintf(`{"down":%t}`, i%2 == 0))
				if i%2 == 1 {
					c.advance(test.pause)
				}
			}
			wantDistinct(t, r.ids(t), test.want)
		})
	}
}

// TestDedupOfIDs: a source's own time holds for ids that its sender gives too.
func TestDedupOfIDs(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), &testClock{at: beforeTurn}
	short, off := plain("short"), plain("off")
	short.Dedup, off.Dedup = quantity.Dedup(time.Minute), quantity.NoDedup
	url := serve(t, Options{Publisher: r.bus, Now: c.now, Sources: []config.Source{short, off, plain("default")}})
	for range 2 {
		for _, source := range []string{"short", "off", "default"} {
			for range 2 {
				if resp, text := do(t, signed(t, url+"/webhooks/"+source, `{"type":"a","id":"1"}`)); resp.StatusCode != http.StatusAccepted {
					t.Fatal(text)
				}
			}
		}
		c.advance(time.Minute)
	}
	wantDistinct(t, r.ids(t), 2+4+1)
}

// TestDedupAtOnce: of many equal requests at one time, on both sides of a slot's end, one is stored.
func TestDedupAtOnce(t *testing.T) {
	t.Parallel()
	r, c := newRig(t), &testClock{at: beforeTurn}
	url := serve(t, Options{Publisher: r.bus, Now: c.now, Sources: []config.Source{tokenSource("site", 0)}})
	done := make(chan struct{})
	for range 20 {
		go func() {
			defer func() { done <- struct{}{} }()
			sendToken(t, url, "site", `{"down":true}`)
			c.advance(10 * time.Millisecond)
		}()
	}
	for range 20 {
		<-done
	}
	wantDistinct(t, r.ids(t), 1)
}

// TestDedupOfTwoProcesses: within a slot they agree, and what one process takes for a copy of what another took does not
// make it forget what comes later.
func TestDedupOfTwoProcesses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := &testClock{at: time.Unix(1_790_000_000, 0)} // a slot begins
	var urls []string
	for range 2 {
		urls = append(urls, serve(t, Options{Publisher: r.bus, Now: c.now, Sources: []config.Source{tokenSource("site", 0)}}))
	}
	for _, step := range []struct {
		at      time.Duration
		process int
		stored  int
	}{
		{1 * time.Second, 0, 1},
		{9 * time.Second, 1, 1},  // a copy, to the store
		{12 * time.Second, 1, 2}, // 11 s after the first: an event
		{13 * time.Second, 0, 2},
		{26 * time.Second, 0, 3},
	} {
		c.advance(step.at - c.now().Sub(time.Unix(1_790_000_000, 0)))
		sendToken(t, urls[step.process], "site", `{"down":true}`)
		wantDistinct(t, r.ids(t), step.stored)
	}
}
