package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"jethook/config/logtest"
)

// binary is the real jethook, built once for the tests that kill it or run it from scripts.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if file := os.Getenv(nodeFile); file != "" {
		return runNode(file)
	}
	// Most tests wait for their processes most of the time. The command line's -parallel overrides it.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "jethook-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "jethook")
	reports := filepath.Join(dir, "race")
	os.Setenv("GORACE", "log_path="+reports)
	if out, err := exec.Command("go", "build", fmt.Sprint("-race=", raceEnabled), "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building jethook: %v\n%s", err, out)
		return 1
	}
	return max(m.Run(), races(reports))
}

// races prints the data races that the processes have reported, and is 1 if there are any.
func races(reports string) (code int) {
	paths, _ := filepath.Glob(reports + ".*")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		fmt.Fprintf(os.Stderr, "%s%v\n", text, err)
		code = 1
	}
	return code
}

// limit is how long a test waits for what must come; it is never waited out in a test that passes, however busy the machine
// is.
const limit = 3 * time.Minute

// natsAdminToken lets a test's NATS client do everything.
const natsAdminToken = "nats-token-for-tests-only"

// secret is that of the source acme.
const secret = "a-secret-for-tests"

// secretFile returns the path of a file with a secret, and a line end as editors put there.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a jethook that can be killed and started again on the same store and the same addresses.
type process struct {
	public, admin, nats string
	env                 []string
	program             string // empty: binary
	cmd                 *exec.Cmd
	log                 *processLog
}

// processLog is what a process has said so far. It may be read while the process goes on.
type processLog struct{ logtest.Buffer }

// newProcess prepares a jethook with one source, acme, and no login but the token.
func newProcess(t testing.TB, env ...string) *process {
	t.Helper()
	p := &process{public: freePort(t), admin: freePort(t), nats: freePort(t)}
	p.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GORACE=" + os.Getenv("GORACE"),
		"JETHOOK_LISTEN=" + p.public, "JETHOOK_ADMIN_LISTEN=" + p.admin, "JETHOOK_NATS_LISTEN=" + p.nats,
		"JETHOOK_DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "JETHOOK_ADMIN_TOKEN=token-for-tests-only", "JETHOOK_NATS_ADMIN_TOKEN=" + natsAdminToken,
		"JETHOOK_SOURCES=acme", "JETHOOK_SOURCE_ACME_PROVIDER=hmac", "JETHOOK_SOURCE_ACME_SECRET=" + secret,
		"JETHOOK_SOURCE_ACME_HEADER=X-Acme-Signature", "JETHOOK_SOURCE_ACME_ID=json:id",
		"JETHOOK_ALLOWED_NETWORKS=127.0.0.0/8",
	}, env...)
	return p
}

// freePort returns an address that nobody listens on, and that the system gives to nobody by itself: while a process
// is killed and started again, another one's connection must not take it.
func freePort(t testing.TB) string {
	t.Helper()
	const first, last = 10_000, 32_000 // below the ephemeral ports
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first)))
		if err != nil {
			continue
		}
		l.Close()
		if _, taken := givenPorts.LoadOrStore(l.Addr().String(), true); !taken {
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// givenPorts are the addresses that freePort has returned: each is one test's alone.
var givenPorts sync.Map

// start runs the command until the test ends and returns when it is ready.
func (p *process) start(t testing.TB, command string) {
	t.Helper()
	p.launch(t, exec.Command(cmp.Or(p.program, binary), command))
}

// launch is start with a command of the caller's, which becomes the binary.
func (p *process) launch(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	p.begin(t, cmd)
	p.await(t, "readyz", http.StatusOK)
}

// begin is launch without waiting.
func (p *process) begin(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	p.log = &processLog{}
	p.cmd = cmd
	p.cmd.Env, p.cmd.Stderr = p.env, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

// await polls a health route of the admin listener until it answers with status.
func (p *process) await(t testing.TB, route string, status int) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		res, err := http.Get("http://" + p.admin + "/" + route)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == status {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("/%s never answered %d: %v\n%s", route, status, err, p.log)
		}
		time.Sleep(5 * time.Millisecond) // another process sends no event that could be waited on
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process without a word of warning.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.cmd.Wait()
}

// ask calls the admin API and returns its status and body.
func (p *process) ask(t testing.TB, method, path, body string) (code int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token-for-tests-only")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, answer
}

// signed is a webhook of acme, signed with a key.
func (p *process) signed(ctx context.Context, body []byte, key string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.public+"/webhooks/acme", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	req.Header.Set("X-Acme-Signature", hex.EncodeToString(mac.Sum(nil)))
	return req, nil
}

// postSigned sends a webhook with a signature that is right, which must be taken.
func (p *process) postSigned(t *testing.T, body []byte) {
	t.Helper()
	req, err := p.signed(t.Context(), body, secret)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("the webhook was answered %s", res.Status)
	}
}

// api calls the admin API, which must succeed.
func (p *process) api(t testing.TB, method, path, body string, into any) {
	t.Helper()
	code, data := p.ask(t, method, path, body)
	if code/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, code, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
}

// post sends a webhook of acme and returns the response's status and Retry-After; 0 when there was none.
func (p *process) post(ctx context.Context, client *http.Client, id, key string) (status int, retryAfter string) {
	body := fmt.Sprintf(`{"id":%q,"type":"thing.happened"}`, id)
	req, err := p.signed(ctx, []byte(body), key)
	if err != nil {
		return 0, ""
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode, res.Header.Get("Retry-After")
}

// sink is an endpoint in the test's own process: it outlives every kill.
type sink struct {
	url    string
	answer func(n int) int     // the status of the nth request
	judge  func(id string) int // if set, the status by event instead

	mu     sync.Mutex // guards what follows
	n      int
	first  map[string]time.Time // when each event came first
	last   map[string]time.Time // and when last
	latest time.Time            // when anything came last
	tries  map[string][]string  // Jethook-Attempt of each request, by event
	signal chan struct{}        // has one entry when something came
}

func newSink(t *testing.T, answer func(n int) int) *sink {
	t.Helper()
	s := &sink{answer: answer, first: map[string]time.Time{}, last: map[string]time.Time{}, tries: map[string][]string{}, signal: make(chan struct{}, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	s.url = "http://" + l.Addr().String()
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.n++
	id := r.Header.Get("webhook-id")
	s.latest = time.Now()
	s.last[id] = s.latest
	if _, ok := s.first[id]; !ok {
		s.first[id] = s.latest
	}
	s.tries[id] = append(s.tries[id], r.Header.Get("Jethook-Attempt"))
	status := s.answer(s.n)
	if s.judge != nil {
		status = s.judge(id)
	}
	s.mu.Unlock()
	w.WriteHeader(status)
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// await waits until done is true of what came so far.
func (s *sink) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(limit)
	for {
		s.mu.Lock()
		ok := done()
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-s.signal:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}
