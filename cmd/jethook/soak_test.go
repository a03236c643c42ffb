package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	soakDuration = flag.Duration("soak.duration", 0, "how long TestSoak goes on; 0: long enough to see that it works, and nothing is held against its measures")
	soakRate     = flag.Int("soak.rate", 100, "how many webhooks a second TestSoak sends")
)

// soak is a nats-server with two processes that receive and two that deliver, to endpoints of which most are ill. The streams
// keep what they hold for half a minute, or a mebibyte of it, so that they are soon as large as they get.
type soak struct {
	t               *testing.T
	duration        time.Duration
	node            *node
	store           string
	ingest, consume []*process
	watch           *watcher
	measures        measures
	steady          [2]*tally

	down     sync.Map // processes that may not answer
	kills    atomic.Int64
	sent     atomic.Int64
	mu       sync.Mutex // guards what follows
	accepted []bool     // by the number of the event
}

// tally is an endpoint that takes everything, and notes what came.
type tally struct {
	mu   sync.Mutex // guards what follows
	came []bool     // by the number of the event
}

// receiver is what an endpoint's URL leads to.
func (s *soak) receiver(handle http.HandlerFunc) (url string) {
	server := httptest.NewServer(handle)
	s.t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{t: t, duration: *soakDuration, measures: measures{}}
	if s.duration == 0 {
		s.duration = 12 * time.Second
	}
	dir := t.TempDir()
	s.node, s.store = &node{name: "soak", client: freePort(t), file: filepath.Join(dir, "nats.conf")}, filepath.Join(dir, "store")
	text := fmt.Sprintf("listen: %q\njetstream: {store_dir: %q}\nmax_payload: 9MB\nlog_file: %q\n", s.node.client, s.store, filepath.Join(dir, "log"))
	if err := os.WriteFile(s.node.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.node.start(t)
	url := "nats://" + s.node.client
	_, js := steadyClient(t, url)
	s.watch = &watcher{js}
	env := []string{
		"JETHOOK_NATS_URL=" + url, "JETHOOK_RETRY_SCHEDULE=1s,2s", "JETHOOK_RETENTION=30s", "JETHOOK_DEDUP_WINDOW=10s",
		"JETHOOK_HISTORY_RETENTION=1m", "JETHOOK_HISTORY_MAX_BYTES=1MiB", "JETHOOK_DEAD_MAX_BYTES=1MiB", "JETHOOK_REJECTED_MAX_BYTES=1MiB",
	}
	for range 2 {
		in, out := newProcess(t, env...), newProcess(t, env...)
		in.start(t, "ingest")
		out.start(t, "consume")
		s.ingest, s.consume = append(s.ingest, in), append(s.consume, out)
	}
	s.endpoints()
	return s
}

// endpoints makes two that are well, and one that is ill in each way.
func (s *soak) endpoints() {
	s.t.Helper()
	add := func(name, url, more string) { s.consume[1].endpoint(s.t, name, url, more) }
	for i := range s.steady {
		y := &tally{}
		s.steady[i] = y
		add(fmt.Sprint("steady-", i), s.receiver(func(_ http.ResponseWriter, r *http.Request) { y.note(eventNumber(r)) }), "")
	}
	add("refuses", "http://"+freePort(s.t), "")
	add("hangs", s.receiver(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // or the server does not see that the client gives up
		<-r.Context().Done()
	}), `,"timeout":"2s"`)
	add("fails", s.receiver(func(w http.ResponseWriter, r *http.Request) {
		if eventNumber(r)%10 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), "")
	add("limited", s.receiver(func(http.ResponseWriter, *http.Request) {}), `,"rate_limit":"10/s"`)
}

// eventNumber is that of the event that a request brings.
func eventNumber(r *http.Request) int {
	n, err := strconv.Atoi(strings.TrimPrefix(r.Header.Get("webhook-id"), "evt_"))
	if err != nil {
		panic(err)
	}
	return n
}

func (y *tally) note(n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for len(y.came) <= n {
		y.came = append(y.came, make([]bool, 1024)...)
	}
	y.came[n] = true
}

// lacks counts the events that were accepted and have not come.
func (y *tally) lacks(accepted []bool) (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for i, a := range accepted {
		if a && (i >= len(y.came) || !y.came[i]) {
			n++
		}
	}
	return n
}

// load sends webhooks at a steady rate until ctx ends, and returns when each has its answer.
func (s *soak) load(ctx context.Context) {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	var waiting sync.WaitGroup
	defer waiting.Wait()
	const tick = 10 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began := time.Now()
	for n := 0; ctx.Err() == nil; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for due := int(time.Since(began).Seconds() * float64(*soakRate)); n < due; n++ {
			number := n
			waiting.Go(func() { s.send(context.WithoutCancel(ctx), client, number) })
		}
	}
}

