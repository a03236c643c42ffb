package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// cutter stands between a jethook and its nats-server. It forwards everything until as many writes to JetStream have
// passed as it was told, and from then on nothing, in neither direction: a process that is killed at that moment was
// killed between two writes, and no answer to the last one reached it.
type cutter struct {
	address string
	target  string

	mu     sync.Mutex // guards what follows, and keeps writes of several connections in one order
	left   int        // writes that may still pass; negative: any number
	counts isCut      // which writes count
	wrote  []string   // the subjects of the writes that passed since arm
	cut    chan struct{}
	conns  map[net.Conn]bool
}

func newCutter(t *testing.T, target string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{address: l.Addr().String(), target: target, left: -1, conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		for conn := range c.conns {
			conn.Close()
		}
		c.mu.Unlock()
		serving.Wait()
	})
	return c
}

// isCut reports whether a publish is a write after which a process is to be killed.
type isCut func(subject string, payload []byte) bool

// arm lets n more writes pass and returns what is closed when the last of them has.
func (c *cutter) arm(n int, counts isCut) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.counts, c.wrote, c.cut = n, counts, nil, make(chan struct{})
	return c.cut
}

// mend lets everything pass again, for the process that comes after the one that was killed.
func (c *cutter) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = -1
}

func (c *cutter) writes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.wrote...)
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		client.Close()
		return
	}
	c.mu.Lock()
	c.conns[client], c.conns[server] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { c.down(server, client); client.Close() })
	both.Go(func() { c.up(client, server); server.Close() })
	both.Wait()
}

// down forwards what the server says. After the cut it says nothing more.
func (c *cutter) down(server, client net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		if c.left != 0 {
			client.Write(buf[:n])
		}
		c.mu.Unlock()
	}
}

// up forwards what the client says, one operation of the NATS protocol after the other:
// https://docs.nats.io/reference/reference-protocols/nats-protocol
func (c *cutter) up(client, server net.Conn) {
	r := bufio.NewReaderSize(client, 64<<10)
	for {
		op, subject, payload, err := readOp(r)
		if err != nil {
			return
		}
		c.forward(server, op, subject, payload)
	}
}

func (c *cutter) forward(server net.Conn, op []byte, subject string, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return
	}
	server.Write(op)
	if c.left > 0 && c.counts(subject, payload) {
		c.wrote = append(c.wrote, subject)
		if c.left--; c.left == 0 {
			close(c.cut)
		}
	}
}

// readOp reads one operation and returns its bytes, and of a publish its subject and what it carries.
func readOp(r *bufio.Reader) (op []byte, subject string, payload []byte, err error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, "", nil, err
	}
	fields := strings.Fields(string(line))
	if len(fields) == 0 || fields[0] != "PUB" && fields[0] != "HPUB" {
		return line, "", nil, nil
	}
	size, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return nil, "", nil, fmt.Errorf("reading %q: %w", line, err)
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, "", nil, err
	}
	return append(line, body...), fields[1], body[:size], nil
}

// isWrite reports whether a publish changes what is stored: a message of a stream or bucket, its removal, or an
// acknowledgement.
func isWrite(subject string, payload []byte) bool {
	switch {
	case subject == "": // no publish
		return false
	case strings.HasPrefix(subject, "$JS.ACK."):
		return !bytes.Equal(payload, []byte("+WPI"))
	case strings.HasPrefix(subject, "$JS.API.STREAM.MSG.DELETE."), strings.HasPrefix(subject, "$JS.API.STREAM.PURGE."):
		return true
	}
	return !strings.HasPrefix(subject, "$JS.API.") && !strings.HasPrefix(subject, "_INBOX.")
}
