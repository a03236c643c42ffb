package main

import (
	"bufio"
	layout "encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// call is a system call, between two lines of the trace.
type call struct {
	name, file string // the file is that of its first descriptor
	data       string
	start, end int
}

var (
	begun   = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<((?:\\x[0-9a-f]{2})*)>(?:, "((?:\\x[0-9a-f]{2})*)")?`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>`)
)

// readTrace reads the calls of all threads.
func readTrace(t *testing.T, path string) (calls []*call) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	open := map[string]*call{} // by thread
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if m := resumed.FindStringSubmatch(line); m != nil {
			if c := open[m[1]]; c != nil {
				c.end = n
				delete(open, m[1])
			}
			continue
		}
		m := begun.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := &call{name: m[2], file: decoded(t, m[3]), data: decoded(t, m[4]), start: n, end: n}
		if strings.HasSuffix(line, "<unfinished ...>") {
			c.end = 1 << 60 // until it is known
			open[m[1]] = c
		}
		calls = append(calls, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

// decoded reads a text of the trace.
func decoded(t *testing.T, text string) string {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// record is a message in a stream, and the line of the trace after which a power cut can't take it any more.
type record struct {
	seq    uint64
	place  string // that its subject ends with: the event's sequence in base 36
	synced int

	failing bool // its endpoint takes it never
}

var named = regexp.MustCompile(`"id":"(evt_\d+)"`)

// records are the messages of a stream whose text holds a mark, in the order of their writes.
func records(calls []*call, stream, mark string) (all []record) {
	blocks := "/streams/" + stream + "/msgs/"
	for i, c := range calls {
		if !strings.Contains(c.file, blocks) || !strings.HasSuffix(c.file, ".blk") || !strings.Contains(c.name, "write") || !strings.Contains(c.data, mark) {
			continue
		}
		synced := 1 << 60
		for _, s := range calls[i:] {
			if (s.name == "fsync" || s.name == "fdatasync") && s.file == c.file && s.start > c.end {
				synced = min(synced, s.end)
			}
		}
		// One write may hold several messages.
		for rest := c.data; ; {
			at := strings.Index(rest, mark)
			if at < 0 {
				break
			}
			r := record{synced: synced}
			if at >= 22 { // the head of a message: its length, its sequence, its time, the length of its subject
				r.seq = layout.LittleEndian.Uint64([]byte(rest[at-18 : at-10]))
				subject := rest[at:min(len(rest), at+int(layout.LittleEndian.Uint16([]byte(rest[at-2:at]))))]
				r.place = subject[strings.LastIndex(subject, ".")+1:]
			}
			rest = rest[at+len(mark):]
			if m := named.FindStringSubmatch(rest); m != nil {
				r.failing = strings.HasSuffix(m[1], "0")
			}
			all = append(all, r)
		}
	}
	return all
}

// floors calls look with each ack floor that a consumer writes down, and the line at which it does.
func floors(calls []*call, stream string, look func(floor uint64, line int)) {
	for _, c := range calls {
		if strings.HasSuffix(c.file, "/streams/"+stream+"/obs/jethook/o.dat.tmp") && c.name == "write" && len(c.data) > 2 {
			_, n := layout.Uvarint([]byte(c.data[2:]))
			floor, _ := layout.Uvarint([]byte(c.data[2+n:]))
			look(floor, c.start)
		}
	}
}

// A power cut at any moment takes nothing that was answered: the answer to a sender leaves after the fsync of the event, an
// event is acknowledged after that of its retry, a retry after that of the dead letter, and an operator has the answer to a
// replay after that of what comes due. It runs beside no other test of this package: traced, a process needs the processors
// for itself. The tracer writes each call down before the process goes on, so the trace is whole when the process has ended.
func TestNothingIsSaidBeforeItIsSynced(t *testing.T) {
	tool, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace here")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	p := newProcess(t, "JETHOOK_RETRY_SCHEDULE=1s")
	p.launch(t, exec.Command(tool, "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "1000000", "-o", trace, "-e", "trace=write,writev,pwrite64,pwritev,fsync,fdatasync", binary, "serve"))
	s := newSink(t, func(int) int { return 0 })
	s.judge = func(id string) int {
		if strings.HasSuffix(id, "0") { // few enough that no circuit opens
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	const events, failing, senders = 70, 7, 7
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for n := range events / senders {
				if status, _ := p.post(t.Context(), http.DefaultClient, fmt.Sprintf("evt_%d%d", sender, n), secret); status != http.StatusAccepted {
					t.Errorf("the webhook was answered %d", status)
				}
			}
		})
	}
	sending.Wait()
	var dead struct{ Items []struct{ ID string } }
	eventually(t, "all are dead", func() bool {
		p.api(t, "GET", "/api/v1/deliveries?status=dead&limit=100", "", &dead)
		return len(dead.Items) == failing
	})
	p.api(t, "POST", "/api/v1/deliveries/"+dead.Items[0].ID+"/retry", "", nil)
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err, p.log)
	}
	calls := readTrace(t, trace)
	checkAnswers(t, calls, events, failing)
	checkOutcomes(t, calls)
}

// checkAnswers holds that never more senders have their answer than events are synced. The last answer is that to a replay.
func checkAnswers(t *testing.T, calls []*call, events, failing int) {
	t.Helper()
	stored := records(calls, "WEBHOOKS", "webhooks.acme.thing.happened")
	waiting := records(calls, "DELIVERIES", "jethook.")
	synced := func(all []record, line int) (n int) {
		for _, r := range all {
			if r.synced < line {
				n++
			}
		}
		return n
	}
	answers := 0
	for _, c := range calls {
		if !strings.HasPrefix(c.data, "HTTP/1.1 202") {
			continue
		}
		answers++
		if n := synced(stored, c.start); n < min(answers, events) {
			t.Errorf("%d senders have their answer, and %d events are synced", answers, n)
		}
		if n := synced(waiting, c.start); answers > events && n <= 2*failing { // each was written to wait, and came due
			t.Errorf("a replay is answered, and %d of %d deliveries are synced", n, 2*failing+1)
		}
	}
	if answers != events+1 || len(stored) != events || len(waiting) <= 2*failing {
		t.Errorf("the trace has %d answers, %d events and %d deliveries", answers, len(stored), len(waiting))
	}
}

// checkOutcomes holds that what is acknowledged has its outcome synced.
func checkOutcomes(t *testing.T, calls []*call) {
	t.Helper()
	before := func(all []record, line int) map[string]bool {
		places := map[string]bool{}
		for _, r := range all {
			if r.synced < line {
				places[r.place] = true
			}
		}
		return places
	}
	retries, dead := records(calls, "DELIVERIES", "jethook.retry."), records(calls, "DEAD", "jethook.dead.")
	var failed []record
	for _, r := range records(calls, "WEBHOOKS", "webhooks.acme.thing.happened") {
		if r.failing {
			failed = append(failed, r)
		}
	}
	looked := 0
	floors(calls, "WEBHOOKS", func(floor uint64, line int) {
		synced := before(retries, line)
		for _, r := range failed {
			if r.seq <= floor {
				looked++
				if !synced[strconv.FormatUint(r.seq, 36)] {
					t.Errorf("event %d is acknowledged before its retry is synced", r.seq)
				}
			}
		}
	})
	due := records(calls, "DELIVERIES", "jethook.due.")
	floors(calls, "DELIVERIES", func(floor uint64, line int) {
		synced := before(dead, line)
		for _, d := range due {
			if d.seq <= floor {
				looked++
				if !synced[d.place] {
					t.Errorf("the retry of event %s is acknowledged before its dead letter is synced", d.place)
				}
			}
		}
	})
	if looked < 2*len(failed) || len(failed) == 0 {
		t.Errorf("the trace has only %d outcomes", looked)
	}
}
