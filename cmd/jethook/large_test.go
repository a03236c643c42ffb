package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// What one event may cost that is as large as the default allows and goes to many endpoints.
const (
	largeBody  = 79 << 20 / 10
	crowd      = 76
	downOf     = 70 // refuse connections
	mostLarge  = 500 << 20
	mostDead   = 700 << 20
	mostOnDisk = 100 << 20
)

// One event of 7.9 MiB goes to 76 endpoints, most of which refuse connections. Its body is held once, however many wait
// for it: the process stays small, everything can be stored and told, and once the endpoints are back all have it.
func TestLargeEventForACrowd(t *testing.T) {
	p, s, down := startCrowd(t, "3s,3s,1h")
	waiting := p.awaitListed(t, "waiting", downOf, func(d *listed) bool { return d.Attempts == 3 })
	if disk := p.diskUsed(t); disk > mostOnDisk {
		t.Errorf("%d MiB are on disk", disk>>20)
	}
	p.checkCrowd(t, mostLarge)
	serveAt(t, down, s)
	for _, d := range waiting {
		p.api(t, "POST", "/api/v1/deliveries/"+d.ID+"/retry", "", nil)
	}
	s.await(t, "all have it", func() bool { return len(s.tries["evt_large"]) == crowd })
	p.checkCrowd(t, mostLarge)
}

// When all of them give it up at one moment, each dead letter holds the body. The letters are stored one by one, and replayed
// so too.
func TestLargeDeadLettersOfACrowd(t *testing.T) {
	p, s, down := startCrowd(t, "1s")
	p.awaitListed(t, "dead", downOf, func(d *listed) bool { return d.Attempts == 2 })
	p.checkCrowd(t, mostDead)
	serveAt(t, down, s)
	var done struct {
		Replayed int
		Next     string `json:"next_cursor"`
	}
	total := 0
	eventually(t, "all are replayed", func() bool { // one that has died this moment stays dead
		p.api(t, "POST", "/api/v1/dead/replay", fmt.Sprintf(`{"cursor":%q}`, done.Next), &done)
		total += done.Replayed
		return total >= downOf
	})
	s.await(t, "all have it", func() bool { return len(s.tries["evt_large"]) == crowd })
	p.checkCrowd(t, mostDead)
}

// startCrowd starts a jethook with a crowd of endpoints, of which most refuse connections, and sends the large event. It returns
// when the others have it.
func startCrowd(t *testing.T, schedule string) (p *process, s *sink, down string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("other systems have no /proc")
	}
	t.Parallel()
	p = newProcess(t, "JETHOOK_RETRY_SCHEDULE="+schedule)
	p.start(t, "serve")
	s = newSink(t, func(int) int { return http.StatusOK })
	down = freePort(t)
	for i := range crowd {
		url := fmt.Sprintf("%s/%d", s.url, i)
		if i < downOf {
			url = fmt.Sprintf("http://%s/%d", down, i)
		}
		p.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":"e%d","url":%q,"events":["webhooks.acme.>"]}`, i, url), nil)
	}
	p.postLarge(t, "evt_large")
	s.await(t, "the endpoints that work have it", func() bool { return len(s.tries["evt_large"]) == crowd-downOf })
	return p, s, down
}

// checkCrowd checks that the process has stayed small, has stored everything and can tell it.
func (p *process) checkCrowd(t *testing.T, most int64) {
	t.Helper()
	var st struct{ Incomplete []string }
	p.api(t, "GET", "/api/v1/status", "", &st)
	peak := p.peakRSS(t)
	t.Logf("RSS at most %d MiB, %d MiB on disk", peak>>20, p.diskUsed(t)>>20)
	if peak > most {
		t.Errorf("RSS was %d MiB", peak>>20)
	}
	if len(st.Incomplete) > 0 {
		t.Errorf("the status misses %v", st.Incomplete)
	}
	if log := p.log.String(); strings.Contains(log, "can't be stored") {
		t.Error(log)
	}
}

// serveAt lets s answer at a certain address.
func serveAt(t *testing.T, address string, s *sink) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// postLarge sends a webhook of acme with a large body.
func (p *process) postLarge(t *testing.T, id string) {
	t.Helper()
	body := fmt.Appendf(nil, `{"id":%q,"type":"thing.happened","text":"%s"}`, id, bytes.Repeat([]byte("x"), largeBody))
	p.postSigned(t, body)
}

// awaitListed waits until n deliveries with a status are as they should be, and returns them.
func (p *process) awaitListed(t *testing.T, status string, n int, as func(*listed) bool) (found []listed) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) { // another process sends no event that could be waited on
		all, err := p.walk(t.Context(), status) // a busy machine may have no answer
		found = found[:0]
		for i := range all {
			if as(&all[i]) {
				found = append(found, all[i])
			}
		}
		if len(found) == n {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d are %s: %v\n%s", len(found), n, status, err, p.log)
		}
	}
}

// diskUsed is how many bytes lie in the process's store.
func (p *process) diskUsed(t *testing.T) (n int64) {
	t.Helper()
	err := filepath.WalkDir(p.setting("JETHOOK_DATA_DIR"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // files come and go
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// setting is the value of a variable in the process's environment.
func (p *process) setting(name string) (value string) {
	for _, variable := range p.env {
		if v, ok := strings.CutPrefix(variable, name+"="); ok {
			value = v
		}
	}
	return value
}
