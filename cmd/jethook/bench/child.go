package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// child is this binary, running the command that is to be measured, with a temporary folder of its own.
type child struct {
	cmd                 *exec.Cmd
	dir, token          string
	public, admin, nats string        // addresses
	ended               chan struct{} // closed when it has ended
	empty               int64         // bytes of the store before anything was done
}

// errNotStarted means that a child did not become ready.
var errNotStarted = errors.New("the server to measure did not start")

// startJethook runs the command serve or ingest with these settings and returns when it is ready.
func startJethook(ctx context.Context, command string, env ...string) (*child, error) {
	return startChild(ctx, func(c *child) (ready string) {
		c.cmd.Args = append(c.cmd.Args, command)
		c.cmd.Env = append(append(c.cmd.Env, "JETHOOK_DATA_DIR="+c.store(), "JETHOOK_LISTEN="+c.public, "JETHOOK_ADMIN_LISTEN="+c.admin,
			"JETHOOK_NATS_LISTEN="+c.nats, "JETHOOK_ADMIN_TOKEN="+c.token, "JETHOOK_NATS_ADMIN_TOKEN="+c.token, "JETHOOK_LOG_LEVEL=warn"), env...)
		return c.admin
	})
}

// startBare runs the bare handler in a process of its own, as Jethook has one. Its secret is the child's token.
func startBare(ctx context.Context, header string) (*child, error) {
	return startChild(ctx, func(c *child) (ready string) {
		c.cmd.Args = append(c.cmd.Args, "bench", BareCommand, "--listen", c.public, "--header", header, "--secret-file", "-")
		c.cmd.Stdin = strings.NewReader(c.token)
		return c.public
	})
}

// startChild starts what prepare asks for, and returns when the address it returns is ready.
func startChild(ctx context.Context, prepare func(c *child) (ready string)) (c *child, err error) {
	for range startTries {
		c, err = newChild()
		if err == nil {
			if err = c.start(ctx, prepare(c)); err == nil {
				return c, nil
			}
			c.close()
		}
		if !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return nil, err
}

// newChild prepares a child. Its environment is this one's without what is meant for another Jethook.
func newChild() (*child, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this binary: %w", err)
	}
	c := &child{cmd: exec.Command(binary), token: token()}
	for _, address := range []*string{&c.public, &c.admin, &c.nats} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // only when all are found, so that they differ
		*address = l.Addr().String()
	}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "JETHOOK_") {
			c.cmd.Env = append(c.cmd.Env, entry)
		}
	}
	if c.dir, err = os.MkdirTemp("", "jethook-bench-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	return c, nil
}

// stderr is the file of what the child says, and store the folder of what it stores.
func (c *child) stderr() string { return filepath.Join(c.dir, "stderr") }
func (c *child) store() string  { return filepath.Join(c.dir, "data") }

// start returns when the child is ready.
func (c *child) start(ctx context.Context, address string) error {
	stderr, err := os.Create(c.stderr())
	if err != nil {
		return fmt.Errorf("keeping what a child says: %w", err)
	}
	defer stderr.Close() // the child has its own
	c.cmd.Stderr = stderr
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", c.cmd, err)
	}
	c.ended = make(chan struct{})
	go func() {
		c.cmd.Wait() // how it ended shows in what it said
		close(c.ended)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errNotStarted)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond) // it tells nobody when it is ready
	defer tick.Stop()
	for !isReady(ctx, "http://"+address+readyPath) {
		select {
		case <-tick.C:
		case <-c.ended:
			return c.failure(errNotStarted)
		case <-ctx.Done():
			return c.failure(context.Cause(ctx))
		}
	}
	c.empty = c.stored()
	return nil
}

func isReady(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// pid is the child's, or for none a number that no process has.
func (c *child) pid() int {
	if c == nil {
		return -1
	}
	return c.cmd.Process.Pid
}

// failure is err with what the child, if there is one, said last.
func (c *child) failure(err error) error {
	if c == nil {
		return err
	}
	text, _ := os.ReadFile(c.stderr())
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if said := bytes.Join(lines[max(0, len(lines)-stderrLines):], []byte("\n")); len(said) > 0 {
		return fmt.Errorf("%w; it said last:\n%s", err, said)
	}
	return err
}

// stop ends the child, if need be by force, and returns when it is gone.
func (c *child) stop() {
	if c.ended == nil {
		return
	}
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

// close stops the child and removes its folder.
func (c *child) close() {
	c.stop()
	os.RemoveAll(c.dir)
}

// stored is how many bytes the store holds.
func (c *child) stored() (total int64) {
	filepath.WalkDir(c.store(), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil { // else it was removed just now
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
