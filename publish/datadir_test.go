package publish_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/embedded"
)

// A copy of DATA_DIR that was restored from somewhere may hold links. A start follows none of them: it neither writes to
// what they point to nor removes it.
func TestLinksInDataDir(t *testing.T) {
	t.Parallel()
	for name, encrypt := range map[string]bool{
		"lock": false, "jetstream": false, "jetstream/$G/streams/EVENTS": false, "jetstream/$G/streams/EVENTS/msgs": false,
		"jetstream/$G/streams/WEBHOOKS/batches": false, "encrypting": true, "encrypted": false, "store-key": true, "store-key.new": true,
		"nats-admin-token": false, "admin-token": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			cfg.Sync = 0
			publishAndClose(t, cfg.DataDir)
			outside := filepath.Join(t.TempDir(), "outside")
			link := filepath.Join(cfg.DataDir, name)
			if info, err := os.Stat(link); err == nil && info.IsDir() {
				if err := os.Rename(link, outside); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := os.RemoveAll(link); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Join(outside, "jetstream"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(outside, "jetstream", "kept"), []byte("kept"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(outside, link); err != nil {
				t.Fatal(err)
			}
			before := files(t, outside)
			if encrypt {
				cfg = withKeys(cfg, bustest.OneKey)
			}
			b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				b.Close()
			}
			if !errors.Is(err, embedded.ErrLink) {
				t.Errorf("got %v", err)
			}
			if after := files(t, outside); after != before {
				t.Errorf("there was %s\nand is %s", before, after)
			}
		})
	}
}

// publishAndClose makes a store with one event.
func publishAndClose(t *testing.T, dir string) {
	t.Helper()
	cfg := bustest.Settings(t)
	cfg.DataDir = dir
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Publish(t.Context(), bustest.Event("evt_1")); err != nil {
		t.Fatal(err)
	}
}

// files lists all below dir, with its content.
func files(t *testing.T, dir string) string {
	t.Helper()
	text := ""
	eachFile(t, dir, func(path string, content []byte) { text += path + " " + string(content) + "\n" })
	return text
}

// The place in memory that a link in the store names is removed only if it is one that an earlier run left.
func TestOnlyWhatARunLeftIsRemoved(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skip("there is no place in memory")
	}
	victim := t.TempDir()
	precious := filepath.Join(victim, "precious")
	if err := os.MkdirAll(filepath.Join(precious, "WEBHOOKS"), 0o700); err != nil {
		t.Fatal(err)
	}
	live := bustest.Settings(t)
	live.Sync = 0
	running := bustest.Open(t, live)
	target, err := os.Readlink(filepath.Join(live.DataDir, "jetstream/$G/streams/WEBHOOKS/batches"))
	if err != nil {
		t.Fatal(err)
	}
	planted := "/dev/shm/jethook-staging-" + filepath.Base(victim)
	if err := os.Symlink(precious, planted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(planted) })
	for name, test := range map[string]struct {
		target, kept string
		refused      bool
	}{
		"a way out of it":                {"/dev/shm/jethook-staging-x/../../.." + precious + "/WEBHOOKS", precious, true},
		"somewhere else":                 {precious + "/WEBHOOKS", precious, true},
		"a link there":                   {planted + "/WEBHOOKS", precious, false},
		"what a running Jethook uses":    {target, filepath.Dir(target), false},
		"another stream's name behind":   {filepath.Dir(target) + "/OTHER", filepath.Dir(target), true},
		"the whole of memory's own root": {"/dev/shm/WEBHOOKS", "/dev/shm", true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := bustest.Settings(t)
			publishAndClose(t, cfg.DataDir)
			cfg.Sync = 0
			if err := os.Symlink(test.target, filepath.Join(cfg.DataDir, "jetstream/$G/streams/WEBHOOKS/batches")); err != nil {
				t.Fatal(err)
			}
			b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				b.Close()
			}
			if errors.Is(err, embedded.ErrLink) != test.refused || err != nil && !test.refused {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(test.kept); err != nil {
				t.Errorf("it removed what was not its own: %v", err)
			}
		})
	}
	if _, err := running.Publish(t.Context(), bustest.Event("evt_2")); err != nil {
		t.Error(err)
	}
}
