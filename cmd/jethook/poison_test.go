package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// crashing is jethook with places at which a message can end it: see package crashpoint.
var crashing = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "jethook-crashpoints")
	out, err := exec.Command("go", "build", "-tags", "crashpoints", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return path, err
})

// supervised is a process that is started again whenever it dies, as supervisors do.
type supervised struct {
	*process
	died chan struct{} // has an entry for each death
	stop func()        // ends it as it should
}

func supervise(t *testing.T, p *process, command string) *supervised {
	t.Helper()
	s := &supervised{process: p, died: make(chan struct{}, 100)}
	var mu sync.Mutex // guards cmd and stopped
	var cmd *exec.Cmd
	stopped := false
	run := func() bool {
		mu.Lock()
		if stopped {
			mu.Unlock()
			return false
		}
		cmd = exec.Command(cmp.Or(p.program, binary), command)
		cmd.Env = p.env
		err := cmd.Start()
		mu.Unlock()
		if err != nil {
			t.Error(err)
			return false
		}
		if cmd.Wait() != nil {
			s.died <- struct{}{}
		}
		return true
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for run() {
		}
	})
	s.stop = sync.OnceFunc(func() {
		mu.Lock()
		stopped = true
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have died
		mu.Unlock()
		wg.Wait()
	})
	t.Cleanup(s.stop)
	p.await(t, "readyz", http.StatusOK)
	return s
}

// deaths is how often it died since the last call.
func (s *supervised) deaths() (n int) {
	for {
		select {
		case <-s.died:
			n++
		default:
			return n
		}
	}
}

type letter struct {
	ID       string    `json:"id"`
	Endpoint string    `json:"endpoint"`
	Reason   string    `json:"reason"`
	Class    string    `json:"class"`
	At       time.Time `json:"at"`
}

// ask calls the admin API until it answers: the process may be down, or die while it is asked.
func (s *supervised) ask(t *testing.T, method, path, body string, into any) {
	t.Helper()
	var problem error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.admin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer token-for-tests-only")
		req.Header.Set("Content-Type", "application/json")
		var res *http.Response
		if res, problem = http.DefaultClient.Do(req); problem != nil {
			continue
		}
		problem = json.NewDecoder(res.Body).Decode(into)
		res.Body.Close()
		if problem == nil && res.StatusCode/100 == 2 {
			return
		}
	}
	t.Fatalf("%s %s was never answered: %v", method, path, problem)
}

// awaitLetters waits for dead letters that are as they should be.
func (s *supervised) awaitLetters(t *testing.T, what string, ok func([]letter) bool) []letter {
	t.Helper()
	var list struct{ Items []letter }
	for deadline := time.Now().Add(2 * limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		list.Items = nil
		if s.ask(t, "GET", "/api/v1/dead", "", &list); ok(list.Items) {
			return list.Items
		}
	}
	t.Fatalf("%s: the dead letters never were as they should; at last: %+v", what, list.Items)
	return nil
}

func count(n int) func([]letter) bool { return func(l []letter) bool { return len(l) == n } }

// emit publishes an event, as a sender does or as a service, and its body holds its id.
func (p *process) emit(t *testing.T, subject, id string) {
	t.Helper()
	if subject == "" {
		for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if status, _ := p.post(t.Context(), http.DefaultClient, id, secret); status/100 == 2 {
				return
			}
		}
		t.Fatalf("%s was never accepted", id)
	}
	m := nats.NewMsg(subject)
	m.Header.Set("Jethook-Id", id)
	m.Data = []byte("the body of " + id)
	if _, err := jetStream(t, p).PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// A message that ends whatever process works on it ends three at most. Then it is a dead letter that says so, for each
// endpoint for which it can't be worked on; and all others get it, and all other messages.
func TestPoisonIsSetAside(t *testing.T) {
	t.Parallel()
	program, err := crashing()
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t)
	p.program = program
	testPoison(t, supervise(t, p, "serve"), "serve", p, poisonCases{"events.a", "", "crash:form-raw;"})
}

