package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// disk is a file system that loses what was not synced, as a disk does when the power is cut: an ext4 of its own on a loop
// device. It writes nothing by itself within the half minute that a test lets pass between two cuts.
type disk struct {
	dir   string // where it is mounted
	image string
}

// newDisk makes a disk, and proves that it forgets. Where there can be none, the test is skipped.
func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount the disk")
	}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("there is no mkfs.ext4 to make the disk with")
	}
	d := &disk{dir: t.TempDir(), image: filepath.Join(t.TempDir(), "image")}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 2 << 30 // of which only what is written takes room
	if err := os.Truncate(d.image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Fatalf("making the disk: %v\n%s", err, out)
	}
	if out, err := d.mount(); err != nil {
		t.Skipf("no loop device can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { syscall.Unmount(d.dir, syscall.MNT_DETACH) })
	d.proveThatItForgets(t)
	return d
}

func (d *disk) mount() ([]byte, error) {
	return exec.Command("mount", "-t", "ext4", "-o", "loop,commit=300", d.image, d.dir).CombinedOutput()
}

// What Linux has in ext4.h for tests of file systems: from then on nothing gets to the device, the journal's open transaction
// included.
const (
	ext4Shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
	noLogFlush   = 2          // EXT4_GOING_FLAGS_NOLOGFLUSH
)

// cut cuts the power: what is not synced now is lost. Whoever writes gets an error from here on.
func (d *disk) cut(t *testing.T) {
	t.Helper()
	root, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	how := uint32(noLogFlush)
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, root.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&how)))
	switch {
	case errors.Is(failed, syscall.ENOTTY), errors.Is(failed, syscall.EOPNOTSUPP):
		t.Skip("this kernel's ext4 can't be shut down")
	case failed != 0:
		t.Fatal("shutting the file system down: ", failed)
	}
}

// restore lets the power come back. Nobody may have a file open any more.
func (d *disk) restore(t *testing.T) {
	t.Helper()
	if err := syscall.Unmount(d.dir, 0); err != nil {
		t.Fatal("unmounting the disk: ", err)
	}
	if out, err := d.mount(); err != nil {
		t.Fatalf("mounting the disk after a power cut: %v\n%s", err, out)
	}
}

// proveThatItForgets writes two files and syncs one of them.
func (d *disk) proveThatItForgets(t *testing.T) {
	t.Helper()
	content := bytes.Repeat([]byte("jethook "), 1<<12)
	for name, synced := range map[string]bool{"synced": true, "not-synced": false} {
		f, err := os.Create(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		if synced {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	d.cut(t)
	d.restore(t)
	if got, err := os.ReadFile(filepath.Join(d.dir, "synced")); !bytes.Equal(got, content) {
		t.Fatalf("the disk has lost what was synced: it has %d bytes, %v", len(got), err)
	}
	if got, _ := os.ReadFile(filepath.Join(d.dir, "not-synced")); len(got) > 0 {
		t.Fatalf("the disk still has %d bytes that were not synced", len(got))
	}
}
