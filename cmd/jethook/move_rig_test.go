package main

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// movement is a jethook move that runs.
type movement struct {
	cmd   *exec.Cmd
	log   *processLog
	ended chan error
}

func beginMove(t *testing.T, p *process, args ...string) *movement {
	t.Helper()
	m := &movement{cmd: exec.Command(binary, append([]string{"move"}, args...)...), log: &processLog{}, ended: make(chan error, 1)}
	m.cmd.Env, m.cmd.Stderr = p.env, m.log
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.ended <- m.cmd.Wait()
	}()
	t.Cleanup(func() { m.cmd.Process.Kill(); <-done })
	return m
}

// says waits until the move has said something.
func (m *movement) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, "move says "+text, func() bool {
		select {
		case err := <-m.ended:
			if m.ended <- err; !strings.Contains(m.log.String(), text) {
				t.Fatalf("it ended and has not said %q: %v\n%s", text, err, m.log)
			}
		default:
		}
		return strings.Contains(m.log.String(), text)
	})
}

// ends waits until the move has ended well.
func (m *movement) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-m.ended:
		if m.ended <- err; err != nil {
			t.Fatalf("move: %v\n%s", err, m.log)
		}
	case <-time.After(limit):
		t.Fatalf("it does not end\n%s", m.log)
	}
}

func (m *movement) kill(t *testing.T) {
	t.Helper()
	m.cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it may have ended
	err := <-m.ended
	m.ended <- err
}

// taken is what a move says when the cluster has all.
const taken = "has all that was stored"

// traffic is senders behind a load balancer: they send steadily, to whatever process is theirs at the moment.
type traffic struct {
	to   atomic.Pointer[process]
	stop func()

	mu       sync.Mutex // guards what follows
	accepted map[string]bool
	refused  map[int]int // how often which other status was answered; 0: no answer
}

// startTraffic begins to send events whose ids begin with a prefix.
func startTraffic(p *process, prefix string) *traffic {
	l := &traffic{accepted: map[string]bool{}, refused: map[int]int{}}
	l.to.Store(p)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var serial atomic.Int64
	for range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				id := fmt.Sprint(prefix, serial.Add(1))
				status, _ := l.to.Load().post(context.Background(), client, id, secret)
				l.mu.Lock()
				if status == http.StatusAccepted {
					l.accepted[id] = true
				} else {
					l.refused[status]++
				}
				l.mu.Unlock()
				time.Sleep(10 * time.Millisecond) // the load
			}
		})
	}
	l.stop = func() { cancel(); wg.Wait() }
	return l
}

func (l *traffic) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// flows waits until some more were accepted.
func (l *traffic) flows(t *testing.T) {
	t.Helper()
	before := l.count()
	eventually(t, "senders are answered", func() bool { return l.count() > before+20 })
}

// terminate stops the process as an orchestrator does.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
}

// once checks that an endpoint was asked to take each event at most once.
func (s *sink) once(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, tries := range s.tries {
		if len(tries) > 1 {
			t.Errorf("%s was delivered %d times", id, len(tries))
		}
	}
}
