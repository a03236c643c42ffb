package ingest

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/config/quantity"
	"jethook/ingest/provider"
	"jethook/publish/bustest"
)

// TestBodyLimitOfASource: a source's own limit counts, above and below the common one, also for what is inflated.
func TestBodyLimitOfASource(t *testing.T) {
	t.Parallel()
	large, small, common := zipped("large"), plain("small"), plain("common")
	large.MaxBody, small.MaxBody = 3<<20, 10_000
	sources := []config.Source{large, small, common}
	rig := newRig(t, func(cfg *config.Config) { cfg.MaxBody, cfg.Sources = 1<<20, sources })
	kept := &drawer{}
	s, err := New(Options{
		Sources: sources, Publisher: rig.bus, MaxBody: rig.bus.Limits().Body, Room: rig.bus.Limits().Room, Rejecter: kept, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s)
	for _, test := range []struct {
		source string
		size   int
		zip    bool
		status int
	}{
		{"large", 3 << 20, false, 202},
		{"large", 3<<20 + 1, false, 413},
		{"large", 3<<20 - 1, true, 202},
		{"large", 3<<20 + 1, true, 413},
		{"small", 10_000, false, 202},
		{"small", 10_001, false, 413},
		{"common", 1 << 20, false, 202},
		{"common", 1<<20 + 1, false, 413},
	} {
		before, refused := rig.stored(t), len(kept.all())
		body := strings.Repeat("x", test.size)
		r := signed(t, url+"/webhooks/"+test.source, body)
		if test.zip {
			zipped := request(t, r.URL.String(), zip(body), r.Header)
			zipped.Header.Set("Content-Encoding", "gzip")
			r = zipped
		}
		resp, answered := do(t, r)
		if resp.StatusCode != test.status {
			t.Errorf("%s, %d bytes: %d %s", test.source, test.size, resp.StatusCode, answered)
		}
		if stored := rig.stored(t) - before; (stored == 1) != (test.status == 202) {
			t.Errorf("%s, %d bytes: %d stored", test.source, test.size, stored)
		}
		found := kept.all()[refused:]
		if (len(found) == 1) != (test.status == 413) || len(found) == 1 && (found[0].Reason != "too_large" || found[0].NoBody == test.zip) {
			t.Errorf("%s, %d bytes: kept %d", test.source, test.size, len(found))
		}
		if test.status == 202 && len(rig.last(t).Data) != test.size {
			t.Errorf("%s: %d bytes stored of %d", test.source, len(rig.last(t).Data), test.size)
		}
	}
	if used, total := s.memory.Held(); used != 0 || total < 5*3<<20 {
		t.Errorf("%d of %d bytes reserved", used, total)
	}
}

// TestBodyLimitBeyondTheBus: a limit that can't be kept ends the start.
func TestBodyLimitBeyondTheBus(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	cfg := config.Default()
	cfg.NATSURL = startNATS(t, dir, port).ClientURL() // whose max_payload is 9 MiB
	fits, large := plain("fits"), plain("my-large")
	fits.MaxBody, large.MaxBody = 8<<20, 9<<20
	cfg.Sources = []config.Source{fits, large}
	bus := bustest.Open(t, cfg)
	_, err := New(Options{Sources: cfg.Sources, Publisher: bus, MaxBody: bus.Limits().Body, Room: bus.Limits().Room, Log: slog.New(slog.DiscardHandler)})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || len(problems) != 1 || problems[0].Variable != "JETHOOK_SOURCE_MY_LARGE_MAX_BODY" || !strings.Contains(problems[0].Reason, "9152KiB") {
		t.Errorf("got %v", err)
	}
}

// TestLargeSendersAreTold: the start says which senders send more than is taken.
func TestLargeSendersAreTold(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"github": 25 << 20, "gitlab": 25 << 20, "gitlab-signing": 25 << 20, "postmark": 35 << 20} {
		if row, _ := provider.Lookup(name); row.LargestBody != limit {
			t.Errorf("%s sends up to %d bytes", name, row.LargestBody)
		}
	}
	for size, want := range map[quantity.Bytes]bool{0: true, 16 << 20: true, 25 << 20: false} {
		var log logtest.Buffer
		src := config.Source{Name: "hub", Provider: "github", Secrets: secrets("a-secret-of-the-tests"), MaxBody: size}
		if _, err := New(Options{
			Sources: []config.Source{src, plain("plain")}, MaxBody: 8 << 20, Log: slog.New(slog.NewTextHandler(&log, nil)),
		}); err != nil {
			t.Fatal(err)
		}
		if told := strings.Count(log.String(), "JETHOOK_SOURCE_HUB_MAX_BODY"); told == 1 != want || strings.Contains(log.String(), "PLAIN_MAX_BODY") {
			t.Errorf("%d bytes: %s", size, log.String())
		}
	}
}
