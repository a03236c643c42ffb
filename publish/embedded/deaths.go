package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// peace is how long a process must have run for the deaths before it not to count any more: its own may be the first
// of a row.
const peace = time.Minute

// deaths counts the processes that died in a row, all but the first soon after they had started, in a file beside the
// embedded server's store. The server dies with its process, and forgets then how often it has given out a message: what tells on a
// cluster that a message may be the cause must be known here by other means. The file need not survive a power cut,
// of which no message is the cause.
type deaths struct {
	path   string
	before int
	timer  *time.Timer

	mu      sync.Mutex // guards the file
	stopped bool
}

func countDeaths(dir string) (*deaths, error) {
	d := &deaths{path: filepath.Join(dir, "deaths")}
	text, err := os.ReadFile(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading how often this process died: %w", err)
	}
	d.before, _ = strconv.Atoi(strings.TrimSpace(string(text))) // absent, or cut off, is none
	d.before = max(0, d.before)
	if err := d.note(d.before + 1); err != nil {
		return nil, fmt.Errorf("noting that this process starts: %w", err)
	}
	d.timer = time.AfterFunc(peace, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.stopped {
			d.note(1) //nolint:errcheck // a row that is not forgotten costs time only
		}
	})
	return d, nil
}

func (d *deaths) note(n int) error { return os.WriteFile(d.path, []byte(strconv.Itoa(n)+"\n"), 0o600) }

// stop forgets the row: the process ends as it should.
func (d *deaths) stop() {
	d.timer.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	os.Remove(d.path)
}

// Deaths is how many processes in a row died, all but the first soon after they had opened the store; 0 without a
// server: those of a cluster know how often they gave out a message.
func (e *Server) Deaths() int {
	if e == nil {
		return 0
	}
	return e.deaths.before
}
