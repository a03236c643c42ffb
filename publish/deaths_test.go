package publish_test

import (
	"os"
	"path/filepath"
	"testing"

	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// A start that no end follows makes the row longer; an end that does ends it, and what can't be read is none.
func TestDeathsAreCounted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "2\n": 2, "-3\n": 0, "x": 0} {
		cfg := bustest.Settings(t)
		file := filepath.Join(cfg.DataDir, "deaths")
		if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b := bustest.Open(t, cfg)
		if got := b.Server().Deaths(); got != want {
			t.Errorf("%q: %d deaths, want %d", text, got, want)
		}
		// What a process leaves that dies now: read by its successor, it is one more.
		left, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%q: an end does not end the row: %v", text, err)
		}
		if err := os.WriteFile(file, left, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := bustest.Open(t, cfg).Server().Deaths(); got != want+1 {
			t.Errorf("%q: %d deaths after one more, want %d", text, got, want+1)
		}
	}
}

// A webhook can't pose as an answer of the server, which no client would take for a message.
func TestPublishDropsAStatus(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	e := bustest.Event("evt_1")
	e.Body = nil
	e.Header.Set("Status", "409")
	e.Header.Set("Description", "Leadership Change")
	if _, err := b.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	c, err := b.Queues().Open(t.Context(), topology.QueueWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next()
	if err != nil {
		t.Fatalf("it never comes: %v", err)
	}
	if got, err := event.Decode(m); err != nil || got.ID != "evt_1" {
		t.Errorf("%+v, %v", got, err)
	}
}
