package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout is how long a child may take until it is ready.
	startTimeout = 30 * time.Second
	// stopTimeout is how long a child may take to finish what is in flight.
	stopTimeout = 5 * time.Second
	// startTries bounds how often a child is started again because another process took its port first.
	startTries = 3
	// stderrLines is how many of a child's last lines are shown when it fails.
	stderrLines = 10
)

// child is this binary, running another command.
type child struct {
	cmd    *exec.Cmd
	stderr tail
	ended  chan struct{} // closed when it has ended
}

// startChild runs the binary with args. Its environment is this one's without what is meant for another Jethook.
func startChild(env []string, stdin io.Reader, stdout io.Writer, args ...string) (*child, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this binary: %w", err)
	}
	c := &child{cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "JETHOOK_") {
			c.cmd.Env = append(c.cmd.Env, entry)
		}
	}
	c.cmd.Env = append(c.cmd.Env, env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = stdin, stdout, &c.stderr
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	go func() {
		c.cmd.Wait() // how it ended shows in what it said
		close(c.ended)
	}()
	return c, nil
}

// stop ends the child, if need be by force, and returns when it is gone.
func (c *child) stop() {
	if c.cmd.Process.Signal(syscall.SIGTERM) != nil {
		c.cmd.Process.Kill() // not every system has signals
	}
	select {
	case <-c.ended:
	case <-time.After(stopTimeout):
		c.cmd.Process.Kill()
		<-c.ended
	}
}

// failure is err with what the child said last.
func (c *child) failure(err error) error {
	if said := c.stderr.last(stderrLines); said != "" {
		return fmt.Errorf("%w; it said last:\n%s", err, said)
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if cut := len(t.text) - tailBytes; cut > 0 {
		t.text = append(t.text[:0], t.text[cut:]...)
	}
	return len(p), nil
}

// last returns the last n lines.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// jethook is a Jethook of our own on a store of its own.
type jethook struct {
	*child
	dir                 string
	public, admin, nats string // addresses
	token               string
	empty               int64 // bytes of the store before anything was done
}

// errNotStarted means that a Jethook of our own did not become ready.
var errNotStarted = errors.New("the Jethook to measure did not start")

// startJethook runs the command serve or ingest with these settings and returns when it is ready.
func startJethook(ctx context.Context, command string, env ...string) (j *jethook, err error) {
	for range startTries {
		if j, err = tryJethook(ctx, command, env); err == nil || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return j, err
}

func tryJethook(ctx context.Context, command string, env []string) (_ *jethook, err error) {
	j := &jethook{token: token()}
	ports, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	j.public, j.admin, j.nats = ports[0], ports[1], ports[2]
	if j.dir, err = os.MkdirTemp("", "jethook-bench-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	j.child, err = startChild(append([]string{
		"JETHOOK_DATA_DIR=" + filepath.Join(j.dir, "data"), "JETHOOK_LISTEN=" + j.public, "JETHOOK_ADMIN_LISTEN=" + j.admin,
		"JETHOOK_NATS_LISTEN=" + j.nats, "JETHOOK_ADMIN_TOKEN=" + j.token, "JETHOOK_NATS_ADMIN_TOKEN=" + j.token,
		"JETHOOK_LOG_LEVEL=warn",
	}, env...), nil, nil, command)
	if err != nil {
		return nil, err
	}
	if err := j.await(ctx); err != nil {
		return nil, err
	}
	j.empty = j.stored()
	return j, nil
}

// await returns when the Jethook is ready.
func (j *jethook) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errNotStarted)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond) // it tells nobody when it is ready
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.admin+"/readyz", nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-j.ended:
			return j.failure(errNotStarted)
		case <-ctx.Done():
			return j.failure(context.Cause(ctx))
		}
	}
}

// close stops the Jethook and removes its store.
func (j *jethook) close() {
	if j.child != nil {
		j.stop()
	}
	os.RemoveAll(j.dir)
}

// stored is how many bytes the store holds.
func (j *jethook) stored() (total int64) {
	filepath.WalkDir(j.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil { // else it was removed just now
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// freeAddresses returns n addresses of this machine that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // only when all are found, so that they differ
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}
