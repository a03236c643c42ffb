package gate

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"jethook/config/logtest"
	"jethook/ingest/address"
)

// gated is a small server behind a gate, until the test ends.
func gated(t *testing.T, limit int, log io.Writer, proxies ...netip.Prefix) (*Gate, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := New(l, limit, address.Proxies(proxies), slog.New(slog.NewTextHandler(log, nil)), time.Now)
	server := &http.Server{ConnState: g.Follow, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body) // ends with the request
	})}
	go server.Serve(g)
	t.Cleanup(func() { server.Close() })
	return g, l.Addr().String()
}

// visitor is a connection from an address of this machine.
type visitor struct {
	net.Conn
	r *bufio.Reader
}

func visit(t *testing.T, to, from string) *visitor {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &visitor{conn, bufio.NewReader(conn)}
}

// ask makes a whole request, and reports whether it was answered.
func (v *visitor) ask() bool {
	fmt.Fprint(v, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	resp, err := http.ReadResponse(v.r, nil)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(resp.Body)
	return err == nil && string(body) == "hi"
}

// begin makes a request that stays unfinished until finish, once the server works on it.
func (v *visitor) begin(t *testing.T) {
	t.Helper()
	fmt.Fprint(v, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if line, err := v.r.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	v.r.ReadString('\n')
}

func (v *visitor) finish() bool {
	fmt.Fprint(v, "hi")
	resp, err := http.ReadResponse(v.r, nil)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == 200
}

// awaitWaiting waits until n connections wait for a request: net/http says so a little after the answer.
func (g *Gate) awaitWaiting(t *testing.T, n int) {
	t.Helper()
	until(t, fmt.Sprint(n, " wait"), func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.waiting.Len() == n
	})
}

// awaitClosed waits until the server has closed the connection.
func (v *visitor) awaitClosed(t *testing.T, who string) {
	t.Helper()
	v.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := v.r.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s is not closed: %v", who, err)
	}
}

// At the limit a new connection takes the place of the one that has waited longest; never of one that has a request.
func TestGateDisplacesTheIdlest(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	g, to := gated(t, 4, &log)
	busy := visit(t, to, "127.0.0.1")
	busy.begin(t)
	silent := visit(t, to, "127.0.0.2") // it sends nothing
	kept := visit(t, to, "127.0.0.3")
	last := visit(t, to, "127.0.0.4")
	for _, v := range []*visitor{last, kept} { // they wait from here on, last longer
		if !v.ask() {
			t.Fatal("no answer below the limit")
		}
		g.awaitWaiting(t, 3)
	}
	fresh := visit(t, to, "127.0.0.5")
	if !fresh.ask() {
		t.Error("no answer to a new connection")
	}
	g.awaitWaiting(t, 3)
	silent.awaitClosed(t, "who sent nothing")
	if !visit(t, to, "127.0.0.6").ask() {
		t.Error("no answer to the next one")
	}
	last.awaitClosed(t, "who waited longest")
	if !kept.ask() || !busy.finish() {
		t.Error("others were closed too")
	}
	if got := strings.Count(log.String(), "connection limit reached"); got != 1 {
		t.Errorf("%d warnings: %s", got, &log)
	}
}

// One address gets its share, and displaces its own. A proxy stands for many.
func TestGateSharesOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		proxies []netip.Prefix
		holds   int
	}{
		"a stranger": {nil, 2},
		"a proxy":    {[]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, to := gated(t, 8, io.Discard, test.proxies...)
			other := visit(t, to, "127.0.0.2")
			if !other.ask() {
				t.Fatal("no answer")
			}
			var all []*visitor
			for range 7 {
				v := visit(t, to, "127.0.0.1")
				if !v.ask() {
					t.Fatal("no answer")
				}
				all = append(all, v)
				g.awaitWaiting(t, min(len(all), test.holds)+1)
			}
			for _, v := range all[:7-test.holds] {
				v.awaitClosed(t, "an early one")
			}
			for _, v := range append(all[7-test.holds:], other) {
				if !v.ask() {
					t.Error("a late one, or another client's, is closed")
				}
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.open != test.holds+1 || g.clients[address.Client(netip.MustParseAddr("127.0.0.1"))].open != test.holds {
				t.Errorf("%d open", g.open)
			}
		})
	}
}

// Where all are at work, a new one is closed, and room is counted right once they end.
func TestGateIsFull(t *testing.T) {
	t.Parallel()
	g, to := gated(t, 2, io.Discard)
	one, two := visit(t, to, "127.0.0.1"), visit(t, to, "127.0.0.2")
	one.begin(t)
	two.begin(t)
	visit(t, to, "127.0.0.3").awaitClosed(t, "the third")
	if !one.finish() || !two.finish() {
		t.Error("no answer to who was in")
	}
	g.awaitWaiting(t, 2)
	if !visit(t, to, "127.0.0.3").ask() {
		t.Error("no answer")
	}
	one.Close()
	two.Close()
	until(t, "one is left", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.open == 1 && len(g.clients) == 1 && g.waiting.Len() == 1
	})
}

// failingOnce is a listener that fails once.
type failingOnce struct {
	net.Listener
	err error
}

func (f *failingOnce) Accept() (net.Conn, error) {
	if err := f.err; err != nil {
		f.err = nil
		return nil, err
	}
	return f.Listener.Accept()
}

// What keeps connections out is a warning, and no end.
func TestAcceptErrorsAreWarnings(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := New(&failingOnce{l, fmt.Errorf("accept: too many open files")}, 2, nil, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	if _, err := g.Accept(); err == nil {
		t.Error("the error is lost: net/http could not wait")
	}
	visit(t, l.Addr().String(), "127.0.0.1")
	if _, err := g.Accept(); err != nil {
		t.Error(err)
	}
	if got := strings.Count(log.String(), "too many open files"); got != 1 || !strings.Contains(log.String(), "WARN") {
		t.Errorf("logged: %s", &log)
	}
}

// until waits for something that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not so within 20 s: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
