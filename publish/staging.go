package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nats-server writes an atomic batch into files of its own before it commits it to the stream, and syncs them:
// three or four fsyncs a batch, beside the one that makes the events durable. These files only serve to finish a
// half-committed batch after a crash. Jethook needs that of none of its batches: what it was not told is stored it
// stores again, under the same id. So they lie in memory, where the system has a place for that. Batches that
// services publish to EVENTS are theirs, and stay on the disk.

// memoryDir is where Linux keeps files in memory: https://man7.org/linux/man-pages/man7/shm_overview.7.html
const memoryDir = "/dev/shm"

const stagingPrefix = memoryDir + "/jethook-staging-"

// stagedStreams are those that only Jethook writes batches to.
var stagedStreams = []string{StreamWebhooks, StreamDeliveries, StreamDead}

// staging is the place in memory for the batches of one server's run.
type staging struct {
	store string // the server's folder for streams
	dir   string // in memory; empty: none
	stale []string
}

// newStaging is called before the server starts, which removes what an earlier run has left in the store. It
// remembers what that leaves in memory.
func newStaging(storeDir string) *staging {
	s := &staging{store: filepath.Join(storeDir, "jetstream", "$G", "streams")}
	for _, stream := range stagedStreams {
		if target, err := os.Readlink(s.link(stream)); err == nil && strings.HasPrefix(target, stagingPrefix) {
			s.stale = append(s.stale, filepath.Dir(target))
		}
	}
	return s
}

func (s *staging) link(stream string) string { return filepath.Join(s.store, stream, "batches") }

// open lets the streams' batches lie in memory. It is called after the server has started, and again each time
// that it has. An error means that they lie on the disk, which is slower and as good.
func (s *staging) open() error {
	for _, dir := range s.stale {
		os.RemoveAll(dir) //nolint:errcheck // it is a few kilobytes, and not ours to judge
	}
	s.stale = nil
	if s.dir == "" {
		dir, err := os.MkdirTemp(memoryDir, filepath.Base(stagingPrefix)+"*")
		if err != nil {
			return fmt.Errorf("making a place in memory: %w", err)
		}
		s.dir = dir
	}
	for _, stream := range stagedStreams {
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

// close removes the place. The server must have stopped.
func (s *staging) close() {
	for _, stream := range stagedStreams {
		if target, err := os.Readlink(s.link(stream)); err == nil && filepath.Dir(target) == s.dir {
			os.Remove(s.link(stream)) //nolint:errcheck // the server removes it when it starts
		}
	}
	if s.dir != "" {
		os.RemoveAll(s.dir) //nolint:errcheck // as above
	}
}
