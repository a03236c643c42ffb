//go:build linux

package publish_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/failure"
)

// A disk that was full and has room again is used again, without a restart of the process, and what was
// acknowledged before is there.
func TestFullDiskRecovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200m"); err != nil {
		t.Skipf("a small file system can't be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	cfg := bustest.Settings(t)
	cfg.DataDir = filepath.Join(dir, "data")
	b := bustest.Open(t, cfg)
	large := func(id string) *event.Event {
		e := bustest.Event(id)
		e.Body = make([]byte, 1<<20)
		return e
	}
	if _, err := b.Publish(t.Context(), large("before")); err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	accepted := []string{"before"}
	for i := range 50 {
		id := fmt.Sprint("while_full_", i)
		_, err := b.Publish(t.Context(), large(id))
		if err != nil {
			if !errors.Is(err, failure.ErrUnavailable) && !errors.Is(err, failure.ErrFull) {
				t.Errorf("got %v", err)
			}
			break
		}
		accepted = append(accepted, id)
	}
	if len(accepted) > 40 {
		t.Fatal("the disk never was full")
	}
	if err := b.Ready(t.Context()); err == nil {
		t.Error("ready with a full disk")
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		_, err := b.Publish(t.Context(), large("after"))
		if err == nil {
			err = b.Ready(t.Context()) // each connection comes back by itself
		}
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is room, and still: %v", err)
		}
		time.Sleep(100 * time.Millisecond) // a sender would wait longer
	}
	for _, id := range append(accepted, "after") {
		r, err := b.Publish(t.Context(), large(id))
		if err != nil || !r.Duplicate {
			t.Errorf("%s was acknowledged and is not there: %+v %v", id, r, err)
		}
	}
}

// fill takes all of a disk but 3 MiB.
func fill(t *testing.T, path string) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &s); err != nil {
		t.Fatal(err)
	}
	free := int64(s.Bavail) * s.Bsize
	if err := os.WriteFile(path, make([]byte, free-3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
}
