package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jethook/publish/topology"
)

// command runs the binary with the process's settings.
func (p *process) command(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// must is command, which must succeed.
func (p *process) must(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, err := p.command(t, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// anew is the process with an empty store.
func (p *process) anew(t *testing.T, env ...string) *process {
	t.Helper()
	again := *p
	again.env = append(append([]string(nil), p.env...), "JETHOOK_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	again.env = append(again.env, env...)
	return &again
}

// backedUp is a Jethook whose endpoints take all, fail once, and fail for good.
type backedUp struct {
	*process
	good, waits, dies *sink
	healed            atomic.Bool
	id, secret        string // of the endpoint that fails
	fails             func(id string) bool
}

// fails reports whether two of the endpoints refuse an event: a tenth of all, so that no circuit opens.
func fails(id string) bool { return strings.HasSuffix(id, "0") }

func newBackedUp(t *testing.T, p *process) *backedUp {
	t.Helper()
	return newBackedUpWhere(t, p, fails)
}

// newBackedUpWhere is newBackedUp with another rule of which events two of the endpoints refuse.
func newBackedUpWhere(t *testing.T, p *process, fails func(id string) bool) *backedUp {
	t.Helper()
	b := &backedUp{process: p, fails: fails}
	b.good = newSink(t, func(int) int { return http.StatusOK })
	b.waits, b.dies = newSink(t, func(int) int { return http.StatusOK }), newSink(t, func(int) int { return http.StatusOK })
	b.waits.judge = func(id string) int {
		if fails(id) && !b.healed.Load() {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	b.dies.judge = func(id string) int {
		if fails(id) {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	p.start(t, "serve")
	const form = `{"name":%q,"url":%q,"events":["webhooks.>"],"retry_schedule":%s}`
	p.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(form, "good", b.good.url, `["1h"]`), nil)
	p.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(form, "waits", b.waits.url, `["3s"`+strings.Repeat(`,"3s"`, 19)+`]`), nil)
	var made struct{ ID, Secret string }
	p.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(form, "dies", b.dies.url, `["1s"]`), &made)
	b.id, b.secret = made.ID, made.Secret
	return b
}

func (l *load) acceptedNow() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make(map[string]bool)
	for id := range l.accepted {
		ids[id] = true
	}
	return ids
}

// deadIDs are the events of all dead letters.
func (p *process) deadIDs(t *testing.T) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				Event string `json:"event_id"`
			}
			Next string `json:"next_cursor"`
		}
		p.api(t, "GET", "/api/v1/dead?limit=500&cursor="+cursor, "", &page)
		for _, d := range page.Items {
			ids[d.Event] = true
		}
		if cursor = page.Next; cursor == "" {
			return ids
		}
	}
}

// holds checks that a restored Jethook has all that was acknowledged before the backup: it is stored, what waited is
// delivered at its time, and what was dead is dead.
func (b *backedUp) holds(t *testing.T, p *process, before map[string]bool) {
	t.Helper()
	if len(before) == 0 {
		t.Fatal("nothing was accepted before the backup")
	}
	b.heal()
	p.start(t, "serve")
	b.settles(t, p, before)
}

// heal lets what waits be delivered, and forgets what came before.
func (b *backedUp) heal() {
	b.waits.mu.Lock()
	clear(b.waits.first)
	b.waits.mu.Unlock()
	b.healed.Store(true)
}

// settles checks that all of before is delivered or dead in the end, on the bus of a process that runs.
func (b *backedUp) settles(t *testing.T, p *process, before map[string]bool) {
	t.Helper()
	failed := make(map[string]bool)
	for id := range before {
		if b.fails(id) {
			failed[id] = true
		}
	}
	b.good.await(t, "all that was accepted is delivered", func() bool { return len(before) > 0 && b.good.hasAll(before) })
	b.waits.await(t, "what waited is delivered", func() bool { return b.waits.hasAll(failed) })
	stored := storedIDs(t, p)
	dead := p.deadIDs(t)
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && !containsAll(dead, failed); dead = p.deadIDs(t) {
		time.Sleep(100 * time.Millisecond) // the last ones are being made
	}
	for id := range before {
		if !stored[id] || dead[id] != failed[id] {
			_, about := p.ask(t, "GET", "/api/v1/events/"+id, "")
			t.Logf("%s", about)
			t.Fatalf("%s: stored %t, dead %t; of %d events %d are stored and %d dead", id, stored[id], dead[id], len(before), len(stored), len(dead))
		}
	}
	if _, answer := p.ask(t, "GET", "/api/v1/endpoints/"+b.id+"/secret", ""); !strings.Contains(string(answer), b.secret) {
		t.Error("the endpoint's secret is another one")
	}
}