func (s *soak) send(ctx context.Context, client *http.Client, n int) {
	kills := s.kills.Load()
	p := s.ingest[n%2]
	if _, down := s.down.Load(p); down { // as a load balancer would
		p = s.ingest[(n+1)%2]
	}
	s.sent.Add(1)
	status, _ := p.post(ctx, client, fmt.Sprint("evt_", n), secret)
	_, down := s.down.Load(p)
	down = down || s.kills.Load() != kills // it may be up again by now
	switch {
	case status == http.StatusAccepted:
		s.mu.Lock()
		defer s.mu.Unlock()
		for len(s.accepted) <= n {
			s.accepted = append(s.accepted, make([]bool, 1024)...)
		}
		s.accepted[n] = true
	case !down:
		s.t.Errorf("a sender got %d", status)
	}
}

// kill kills a process in turn, of which one of each kind is never killed.
func (s *soak) kill(turn int) {
	p, command := s.consume[0], "consume"
	if turn%2 == 1 {
		p, command = s.ingest[0], "ingest"
	}
	s.down.Store(p, true)
	s.kills.Add(1)
	p.kill(s.t)
	p.start(s.t, command)
	s.down.Delete(p)
}

const mebibyte = 1 << 20

// sample takes all measures once.
func (s *soak) sample() {
	add := func(name string, value, slack float64) { s.measures.add(name, value, slack) }
	for name, p := range map[string]*process{"ingest-0": s.ingest[0], "ingest-1": s.ingest[1], "consume-0": s.consume[0], "consume-1": s.consume[1]} {
		text := scrape(s.t, p.admin)
		for measure, metric := range map[string]string{"heap MiB": "go_memstats_heap_alloc_bytes", "goroutines": "go_goroutines"} {
			v, ok := value(s.t, text, metric)
			if !ok {
				s.t.Fatal("there is no metric ", metric)
			}
			if measure == "goroutines" {
				add(name+" "+measure, v, 20)
			} else {
				add(name+" "+measure, v/mebibyte, 8)
			}
		}
		s.sampleProcess(name, p.cmd.Process.Pid)
	}
	s.sampleProcess("nats-server", s.node.cmd.Process.Pid)
	all := s.watch.js.ListStreams(s.t.Context())
	for info := range all.Info() {
		add("stream "+info.Config.Name+" MiB", float64(info.State.Bytes)/mebibyte, 1)
	}
	if err := all.Err(); err != nil {
		s.t.Fatal(err)
	}
	add("disk MiB", float64(sizeOf(s.store))/mebibyte, 16)
}

// sampleProcess takes what the system knows of a process.
func (s *soak) sampleProcess(name string, pid int) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nVmRSS:")
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kibibytes, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	s.measures.add(name+" RSS MiB", kibibytes/1024, 16)
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.measures.add(name+" descriptors", float64(len(open)), 20)
}

// sizeOf is how many bytes the files below a folder hold. Files come and go meanwhile.
func sizeOf(dir string) (sum int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}

// Under load for a long time, with endpoints that fail in every way and a process that is killed every minute, nothing grows:
// memory, goroutines, descriptors, streams and what they take on the disk. And no endpoint that is well lacks an event.
func TestSoak(t *testing.T) {
	if raceEnabled || runtime.GOOS != "linux" {
		t.Skip("it measures processes, by what Linux tells of them")
	}
	s := newSoak(t)
	ctx, stop := context.WithTimeout(t.Context(), s.duration)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { s.load(ctx) })
	every := min(time.Minute, s.duration/3)
	sampling, killing := time.NewTicker(min(2*time.Second, s.duration/30)), time.NewTicker(every)
	defer sampling.Stop()
	defer killing.Stop()
	for ctx.Err() == nil {
		select {
		case <-sampling.C:
			s.sample()
		case <-killing.C:
			s.kill(int(s.kills.Load()))
		case <-ctx.Done():
		}
	}
	running.Wait()
	ended := time.Now()
	for i, y := range s.steady {
		eventually(t, fmt.Sprintf("all has come to steady-%d", i), func() bool { return y.lacks(s.accepted) == 0 })
	}
	caughtUp := time.Since(ended).Round(10 * time.Millisecond) // it grows with a rate that is too high
	table, grow := s.measures.report()
	t.Logf("%d webhooks in %s, %d kills; the last was delivered after %s\n%s", s.sent.Load(), s.duration, s.kills.Load(), caughtUp, table)
	if *soakDuration > 0 && len(grow) > 0 {
		t.Errorf("these grow: %s", strings.Join(grow, ", "))
	}
}
