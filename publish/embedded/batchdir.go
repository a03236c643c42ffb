package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// nats-server writes an atomic batch into files of its own before it commits it to the stream, and syncs them:
// three or four fsyncs a batch, beside the one that makes the events durable. These files only serve to finish a
// half-committed batch after a crash. Jethook needs that of none of its batches: what it was not told is stored it
// stores again, under the same id. So they lie in memory, where the system has a place for that. Batches that
// services publish to EVENTS are theirs, and stay on the disk.

// memoryDir is where Linux keeps files in memory: https://man7.org/linux/man-pages/man7/shm_overview.7.html
const memoryDir = "/dev/shm"

const batchDirPrefix = "jethook-staging-"

func isBatchDir(name string) bool {
	return strings.HasPrefix(name, batchDirPrefix) && !strings.ContainsAny(name, `/\`)
}

// batchDirLock is held while a server uses the place.
const batchDirLock = "lock"

// batchDir is the place in memory for the batches of one server's run.
type batchDir struct {
	store   string   // the server's folder for streams
	streams []string // those that only Jethook writes batches to
	dir     string   // in memory; empty: none
	lock    *os.File
	stale   []string // names in memoryDir
}

// newBatchDir is called before the server starts, which removes what an earlier run has left in the store. It
// remembers what that leaves in memory.
func newBatchDir(storeDir string, streams []string) *batchDir {
	s := &batchDir{store: filepath.Join(storeDir, "jetstream", "$G", "streams"), streams: streams}
	for _, stream := range streams {
		if name := batchDirOf(s.link(stream)); name != "" && !slices.Contains(s.stale, name) {
			s.stale = append(s.stale, name)
		}
	}
	return s
}

func (s *batchDir) link(stream string) string { return filepath.Join(s.store, stream, "batches") }

// open lets the streams' batches lie in memory. It is called after the server has started, and again each time
// that it has. An error means that they lie on the disk, which is slower and as good.
func (s *batchDir) open() error {
	for _, name := range s.stale {
		removeStale(name)
	}
	s.stale = nil
	if s.dir == "" {
		dir, err := os.MkdirTemp(memoryDir, batchDirPrefix+"*")
		if err != nil {
			return fmt.Errorf("making a place in memory: %w", err)
		}
		s.dir = dir
		if s.lock, err = lockDir(filepath.Join(dir, batchDirLock)); err != nil {
			return fmt.Errorf("locking a place in memory: %w", err)
		}
	}
	for _, stream := range s.streams {
		dir := filepath.Join(s.dir, stream)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making a place in memory: %w", err)
		}
		// Where the server has made its own folder meanwhile, that one stays.
		if err := os.Symlink(dir, s.link(stream)); err != nil && !os.IsExist(err) {
			return fmt.Errorf("linking a place in memory: %w", err)
		}
	}
	return nil
}

// removeStale removes the place of an earlier run, unless a server uses it: the store may be a copy of one that runs.
// Everyone may make files in memoryDir, so links there are not followed.
func removeStale(name string) {
	root, err := os.OpenRoot(memoryDir)
	if err != nil {
		return
	}
	defer root.Close()
	if info, err := root.Lstat(name); err != nil || !info.IsDir() {
		return
	}
	place, err := root.OpenRoot(name)
	if err != nil {
		return
	}
	defer place.Close()
	if f, err := place.OpenFile(batchDirLock, os.O_RDWR, 0); err == nil {
		defer f.Close()
		if lockFile(f) != nil {
			return
		}
	}
	root.RemoveAll(name) //nolint:errcheck // it is a few kilobytes, and not ours to judge
}

// close removes the place. The server must have stopped.
func (s *batchDir) close() {
	for _, stream := range s.streams {
		if target, err := os.Readlink(s.link(stream)); err == nil && filepath.Dir(target) == s.dir {
			os.Remove(s.link(stream)) //nolint:errcheck // the server removes it when it starts
		}
	}
	if s.dir != "" {
		os.RemoveAll(s.dir) //nolint:errcheck // as above
	}
	if s.lock != nil {
		s.lock.Close()
	}
}
