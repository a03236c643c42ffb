package publish_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
)

// reopen opens the bus with the settings, lets use see its streams, closes it, and returns what was logged.
func reopen(t *testing.T, cfg *config.Config, use func(js jetstream.JetStream)) string {
	t.Helper()
	var log bytes.Buffer
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})))
	if err != nil {
		t.Fatal(err)
	}
	_, js := bustest.Client(t, b)
	use(js)
	b.Close()
	return log.String()
}

func streamConfig(t *testing.T, js jetstream.JetStream, name string) jetstream.StreamConfig {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

const (
	setting  = "applied changed settings to a stream"
	operator = "setting that an operator changed"
)

func TestStreamsFollowTheirSettings(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	reopen(t, cfg, func(js jetstream.JetStream) {
		if h := streamConfig(t, js, "HISTORY"); h.MaxAge != 720*time.Hour || h.MaxBytes != 1<<30 {
			t.Errorf("history: %v %d", h.MaxAge, h.MaxBytes)
		}
	})
	if log := reopen(t, cfg, func(jetstream.JetStream) {}); strings.Contains(log, setting) || strings.Contains(log, operator) {
		t.Errorf("nothing has changed, but: %s", log)
	}
	cfg.Retention, cfg.DedupWindow, cfg.HistoryAge, cfg.HistoryMaxBytes = 24*time.Hour, 30*time.Minute, time.Minute, 2<<20
	log := reopen(t, cfg, func(js jetstream.JetStream) {
		for _, name := range []string{"WEBHOOKS", "EVENTS", "OPS"} {
			if c := streamConfig(t, js, name); c.MaxAge != 24*time.Hour || c.Duplicates != 30*time.Minute {
				t.Errorf("%s: %v %v", name, c.MaxAge, c.Duplicates)
			}
		}
		if c := streamConfig(t, js, "DELIVERIES"); c.MaxAge != 0 || c.Duplicates != 30*time.Minute {
			t.Errorf("deliveries: %v %v", c.MaxAge, c.Duplicates)
		}
		if c := streamConfig(t, js, "HISTORY"); c.MaxAge != time.Minute || c.MaxBytes != 2<<20 {
			t.Errorf("history: %v %d", c.MaxAge, c.MaxBytes)
		}
		if c := streamConfig(t, js, "DEAD"); c.MaxAge != 720*time.Hour {
			t.Errorf("dead letters: %v", c.MaxAge)
		}
	})
	if n := strings.Count(log, setting); n != 5 || strings.Contains(log, operator) {
		t.Errorf("%d streams say that they follow: %s", n, log)
	}
}

// What an operator changed by hand stays, and what they left alone goes on following.
func TestAnOperatorsSettingStays(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	reopen(t, cfg, func(js jetstream.JetStream) {
		c := streamConfig(t, js, "EVENTS")
		c.MaxAge = 3 * time.Hour
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	cfg.Retention, cfg.DedupWindow = 48*time.Hour, 2*time.Hour
	log := reopen(t, cfg, func(js jetstream.JetStream) {
		if c := streamConfig(t, js, "EVENTS"); c.MaxAge != 3*time.Hour || c.Duplicates != 2*time.Hour {
			t.Errorf("events: %v %v", c.MaxAge, c.Duplicates)
		}
		if c := streamConfig(t, js, "WEBHOOKS"); c.MaxAge != 48*time.Hour {
			t.Errorf("webhooks: %v", c.MaxAge)
		}
	})
	if n := strings.Count(log, operator); n != 1 || !strings.Contains(log, "stream=EVENTS setting=max-age value=3h0m0s configured=48h0m0s") {
		t.Errorf("%d settings are said to stay: %s", n, log)
	}
}

// A stream that Jethook has not made is never changed.
func TestAnOperatorsStreamStays(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	reopen(t, cfg, func(js jetstream.JetStream) {
		c := streamConfig(t, js, "HISTORY")
		c.Metadata = nil
		if err := js.DeleteStream(t.Context(), "HISTORY"); err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	cfg.HistoryAge = time.Hour
	reopen(t, cfg, func(js jetstream.JetStream) {
		if c := streamConfig(t, js, "HISTORY"); c.MaxAge != 720*time.Hour {
			t.Errorf("history: %v", c.MaxAge)
		}
	})
}

// However short the settings, a replay that is asked for twice is one delivery, so the bus opens.
func TestShortDedupWindow(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.DedupWindow, cfg.Retention = time.Second, 30*time.Second
	reopen(t, cfg, func(js jetstream.JetStream) {
		if c := streamConfig(t, js, "DELIVERIES"); c.Duplicates != time.Minute {
			t.Errorf("deliveries: %v", c.Duplicates)
		}
		if c := streamConfig(t, js, "EVENTS"); c.Duplicates != time.Second {
			t.Errorf("events: %v", c.Duplicates)
		}
	})
}

// TestLargerBodiesFollow: a store that was made for smaller bodies takes larger ones once the settings say so, goes on taking
// them where another process's don't, and keeps a limit that its operator set.
func TestLargerBodiesFollow(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.MaxBody = 1 << 20
	size := func(js jetstream.JetStream) int32 { return streamConfig(t, js, "WEBHOOKS").MaxMsgSize }
	reopen(t, cfg, func(js jetstream.JetStream) {
		if got := size(js); got < 1<<20 || got > 2<<20 {
			t.Errorf("made for %d bytes", got)
		}
		// Earlier versions did not note the limit.
		c := streamConfig(t, js, "WEBHOOKS")
		delete(c.Metadata, "jethook-max-msg-size")
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	cfg.Sources = []config.Source{{Name: "github", MaxBody: 25 << 20}}
	b := bustest.Open(t, cfg)
	if _, err := b.Publish(t.Context(), &event.Event{ID: "1", Type: "push", Source: "github", Subject: "webhooks.github.push", Body: make([]byte, 25<<20)}); err != nil {
		t.Errorf("25 MiB: %v", err)
	}
	if b.Limits().Body != 1<<20 || b.Limits().Room != 25<<20 {
		t.Errorf("takes %d, room for %d", b.Limits().Body, b.Limits().Room)
	}
	b.Close()
	cfg.Sources = nil
	if log := reopen(t, cfg, func(js jetstream.JetStream) {
		if size(js) < 25<<20 {
			t.Error("the limit is lowered")
		}
		c := streamConfig(t, js, "WEBHOOKS")
		c.MaxMsgSize = 2 << 20
		if _, err := js.UpdateStream(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}); strings.Contains(log, operator) || strings.Contains(log, setting) {
		t.Errorf("nothing is to change, but: %s", log)
	}
	cfg.MaxBody = 4 << 20
	if log := reopen(t, cfg, func(js jetstream.JetStream) {
		if size(js) != 2<<20 {
			t.Errorf("the operator's limit became %d", size(js))
		}
	}); !strings.Contains(log, operator) {
		t.Errorf("no word of the operator's limit: %s", log)
	}
}
