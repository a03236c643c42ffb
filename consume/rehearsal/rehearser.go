package rehearsal

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// deaths is how many children in a row must die of a message at one stage for it to be blamed: one may have been
	// killed by somebody else.
	deaths = 2
	// startTime is how long a child may take to begin, and workTime how long to rehearse one message. One that hangs proves
	// nothing: what hangs does not end the process.
	startTime = 10 * time.Second
	workTime  = 20 * time.Second
	// idleTime is how long a child stays when there is nothing to do.
	idleTime = time.Minute
)

// Rehearser has messages rehearsed by a child process, which it starts when there is one to rehearse. It is safe for
// concurrent use; one message is rehearsed at a time, so that it is clear which one a child died of.
type Rehearser struct {
	command []string

	mu    sync.Mutex // guards what follows
	child *child     // nil: none runs
	idle  *time.Timer
}

// New returns a Rehearser whose children are run by a command, which must call [Serve] with its standard input and output.
func New(command ...string) *Rehearser { return &Rehearser{command: command} }

// Self is a command that runs this very program, also when its file was replaced meanwhile, with arguments.
func Self(args ...string) ([]string, error) {
	const running = "/proc/self/exe" // of Linux: what the child is a copy of
	if _, err := os.Stat(running); err == nil {
		return append([]string{running}, args...), nil
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return append([]string{path}, args...), nil
}

// Try has stages of a message rehearsed, and returns those that children died of, with the cause in a few words. An
// error says that it can't be told, also since ctx ended.
func (r *Rehearser) Try(ctx context.Context, m *Message, stages ...Stage) (deadly map[Stage]string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	deadly = make(map[Stage]string)
	for died := 0; len(stages) > 0; {
		survived, cause, err := r.run(ctx, &request{*m, stages})
		if err != nil {
			return nil, err
		}
		if stages = stages[survived:]; survived > 0 {
			died = 0
		}
		if cause == "" {
			continue
		}
		if died++; died == deaths {
			deadly[stages[0]] = cause
			stages, died = stages[1:], 0
		}
	}
	return deadly, nil
}

// Close ends the child, if one runs.
func (r *Rehearser) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
}

// end ends the child. Whoever calls it holds the lock.
func (r *Rehearser) end() {
	if r.child != nil {
		r.child.kill()
		r.child = nil
	}
	if r.idle != nil {
		r.idle.Stop()
	}
}

// run lets a child rehearse the request. It returns how many stages the child survived, and if it died, of what.
func (r *Rehearser) run(ctx context.Context, ask *request) (survived int, cause string, err error) {
	if r.child == nil {
		if r.child, err = start(ctx, r.command); err != nil {
			return 0, "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	survived, err = r.child.ask(ctx, ask)
	switch {
	case err == nil:
		r.rest()
		return survived, "", nil
	case ctx.Err() != nil:
		r.end()
		return survived, "", fmt.Errorf("rehearsing a message: %w", ctx.Err())
	}
	cause = r.child.autopsy()
	r.child = nil
	return survived, cause, nil
}

// rest ends the child when it has had nothing to do for a while.
func (r *Rehearser) rest() {
	if r.idle == nil {
		r.idle = time.AfterFunc(idleTime, r.Close)
		return
	}
	r.idle.Reset(idleTime)
}

// child is a process that rehearses messages.
type child struct {
	cmd      *exec.Cmd
	requests *gob.Encoder
	answers  chan Stage // closed when it is gone
	words    head       // the last ones it says, if it dies
}

func start(ctx context.Context, command []string) (*child, error) {
	c := &child{cmd: exec.Command(command[0], command[1:]...), answers: make(chan Stage)}
	c.cmd.Env = []string{"GOTRACEBACK=none"} // no setting of its parent is its business
	c.cmd.Stderr = &c.words
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a rehearsal: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a rehearsal: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a rehearsal: %w", err)
	}
	c.requests = gob.NewEncoder(in)
	go c.listen(out)
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case _, ok := <-c.answers:
		if ok {
			return c, nil
		}
		return nil, fmt.Errorf("starting a rehearsal: the child ended: %s", c.autopsy())
	case <-ctx.Done():
		c.kill()
		return nil, fmt.Errorf("starting a rehearsal: %w", ctx.Err())
	}
}

// listen passes on what the child answers until it is gone.
func (c *child) listen(out io.Reader) {
	defer close(c.answers)
	answers := gob.NewDecoder(out)
	for {
		var s Stage
		if answers.Decode(&s) != nil {
			return
		}
		c.answers <- s
	}
}

var errDied = errors.New("the child died")

// ask returns how many stages the child has survived: all, or it died or ctx ended.
func (c *child) ask(ctx context.Context, r *request) (survived int, err error) {
	go func() {
		if c.requests.Encode(r) != nil {
			c.cmd.Process.Kill() //nolint:errcheck // it is gone
		}
	}()
	for survived < len(r.Stages) {
		select {
		case _, ok := <-c.answers:
			if !ok {
				return survived, errDied
			}
			survived++
		case <-ctx.Done():
			return survived, ctx.Err()
		}
	}
	return survived, nil
}

// kill ends the child.
func (c *child) kill() {
	c.cmd.Process.Kill() //nolint:errcheck // it is gone
	for range c.answers {
	}
	c.cmd.Wait() //nolint:errcheck // it was killed
}

// autopsy says in a few words what the child died of. Nothing of the message is in them.
func (c *child) autopsy() string {
	err := c.cmd.Wait()
	for line := range strings.Lines(c.words.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: runtime error: ") {
			return line
		}
		if strings.HasPrefix(line, "panic: ") { // what follows may quote the message
			return "panic"
		}
	}
	if err != nil {
		return err.Error()
	}
	return "no error"
}

// head keeps the beginning of what is written to it.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	const most = 16 << 10
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), most-min(most, h.buf.Len()))])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}
