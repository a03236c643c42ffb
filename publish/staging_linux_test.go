package publish_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/query"
)

// Batches wait in memory for their commit. What a killed process left there is removed by the next one, and a
// store whose place in memory is gone, as after a power cut, opens as any other.
func TestBatchesWaitInMemory(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skip("there is no place in memory")
	}
	cfg := config.Default()
	cfg.DataDir, cfg.NATSListen = filepath.Join(t.TempDir(), "data"), "off"
	link := filepath.Join(cfg.DataDir, "jetstream/$G/streams/WEBHOOKS/batches")
	open := func() (*publish.Bus, string) {
		b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, "/dev/shm/") {
			t.Fatalf("got %q, %v", target, err)
		}
		return b, filepath.Dir(target)
	}
	publishMany := func(b *publish.Bus, prefix string) {
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				e := &event.Event{ID: fmt.Sprint(prefix, i), Source: "s", Type: "t", Subject: "webhooks.s.t"}
				if _, err := b.Publish(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	gone := func(dir string) {
		t.Helper()
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}

	b, first := open()
	publishMany(b, "a")
	b.Close()
	gone(first)

	left, err := os.MkdirTemp("/dev/shm", "jethook-staging-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(left, "WEBHOOKS"), link); err != nil {
		t.Fatal(err)
	}
	b, second := open()
	gone(left)
	publishMany(b, "b")
	b.Close()
	gone(second)

	if err := os.Symlink("/dev/shm/jethook-staging-cut/WEBHOOKS", link); err != nil {
		t.Fatal(err)
	}
	b, third := open()
	publishMany(b, "c")
	if n, _, err := b.Query().Count(t.Context(), query.Webhooks("s")); n != 300 || err != nil {
		t.Errorf("%d events are stored, %v", n, err)
	}
	b.Close()
	gone(third)
}

// What waits in memory for its commit is encrypted as the store is.
func TestBatchesInMemoryAreEncrypted(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skip("there is no place in memory")
	}
	for name, keys := range map[string][]string{"in clear": nil, "encrypted": {bustest.OneKey}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := withKeys(bustest.Settings(t), keys...)
			cfg.Sync = 0
			b := bustest.Open(t, cfg)
			nc, _ := bustest.Client(t, b)
			for i := range 2 { // and no commit
				m := nats.NewMsg("webhooks.s.t")
				m.Reply = nc.NewInbox()
				m.Header.Set("Nats-Batch-Id", "uncommitted")
				m.Header.Set("Nats-Batch-Sequence", fmt.Sprint(i+1))
				m.Data = bytes.Repeat([]byte(mark), 1<<12)
				if err := nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
			}
			dir, err := os.Readlink(filepath.Join(cfg.DataDir, "jetstream/$G/streams/WEBHOOKS/batches"))
			if err != nil {
				t.Fatal(err)
			}
			shown := false
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) { // a file tells nobody that it grows
				var stored int
				eachFile(t, dir, func(path string, content []byte) {
					if strings.HasSuffix(path, ".blk") {
						stored += len(content)
						shown = shown || bytes.Contains(content, []byte(mark))
					}
				})
				if stored > 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the batch never came to its place in memory")
				}
			}
			if shown == (keys != nil) {
				t.Errorf("shown in clear: %t", shown)
			}
		})
	}
}
