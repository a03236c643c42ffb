package ingest

import (
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/ingest/streak"
)

// What came of each source is counted by reason.
func TestFiguresOfASource(t *testing.T) {
	t.Parallel()
	s, err := New(Options{
		Sources: []config.Source{plain("quiet"), zipped("shop")}, Publisher: newRig(t).bus, MaxBody: 1 << 10, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s) + "/webhooks/shop"
	before := time.Now()
	do(t, signed(t, url, `{"id":"1"}`))
	do(t, signed(t, url, `{"id":"1"}`))
	do(t, request(t, url, `{}`, nil))
	do(t, request(t, url, `{}`, http.Header{"X-Polaris-Signature": {strings.Repeat("00", 32)}}))
	do(t, signed(t, url, strings.Repeat("x", 2<<10)))
	for _, encoding := range []string{"gzip", "br"} {
		r := signed(t, url, `{}`)
		r.Header.Set("Content-Encoding", encoding)
		do(t, r)
	}
	got := s.Report()
	if len(got) != 2 || got[0].Name != "quiet" || got[0].Accepted != 0 || len(got[0].Refused) != 0 || !got[0].LastSeen.IsZero() {
		t.Fatalf("got %+v", got)
	}
	shop := got[1]
	if shop.Accepted != 2 || shop.Duplicates != 1 || shop.LastSeen.Before(before) {
		t.Errorf("got %+v", shop)
	}
	want := map[string]uint64{"missing_header": 1, "bad_signature": 1, "too_large": 1, "bad_body": 1, "unsupported_encoding": 1}
	if !maps.Equal(shop.Refused, want) {
		t.Errorf("refused: %v", shop.Refused)
	}
}

// A source that is refused again and again is one line in the log, until it has been well for a while.
func TestRefusalsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	now := &testClock{at: time.Now()}
	s, err := New(Options{
		Sources: []config.Source{plain("shop")}, Publisher: newRig(t).bus, MaxBody: 1 << 10,
		Log: slog.New(slog.NewTextHandler(&log, nil)), Now: now.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s) + "/webhooks/shop"
	forge := func() { do(t, request(t, url, `{}`, nil)) }
	for range 3 {
		forge()
		now.advance(2 * streak.Pause)
	}
	if n := strings.Count(log.String(), "webhook refused"); n != 1 {
		t.Errorf("%d lines for a source that is only refused", n)
	}
	do(t, signed(t, url, `{"id":"1"}`))
	forge()
	do(t, signed(t, url, `{"id":"2"}`)) // too soon to say that it is over
	forge()
	if n := strings.Count(log.String(), "webhook refused"); n != 2 {
		t.Errorf("%d lines after it was well for a while and is refused again", n)
	}
}

type testClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// TestDuplicateIsLogged has somebody redeliver an event by hand: he is told why nothing happens, and what to do.
func TestDuplicateIsLogged(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	var log logtest.Buffer
	url := serve(t, Options{Sources: []config.Source{plain("my-shop")}, Publisher: rig.bus, Log: newTestLog(&log)}) + "/webhooks/my-shop"
	for i := range 100 {
		if resp, _ := do(t, signed(t, url, `{"id":"evt_1"}`)); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("answer %d", resp.StatusCode)
		}
		lines := strings.Count(log.String(), "duplicate webhook ignored")
		if want := min(i, 10); i <= 10 && lines != want || lines > 30 {
			t.Errorf("%d lines after %d redeliveries", lines, i)
		}
	}
	for _, want := range []string{"jethook event resend evt_1", "JETHOOK_SOURCE_MY_SHOP_DEDUP=false", "source=my-shop"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not told: %s", want, log.String())
		}
	}
}
