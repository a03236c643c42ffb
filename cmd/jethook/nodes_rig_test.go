package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// nodeFile is the variable by which the test binary learns that it is to be a nats-server with that configuration.
const nodeFile = "JETHOOK_TEST_NODE"

// runNode is a nats-server until a signal ends it.
func runNode(file string) int {
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	srv.ConfigureLogger()
	if err := server.Run(srv); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	srv.WaitForShutdown()
	return 0
}

// node is a nats-server in a process of its own. All that goes between two nodes goes through a gate, so that one can be
// cut off from the others while its clients still reach it.
type node struct {
	name, client, file string
	gates              []*gate // on all its ways to the others and back
	cmd                *exec.Cmd
}

// startNodes starts a cluster of three.
func startNodes(t *testing.T) []*node {
	t.Helper()
	const size = 3
	all := make([]*node, size)
	route := make([]string, size)
	for i := range all {
		all[i] = &node{name: fmt.Sprint("node-", i), client: freePort(t)}
		route[i] = freePort(t)
	}
	for i, n := range all {
		var routes []string
		for j, other := range all {
			if i != j {
				g := newGate(t, route[j])
				n.gates, other.gates = append(n.gates, g), append(other.gates, g)
				routes = append(routes, "nats://"+g.address)
			}
		}
		dir := t.TempDir()
		n.file = filepath.Join(dir, "nats.conf")
		// The nodes must not learn of addresses that lead past the gates.
		text := fmt.Sprintf("server_name: %s\nlisten: %q\nlog_file: %q\njetstream: {store_dir: %q}\nmax_payload: 9MB\n"+
			"cluster: {name: three, listen: %q, advertise: \"127.0.0.1:1\", no_advertise: true, routes: [%s]}\n",
			n.name, n.client, filepath.Join(dir, "log"), filepath.Join(dir, "store"), route[i], strings.Join(routes, ", "))
		if err := os.WriteFile(n.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range all {
		n.start(t)
	}
	for _, n := range all {
		eventually(t, n.name+" listens", func() bool {
			conn, err := net.Dial("tcp", n.client)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	return all
}

func (n *node) start(t testing.TB) {
	t.Helper()
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env = []string{nodeFile + "=" + n.file, "GOMAXPROCS=2"}
	n.cmd.Stderr = os.Stderr
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := n.cmd
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

func (n *node) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// cut stops everything between the node and the others, without a word to either side; mend lets it go on.
func (n *node) cut() {
	for _, g := range n.gates {
		g.shut()
	}
}

func (n *node) mend() {
	for _, g := range n.gates {
		g.open()
	}
}

// gate forwards connections, and holds back what they carry while it is shut.
type gate struct {
	address, to string

	mu   sync.Mutex // guards what follows
	pass chan struct{}
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: l.Addr().String(), to: to, pass: make(chan struct{})}
	close(g.pass)
	t.Cleanup(func() { l.Close(); g.open() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.carry(c)
		}
	}()
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.pass:
	default:
		close(g.pass)
	}
}

// await returns when the gate is open.
func (g *gate) await() {
	g.mu.Lock()
	pass := g.pass
	g.mu.Unlock()
	<-pass
}

func (g *gate) carry(from net.Conn) {
	defer from.Close()
	g.await()
	to, err := net.DialTimeout("tcp", g.to, time.Second)
	if err != nil {
		return
	}
	defer to.Close()
	ended := make(chan struct{}, 2)
	for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			g.copy(ends[0], ends[1])
			ended <- struct{}{}
		}()
	}
	<-ended
}

func (g *gate) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		g.await()
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
