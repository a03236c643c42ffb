package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// answerTimeout is longer than Jethook takes to give up on its store.
	answerTimeout = 30 * time.Second
	// reconnectPause keeps a server that is down from being asked in a tight loop.
	reconnectPause = 10 * time.Millisecond
)

// Connection sends the same request again and again, in which only a serial number changes.
type Connection struct {
	address string
	limit   time.Duration // of the load
	request []byte
	serial  []byte // the digits in request
	sent    int

	conn   net.Conn // nil: none is open
	reader *bufio.Reader
	forget func() bool // takes conn out of what the end of the load cuts off
}

// NewConnection returns a connection to host:port for a load of that length at most. The request is HTTP/1.1 as it is sent; serial
// is the part of it that holds the digits.
func NewConnection(address string, limit time.Duration, request, serial []byte) *Connection {
	return &Connection{address: address, limit: limit, request: request, serial: serial}
}

// Send makes one request; an answer that is not a success is an error. After an error of the connection nothing is known of what it still holds, so it is replaced.
func (c *Connection) Send(ctx context.Context) error {
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

func (c *Connection) exchange(ctx context.Context) (*http.Response, error) {
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

// open connects until ctx ends. One deadline for the whole load costs less than one for each request.
func (c *Connection) open(ctx context.Context) error {
	dialer := net.Dialer{Timeout: answerTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	conn.SetDeadline(time.Now().Add(c.limit + answerTimeout)) // it fails on closed ones only
	c.forget = context.AfterFunc(ctx, func() { conn.Close() })
	return nil
}

func (c *Connection) close() {
	if c.conn != nil {
		c.forget()
		c.conn.Close()
		c.conn = nil
	}
}
