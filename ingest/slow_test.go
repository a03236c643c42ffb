package ingest

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jethook/ingest/body"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
)

// pipes is a listener whose connections are in memory, so that their deadlines go by the clock of a test.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// What a body must bring in which time, and how long the rest of one that nobody reads is awaited.
const (
	stretch     = 80 << 10
	stretchTime = 5 * time.Second
	unreadTime  = time.Second
)

// Who is slow to send can't hold a connection: it is closed when the time for what is missing is over.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	const (
		head   = "POST /webhooks/plain HTTP/1.1\r\nHost: x\r\n"
		proven = head + "X-Polaris-Signature: 00\r\n"
	)
	for name, test := range map[string]struct {
		sent, answer string
		after        time.Duration
	}{
		"nothing":               {"", "", readHeaderTimeout},
		"half a header":         {head + "X-Polaris-Signature: 00", "", readHeaderTimeout},
		"no body":               {proven + "Content-Length: 5\r\n\r\n", "503 Service Unavailable", stretchTime},
		"half a body":           {proven + "Content-Length: 5\r\n\r\nab", "503 Service Unavailable", stretchTime},
		"a chunk without end":   {proven + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "503 Service Unavailable", stretchTime},
		"no proof and no body":  {head + "Content-Length: 5\r\n\r\n", "401 Unauthorized", unreadTime},
		"no proof, half a body": {head + "Content-Length: 100000\r\n\r\nab", "401 Unauthorized", unreadTime},
		"no proof and a chunk":  {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "401 Unauthorized", unreadTime},
		"no such source":        {"POST /webhooks/none HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "404 Not Found", unreadTime},
		"nothing after a whole": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, func(context.Context, *event.Event) (groupcommit.Receipt, error) {
					t.Error("something was published")
					return groupcommit.Receipt{}, nil
				})
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				go func() { served <- s.Serve(ctx, l) }()
				client, conn := net.Pipe()
				l.accepted <- conn
				began := time.Now()
				if _, err := io.WriteString(client, test.sent); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(client)
				if err != nil || !strings.HasPrefix(strings.TrimPrefix(string(got), "HTTP/1.1 "), test.answer) || (len(got) == 0) != (test.answer == "") {
					t.Errorf("answered %q, %v", got, err)
				}
				if took := time.Since(began); took < test.after || took > test.after+time.Second {
					t.Errorf("closed after %s, want %s", took, test.after)
				}
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A body must go on coming at the least rate: what came before buys no time. At that rate it may take as long as any body.
func TestTrickledBody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, each int
		pause       time.Duration
		after       time.Duration
	}{
		"a byte now and then":           {0, 1, time.Second, stretchTime},
		"much, and nothing more":        {10 * stretch, 0, time.Second, stretchTime},
		"much, and a byte now and then": {10 * stretch, 1, time.Second, stretchTime},
		"just fast enough":              {0, stretch, stretchTime - time.Second, body.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, nil)
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				go func() { served <- s.Serve(ctx, l) }()
				client, conn := net.Pipe()
				l.accepted <- conn
				began := time.Now()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, err := io.WriteString(client, "POST /webhooks/plain HTTP/1.1\r\nHost: x\r\nX-Polaris-Signature: 00\r\nContent-Length: 1000000\r\n\r\n")
					for n := test.first; err == nil; n = test.each {
						_, err = client.Write(make([]byte, n))
						time.Sleep(test.pause)
					}
				}()
				got, err := io.ReadAll(client)
				if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503 ") || !strings.Contains(string(got), "Retry-After: ") {
					t.Errorf("answered %q, %v", got, err)
				}
				if took := time.Since(began); took < test.after || took > test.after+2*time.Second {
					t.Errorf("closed after %s, want %s", took, test.after)
				}
				if used, _ := s.memory.Held(); used != 0 {
					t.Errorf("%d bytes still reserved", used)
				}
				client.Close()
				<-sent
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
