package ingest

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jethook/publish"
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

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Who is slow to send can't hold a connection: it is closed when the time for what is missing is over.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	const head = "POST /webhooks/plain HTTP/1.1\r\nHost: x\r\n"
	for name, test := range map[string]struct {
		sent, answer string
		after        time.Duration
	}{
		"nothing":               {"", "", readHeaderTimeout},
		"half a header":         {head + "X-Polaris-Signature: 00", "", readHeaderTimeout},
		"no body":               {head + "Content-Length: 5\r\n\r\n", "400 Bad Request", readTimeout},
		"half a body":           {head + "Content-Length: 5\r\n\r\nab", "400 Bad Request", readTimeout},
		"a chunk without end":   {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "400 Bad Request", readTimeout},
		"nothing after a whole": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", idleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, func(context.Context, *publish.Event) (publish.Receipt, error) {
					t.Error("something was published")
					return publish.Receipt{}, nil
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
