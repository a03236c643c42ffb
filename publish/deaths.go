package publish

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

// peace is how long a process must have run for its start to be no part of a row of deaths.
const peace = time.Minute

// deaths counts the processes that died in a row, each soon after it had started, in a file beside the embedded server's
// store. The server dies with its process, and forgets then how often it has given out a message: what tells on a
// cluster that a message may be the cause must be known here by other means. The file need not survive a power cut,
// of which no message is the cause.
type deaths struct {
	path   string
	before int
	end    func() // forgets the row, once
	timer  *time.Timer
}

func countDeaths(dir string) (*deaths, error) {
	d := &deaths{path: filepath.Join(dir, "deaths")}
	text, err := os.ReadFile(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading how often this process died: %w", err)
	}
	d.before, _ = strconv.Atoi(strings.TrimSpace(string(text))) // absent, or cut off, is none
	d.before = max(0, d.before)
	if err := os.WriteFile(d.path, []byte(strconv.Itoa(d.before+1)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("noting that this process starts: %w", err)
	}
	d.end = sync.OnceFunc(func() { os.Remove(d.path) }) // a row that is not forgotten costs time only
	d.timer = time.AfterFunc(peace, d.end)
	return d, nil
}

// stop forgets the row: the process ends as it should.
func (d *deaths) stop() {
	d.timer.Stop()
	d.end()
}

// Deaths is how many processes in a row died soon after they had opened this bus with its embedded server; 0 on a
// cluster, whose servers know how often they gave out a message.
func (b *Bus) Deaths() int {
	if b.srv == nil {
		return 0
	}
	return b.srv.deaths.before
}
