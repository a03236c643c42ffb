package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// answerTimeout is longer than Jethook takes to give up on its store.
	answerTimeout = 30 * time.Second
	// reconnectPause keeps a server that is down from being asked in a tight loop.
	reconnectPause = 10 * time.Millisecond
)

// target is where webhooks go, and how they are signed.
type target struct {
	address string   // host:port
	paths   []string // the connections share them evenly
	secret  string
}

// connection sends webhooks. It costs as little as it can, since it runs on the cores of what it measures: its request is
// built once, and only the serial number in its id changes.
type connection struct {
	address string
	limit   time.Duration // of the load
	request []byte
	serial  []byte // the digits in request
	sent    int

	conn   net.Conn // nil: none is open
	reader *bufio.Reader
	forget func() bool // takes conn out of what the end of the run cuts off
}

func (r *ingestRun) connection(to target, i int, limit time.Duration) *connection {
	mac := hmac.New(sha256.New, []byte(to.secret))
	mac.Write(r.body)
	id, digits := token()+"-", strings.Repeat("0", 12) // more requests than a run of a month makes
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: jethook-bench\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n%s: %s\r\n%s: %s%s\r\n\r\n",
		to.paths[i%len(to.paths)], to.address, len(r.body), r.Header, hex.EncodeToString(mac.Sum(nil)), r.IDHeader, id, digits)
	request := append([]byte(head), r.body...)
	serial := request[bytes.Index(request, []byte(id))+len(id):][:len(digits)]
	return &connection{address: to.address, limit: limit, request: request, serial: serial}
}

// send makes one request. After an error of the connection nothing is known of what it still holds, so it is replaced.
func (c *connection) send(ctx context.Context) error {
	res, err := c.exchange(ctx)
	if err != nil {
		c.close()
		time.Sleep(reconnectPause)
		return err
	}
	defer res.Body.Close()
	start, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
	}
	if err != nil || res.Close {
		c.close()
	}
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("status %d: %s", res.StatusCode, bytes.TrimSpace(start))
	}
	return err
}

func (c *connection) exchange(ctx context.Context) (*http.Response, error) {
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return nil, err
		}
	}
	c.sent++
	_ = fmt.Appendf(c.serial[:0], "%0*d", len(c.serial), c.sent) // in place
	if _, err := c.conn.Write(c.request); err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return res, nil
}

// open connects. One deadline for the whole load costs less than one for each request.
func (c *connection) open(ctx context.Context) error {
	dialer := net.Dialer{Timeout: answerTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	conn.SetDeadline(time.Now().Add(c.limit + answerTimeout))  // it fails on closed ones only
	c.forget = context.AfterFunc(ctx, func() { conn.Close() }) // whoever stops the run does not wait for an answer
	return nil
}

func (c *connection) close() {
	if c.conn != nil {
		c.forget()
		c.conn.Close()
		c.conn = nil
	}
}