func containsAll(have, want map[string]bool) bool {
	for id := range want {
		if !have[id] {
			return false
		}
	}
	return true
}

// hasAll reports whether ids came. Whoever calls it holds the lock.
func (s *sink) hasAll(ids map[string]bool) bool {
	for id := range ids {
		if s.first[id].IsZero() {
			return false
		}
	}
	return true
}

// cutOff kills a command some time after it has begun, and reports whether it was not done by then.
func cutOff(t *testing.T, p *process, begun func() bool, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = p.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for !begun() {
		select {
		case err := <-ended:
			return err != nil
		case <-time.After(time.Millisecond): // another process sends no event that could be waited on
		}
	}
	time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // the random moment
	cmd.Process.Kill()
	return <-ended != nil
}

// refusesToStart checks that nothing starts from what a killed restore left.
func (p *process) refusesToStart(t *testing.T) {
	t.Helper()
	if _, stderr, err := p.command(t, "serve"); err == nil || !strings.Contains(stderr, "run 'jethook restore' again") {
		t.Fatalf("it started from a half restore: %v\n%s", err, stderr)
	}
}

// A backup under load, restored into an empty store, has all that was acknowledged before it began. What was delivered
// before is not delivered again. A backup that is killed leaves nothing under its name, and deliveries go on.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"in clear": "", "encrypted": "a-key-of-the-tests-0123456789abcd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, "JETHOOK_ENCRYPTION_KEY="+key)
			b := newBackedUp(t, p)
			l := startLoad(p, 4)
			b.good.await(t, "deliveries flow", func() bool { return len(b.good.first) > 200 })
			file := filepath.Join(t.TempDir(), "jethook.backup")
			for range 5 {
				if !cutOff(t, p, func() bool {
					begun, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".jethook.backup.*"))
					return len(begun) > 0
				}, "backup", file) {
					continue
				}
				if _, err := os.Stat(file); err == nil {
					t.Fatal("a killed backup left a file under its name")
				}
			}
			os.Remove(file)
			before := l.acceptedNow()
			b.good.mu.Lock()
			settled := make(map[string]bool)
			for id, at := range b.good.first {
				settled[id] = time.Since(at) > time.Second
			}
			b.good.mu.Unlock()
			p.must(t, "backup", file)
			l.stop()
			p.kill(t)
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Fatal(info, err)
			}
			if out := p.must(t, "restore", "--check", file); !strings.HasPrefix(out, "whole: ") {
				t.Errorf("it says %q", out)
			}
			again := p.anew(t)
			again.must(t, "restore", file)
			b.holds(t, again, before)
			b.good.mu.Lock()
			defer b.good.mu.Unlock()
			for id, was := range settled {
				if was && len(b.good.tries[id]) > 1 {
					t.Errorf("%s, delivered before, was delivered %d times", id, len(b.good.tries[id]))
				}
			}
		})
	}
}