// The same holds where processes share the work and the server lives on.
func TestPoisonIsSetAsideOnACluster(t *testing.T) {
	t.Parallel()
	program, err := crashing()
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	natsServer(t, address, t.TempDir())
	in, out := newProcess(t, "JETHOOK_NATS_URL=nats://"+address), newProcess(t, "JETHOOK_NATS_URL=nats://"+address)
	in.nats, out.program = address, program
	in.start(t, "ingest")
	testPoison(t, supervise(t, out, "consume"), "consume", in, poisonCases{"", "events.a", "crash:read;"})
}

// poisonCases are the subjects of two messages, and what a third one does to an ordered endpoint's.
type poisonCases struct{ byForm, byReading, inOrder string }

func testPoison(t *testing.T, s *supervised, command string, in *process, cases poisonCases) {
	t.Helper()
	add := func(name, format, rest string) *sink {
		got := newSink(t, func(int) int { return http.StatusOK })
		s.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":%q,"format":%q,"url":%q%s}`, name, format, got.url, rest), nil)
		return got
	}
	raw := add("raw", "raw", `,"events":["events.a","webhooks.>"]`)
	chat := add("chat", "slack", `,"events":["events.a","webhooks.>"]`)
	ordered := add("ordered", "raw", `,"events":["events.ordered"],"ordered":true`)

	var dead int
	for i, c := range []struct {
		subject, text string // an empty subject is a webhook
		to, dies      []*sink
	}{
		{cases.byForm, "crash:form-slack;", []*sink{raw, chat}, []*sink{chat}},
		{cases.byReading, "crash:read;", []*sink{raw, chat}, []*sink{raw, chat}},
		{"events.ordered", cases.inOrder, []*sink{ordered}, []*sink{ordered}},
	} {
		what := fmt.Sprintf("%s on %q", c.text, c.subject)
		before, poison, after := fmt.Sprint("before_", i), fmt.Sprint(c.text, "_", i), fmt.Sprint("after_", i)
		s.await(t, "readyz", http.StatusOK)
		in.emit(t, c.subject, before)
		in.emit(t, c.subject, poison)
		dead += len(c.dies)
		for _, l := range s.awaitLetters(t, what, count(dead)) {
			if l.Class != "poison" || !strings.HasPrefix(l.Reason, "poison: ") || !strings.Contains(l.Reason, "stack overflow") {
				t.Errorf("%s: dead of %+v", what, l)
			}
		}
		n := s.deaths()
		if n == 0 || n > 3 {
			t.Errorf("%s: it died %d times, want at most 3", what, n)
		}
		t.Logf("%s: %d deaths", what, n)
		in.emit(t, c.subject, after)
		for _, to := range c.to {
			to.await(t, what+": innocent messages arrive", func() bool {
				return !to.first[before].IsZero() && !to.first[after].IsZero()
			})
			if slices.Contains(c.dies, to) {
				to.mu.Lock()
				if !to.first[poison].IsZero() {
					t.Errorf("%s: it arrived where it is dead", what)
				}
				to.mu.Unlock()
			} else {
				to.await(t, what+": it arrives where it can", func() bool { return !to.first[poison].IsZero() })
			}
		}
	}

	// Replayed, a letter gets its chances anew, and dies anew.
	of := s.awaitLetters(t, "before the replay", count(dead))[0]
	s.ask(t, "POST", "/api/v1/dead/replay", `{"ids":["`+of.ID+`"]}`, &struct{}{})
	s.awaitLetters(t, "after the replay", func(l []letter) bool {
		return len(l) == dead && slices.ContainsFunc(l, func(l letter) bool { return l.ID == of.ID && l.At.After(of.At) && l.Class == "poison" })
	})
	if n := s.deaths(); n == 0 || n > 3 {
		t.Errorf("replayed: it died %d times, want at most 3", n)
	}

	// A version that is mended delivers them all.
	s.stop()
	s.program = ""
	s.start(t, command)
	s.api(t, "POST", "/api/v1/dead/replay", `{}`, nil)
	for to, want := range map[*sink]int{raw: 2 * 3, chat: 2 * 3, ordered: 3} {
		to.await(t, "what was replayed arrives", func() bool { return len(to.first) == want })
	}
	s.awaitLetters(t, "in the end", count(0))
}
