// Package server is what bench measures: this binary as a child process with a temporary folder of its own, or a Jethook that runs
// already.
package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"jethook/cmd/jethook/client"
	"jethook/config"
)

const (
	// startTimeout is how long a child may take until it is ready.
	startTimeout = 30 * time.Second
	// stopTimeout is how long a child may take to finish what is in flight.
	stopTimeout = 5 * time.Second
	// stderrLines is how many of a child's last lines are shown when it fails.
	stderrLines = 10
)

// Server is one that is measured. The zero value is one that runs already, of which its addresses and its token may be set.
type Server struct {
	Public, Admin, NATS string // addresses, or of one that runs already URLs
	Token               string // of a child it opens everything

	cmd   *exec.Cmd     // nil: it runs already
	dir   string        // of a child
	end   func()        // tells a child to end
	ended chan struct{} // closed when a child has ended; nil of one that runs already
	empty int64         // bytes of a child's store before anything was done
}

// ErrNotStarted means that a child did not become ready.
var ErrNotStarted = errors.New("the server to measure did not start")

// Start runs the command serve or ingest with these settings and returns when it is ready.
func Start(ctx context.Context, command string, env ...string) (*Server, error) {
	s, err := newChild()
	if err != nil {
		return nil, err
	}
	s.cmd.Args = append(s.cmd.Args, command)
	s.cmd.Env = append(append(s.cmd.Env, "JETHOOK_DATA_DIR="+s.store(), "JETHOOK_LISTEN="+s.Public, "JETHOOK_ADMIN_LISTEN="+s.Admin,
		"JETHOOK_NATS_LISTEN="+s.NATS, "JETHOOK_ADMIN_TOKEN="+s.Token, "JETHOOK_NATS_ADMIN_TOKEN="+s.Token, "JETHOOK_LOG_LEVEL=warn"), env...)
	return s.start(ctx, s.Admin)
}

// StartBare runs the bare handler in a process of its own, as Jethook has one. Its secret is the child's token.
func StartBare(ctx context.Context, header string) (*Server, error) {
	s, err := newChild()
	if err != nil {
		return nil, err
	}
	s.cmd.Args = append(s.cmd.Args, "bench", BareCommand, "--listen", s.Public, "--header", header, "--secret-file", "-")
	s.cmd.Stdin = strings.NewReader(s.Token)
	return s.start(ctx, s.Public)
}

// newChild prepares a child. Its environment is this one's without what is meant for another Jethook.
func newChild() (*Server, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this binary: %w", err)
	}
	ctx, end := context.WithCancel(context.Background()) // not with the run: what the run made is removed first
	s := &Server{Token: strings.ToLower(rand.Text()), cmd: exec.CommandContext(ctx, binary), end: end, ended: make(chan struct{})}
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "JETHOOK_") })
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = stopTimeout // after which it is killed
	for _, address := range []*string{&s.Public, &s.Admin, &s.NATS} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // only when all are found, so that they differ
		*address = l.Addr().String()
	}
	if s.dir, err = os.MkdirTemp("", "jethook-bench-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	return s, nil
}

// start returns when the child answers at an address that it is ready; else nothing is left of it.
func (s *Server) start(ctx context.Context, address string) (*Server, error) {
	if err := s.run(ctx, address); err != nil {
		err = s.Failure(err)
		s.Close()
		return nil, err
	}
	s.empty = s.Stored()
	return s, nil
}

func (s *Server) run(ctx context.Context, address string) error {
	stderr, err := os.Create(s.stderr())
	if err != nil {
		return fmt.Errorf("keeping what a child says: %w", err)
	}
	defer stderr.Close() // the child has its own
	s.cmd.Stderr = stderr
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", s.cmd, err)
	}
	go func() {
		s.cmd.Wait() // how it ended shows in what it said
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, ErrNotStarted)
	defer cancel()
	api := client.At(address, config.Secret{})
	tick := time.NewTicker(20 * time.Millisecond) // it tells nobody when it is ready
	defer tick.Stop()
	for {
		if _, err := api.Do(ctx, http.MethodGet, readyPath, nil); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return ErrNotStarted
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stderr is the file of what the child says, and store the folder of what it stores.
func (s *Server) stderr() string { return filepath.Join(s.dir, "stderr") }
func (s *Server) store() string  { return filepath.Join(s.dir, "data") }

// Failure is err, if there is one, with what a child said last.
func (s *Server) Failure(err error) error {
	if err == nil || s.cmd == nil {
		return err
	}
	text, _ := os.ReadFile(s.stderr())
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if said := bytes.Join(lines[max(0, len(lines)-stderrLines):], []byte("\n")); len(said) > 0 {
		return fmt.Errorf("%w; it said last:\n%s", err, said)
	}
	return err
}

// Stop ends a child, if need be by force, and returns when it is gone.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.end()
		<-s.ended
	}
}

// Close stops a child and removes its folder. It leaves alone what runs already.
func (s *Server) Close() {
	s.Stop()
	if s.cmd != nil {
		os.RemoveAll(s.dir)
	}
}

// IsChild reports whether the server is a process of our own.
func (s *Server) IsChild() bool { return s.cmd != nil }

// Ended is closed when a child has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Stored is how many bytes a child's store holds; 0 of a server that runs already.
func (s *Server) Stored() (total int64) {
	if s.cmd == nil {
		return 0
	}
	filepath.WalkDir(s.store(), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil { // else it was removed just now
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// Grown is by how many bytes a child's store has grown since it started.
func (s *Server) Grown() int64 { return s.Stored() - s.empty }

// Usage is how long a process has kept processors busy, and the most bytes that it ever held in memory; nil when that can't
// be told.
type Usage struct {
	CPU        *time.Duration
	PeakMemory *int64
}