// A restore that is killed anywhere is not started from, and one that is run again is whole. What is there already is kept
// unless its replacement is asked for.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	b := newBackedUp(t, p)
	before := make(map[string]bool)
	for i := range 200 {
		id := fmt.Sprint("evt_", i)
		if status, _ := p.post(t.Context(), http.DefaultClient, id, secret); status != http.StatusAccepted {
			t.Fatal(status)
		}
		before[id] = true
	}
	file := filepath.Join(t.TempDir(), "jethook.backup")
	b.waits.await(t, "all came once", func() bool { return b.waits.hasAll(before) })
	p.api(t, "POST", "/api/v1/events", `{"type":"thing","data":{}}`, nil)
	p.kill(t)
	killed := time.Now()
	p.must(t, "backup", file) // of a stopped Jethook
	again := p.anew(t)
	cut := 0
	for range 4 {
		if !cutOff(t, again, func() bool {
			_, err := os.Stat(filepath.Join(again.settings(t, "JETHOOK_DATA_DIR"), "restoring"))
			return err == nil
		}, "restore", file) {
			break
		}
		cut++
		again.refusesToStart(t)
	}
	if t.Logf("%d restores were cut off in the middle", cut); cut == 0 {
		t.Error("none was")
	}
	if _, stderr, err := again.command(t, "restore", file); err != nil && !strings.Contains(stderr, "pass --yes") {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if _, stderr, err := again.command(t, "restore", file); err == nil || !strings.Contains(stderr, "pass --yes") {
		t.Errorf("it replaces a store without being asked to: %v\n%s", err, stderr)
	}
	again.must(t, "restore", "--yes", file)
	b.holds(t, again, before)
	again.api(t, "POST", "/api/v1/events", `{"type":"thing","data":{}}`, nil)
	if last := lastPlace(t, again); last < uint64(killed.UnixMicro()) {
		t.Errorf("the place %d may have been given between the backup and the kill at %s: an id is made of it, and receivers remember ids", last, killed)
	}
	if _, stderr, err := again.command(t, "restore", "--yes", file); err == nil || !strings.Contains(stderr, "stop all its processes") {
		t.Errorf("it restores under a running process: %v\n%s", err, stderr)
	}
}

// On a cluster it is the same. A killed restore keeps every process from starting.
func TestBackupOfACluster(t *testing.T) {
	t.Parallel()
	first, second := freePort(t), freePort(t)
	natsServer(t, first, t.TempDir())
	natsServer(t, second, t.TempDir())
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+first)
	b := newBackedUp(t, p)
	l := startLoad(p, 4)
	b.good.await(t, "deliveries flow", func() bool { return len(b.good.first) > 200 })
	before := l.acceptedNow()
	file := filepath.Join(t.TempDir(), "jethook.backup")
	p.must(t, "backup", file)
	l.stop()
	p.kill(t)

	again := p.anew(t, "JETHOOK_NATS_URL=nats://"+second)
	again.nats = second
	cut := 0
	for range 4 {
		if !cutOff(t, again, func() bool { return isThere(t, again, topology.StreamRestoring) }, "restore", file) {
			break
		}
		cut++
		again.refusesToStart(t)
	}
	if t.Logf("%d restores were cut off in the middle", cut); cut == 0 {
		t.Error("none was")
	}
	again.must(t, "restore", "--yes", file)
	b.holds(t, again, before)
}

// lastPlace is the last place in EVENTS.
func lastPlace(t *testing.T, p *process) uint64 {
	t.Helper()
	s, err := jetStream(t, p).Stream(t.Context(), topology.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.LastSeq
}

func isThere(t *testing.T, p *process, stream string) bool {
	t.Helper()
	_, err := jetStream(t, p).Stream(t.Context(), stream)
	return err == nil
}

// A file that was cut off, or changed, is no backup, and nothing is restored from it.
func TestDamagedBackup(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	newBackedUp(t, p)
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status != http.StatusAccepted {
		t.Fatal(status)
	}
	whole := p.must(t, "backup", "-")
	p.kill(t)
	for name, damage := range map[string]func([]byte) []byte{
		"cut off":   func(b []byte) []byte { return b[:len(b)*2/3] },
		"changed":   func(b []byte) []byte { b[bytes.Index(b, []byte("evt_1"))] ^= 1; return b },
		"no backup": func([]byte) []byte { return []byte("not a backup") },
		"empty":     func([]byte) []byte { return nil },
	} {
		file := filepath.Join(t.TempDir(), "damaged.backup")
		if err := os.WriteFile(file, damage([]byte(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		again := p.anew(t)
		if _, stderr, err := again.command(t, "restore", file); err == nil || !strings.Contains(stderr, "not a complete backup") {
			t.Errorf("%s: %v\n%s", name, err, stderr)
		}
		if _, err := os.Stat(again.settings(t, "JETHOOK_DATA_DIR")); err == nil {
			t.Errorf("%s: it made a store", name)
		}
	}
}
