package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// answerTimeout is longer than Jethook takes to give up on its store.
	answerTimeout = 30 * time.Second
	// reconnectPause keeps a server that is down from being asked in a tight loop.
	reconnectPause = 10 * time.Millisecond
	// serialDigits hold more requests than a run of a month makes.
	serialDigits = 12
)

// target is where a load goes, and how its requests are signed.
type target struct {
	address  string   // host:port
	paths    []string // the connections share them evenly
	secret   string
	header   string // carries the hex HMAC-SHA256 of the body
	idHeader string // carries an id that no other request has
}

// load is closed: each connection sends its next request when the one before is answered. It costs as little as it can,
// since it runs on the cores of what it measures: requests are built once, and only the id in them changes.
type load struct {
	target
	connections int
	body        []byte

	done atomic.Int64 // answered with 2xx, for those who watch
}

// loadResult is what a load saw. Latency is that of requests which were answered with 2xx.
type loadResult struct {
	elapsed    time.Duration
	latency    Histogram
	errors     int64
	firstError string
}

// add makes one result of two runs of the same load.
func (r *loadResult) add(other *loadResult) {
	r.elapsed += other.elapsed
	r.latency.Merge(&other.latency)
	r.errors += other.errors
	if r.firstError == "" {
		r.firstError = other.firstError
	}
}

// run sends for that long, then lets the requests in flight end. All have ended when it returns.
func (l *load) run(ctx context.Context, duration time.Duration) *loadResult {
	l.done.Store(0)
	run := token()
	start := time.Now()
	end := start.Add(duration)
	results := make([]*loadResult, l.connections)
	var wg sync.WaitGroup
	for i := range results {
		results[i] = &loadResult{}
		id := fmt.Sprintf("%s-%04d-", run, i)
		c := &connection{load: l, result: results[i], id: id}
		wg.Go(func() { c.run(ctx, l.request(l.paths[i%len(l.paths)], id), end) })
	}
	wg.Wait()
	total := &loadResult{}
	for _, r := range results {
		total.add(r)
	}
	total.elapsed = time.Since(start)
	return total
}

// request returns a whole request; the serial part of its id is zeros.
func (l *load) request(path, id string) []byte {
	mac := hmac.New(sha256.New, []byte(l.secret))
	mac.Write(l.body)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: jethook-bench\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n%s: %s\r\n%s: %s%0*d\r\n\r\n",
		path, l.address, len(l.body), l.header, hex.EncodeToString(mac.Sum(nil)), l.idHeader, id, serialDigits, 0)
	return append([]byte(head), l.body...)
}

// connection is one sender of a load.
type connection struct {
	load   *load
	result *loadResult
	id     string
	conn   net.Conn // nil: none is open
	reader *bufio.Reader
	forget func() bool // takes the connection out of what the end of the run cuts off
}

func (c *connection) run(ctx context.Context, request []byte, end time.Time) {
	defer c.close()
	serial := request[bytes.Index(request, []byte(c.id))+len(c.id):][:serialDigits]
	for n := 1; ctx.Err() == nil; n++ {
		now := time.Now()
		if !now.Before(end) {
			return
		}
		writeSerial(serial, n)
		if err := c.exchange(ctx, request, end); err != nil {
			if ctx.Err() == nil {
				c.fail(err)
			}
			continue
		}
		c.result.latency.Add(time.Since(now))
		c.load.done.Add(1)
	}
}

// fail notes an error. After one of the connection nothing is known of what it still holds, so it is replaced.
func (c *connection) fail(err error) {
	c.result.errors++
	if c.result.firstError == "" {
		c.result.firstError = err.Error()
	}
	if _, answered := errors.AsType[*refusedError](err); !answered {
		c.close()
		time.Sleep(reconnectPause)
	}
}

func (c *connection) close() {
	if c.conn != nil {
		c.forget()
		c.conn.Close()
		c.conn = nil
	}
}

// exchange sends the request and reads its answer.
func (c *connection) exchange(ctx context.Context, request []byte, end time.Time) error {
	if c.conn == nil {
		if err := c.open(ctx, end); err != nil {
			return err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	answer, err := readAnswer(c.reader)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.last {
		c.close()
	}
	if answer.status/100 != 2 {
		return &refusedError{answer}
	}
	return nil
}

// open connects. One deadline for the whole run costs less than one for each request.
func (c *connection) open(ctx context.Context, end time.Time) error {
	dialer := net.Dialer{Timeout: answerTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.load.address)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	conn.SetDeadline(end.Add(answerTimeout))                   // it fails on closed ones only
	c.forget = context.AfterFunc(ctx, func() { conn.Close() }) // whoever stops the run does not wait for an answer
	return nil
}

// writeSerial writes n into digits, with leading zeros.
func writeSerial(digits []byte, n int) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
}
