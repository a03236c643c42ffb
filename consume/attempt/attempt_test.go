package attempt

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	c := local(t)
	type outcome struct {
		verdict Verdict
		class   Class
	}
	want := func(status int) outcome {
		switch {
		case status >= 200 && status < 300:
			return outcome{Delivered, ClassOK}
		case status == 304:
			return outcome{Failed, ClassStatus}
		case status >= 300 && status < 400:
			return outcome{Failed, ClassRedirect}
		case status == 429:
			return outcome{Later, ClassStatus}
		case status == 410:
			return outcome{Gone, ClassStatus}
		default:
			return outcome{Failed, ClassStatus}
		}
	}
	for status := 200; status <= 599; status++ {
		rec := &http.Response{StatusCode: status}
		res := Result{Status: status}
		res.judge(rec, endpoint.FormatRaw, time.Now())
		expect(t, res, want(status).verdict, want(status).class)
	}
	for _, status := range []int{101, 200, 201, 202, 204, 226, 299, 300, 304, 307, 400, 401, 404, 410, 418, 429, 499, 500, 502, 503, 599, 600, 999} {
		url := rawServer(t, answer(fmt.Sprintf("HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n", status)))
		res := c.Do(t.Context(), requestTo(endpointAt(url)))
		expect(t, res, want(status).verdict, want(status).class)
		if res.Status != status || res.Duration <= 0 || res.Started.IsZero() {
			t.Errorf("%d: %+v", status, res)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(inner.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		outer := httptest.NewServer(http.RedirectHandler(inner.URL, status))
		t.Cleanup(outer.Close)
		res := local(t).Do(t.Context(), requestTo(endpointAt(outer.URL)))
		expect(t, res, Failed, ClassRedirect)
	}
	if hits.Load() != 0 {
		t.Errorf("followed %d times", hits.Load())
	}
}

func TestResponseIsCut(t *testing.T) {
	t.Parallel()
	var size, connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("\xff", int(size.Load()))) // no UTF-8
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := local(t)
	for _, row := range []struct {
		size, kept int32
		cut        bool
		opened     int32 // connections so far: one that was not read to its end is not used again
	}{
		{0, 0, false, 1},
		{1, 1, false, 1},
		{16383, 16383, false, 1},
		{16384, 16384, false, 1},
		{16385, 16384, true, 1},
		{100000, 16384, true, 1},
		{1, 1, false, 2},
	} {
		size.Store(row.size)
		res := c.Do(t.Context(), requestTo(endpointAt(s.URL)))
		expect(t, res, Delivered, ClassOK)
		if int32(len(res.Response)) != row.kept || res.Truncated != row.cut || bytes.Count(res.Response, []byte{0xff}) != len(res.Response) {
			t.Errorf("%d bytes: kept %d, cut %t", row.size, len(res.Response), res.Truncated)
		}
		if connections.Load() != row.opened {
			t.Errorf("%d bytes: %d connections so far, want %d", row.size, connections.Load(), row.opened)
		}
	}
}

// A receiver that answers without end gets its connection closed, and little is read of it.
func TestEndlessResponse(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"Content-Length: 10000000000\r\n", "Transfer-Encoding: chunked\r\n", ""} {
		written := make(chan int64, 1)
		url := rawServer(t, func(conn net.Conn) {
			chunk := []byte("4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n")
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+head+"\r\n")
			total := int64(0)
			for err == nil {
				var n int
				n, err = conn.Write(chunk)
				total += int64(n)
			}
			written <- total
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res := local(t).Do(t.Context(), requestTo(endpointAt(url)))
		runtime.ReadMemStats(&after)
		expect(t, res, Delivered, ClassOK)
		if len(res.Response) != maxResponse || !res.Truncated {
			t.Errorf("kept %d, cut %t", len(res.Response), res.Truncated)
		}
		// What the kernel's buffers took in, not 10 GB.
		if total := <-written; total > 64<<20 {
			t.Errorf("%d bytes were taken", total)
		}
		// Other tests allocate too.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<30 {
			t.Errorf("%d bytes were allocated", grown)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	e := func(url string) *endpoint.Endpoint {
		e := endpointAt(url)
		e.Timeout = endpoint.Duration(100 * time.Millisecond)
		return e
	}
	for name, head := range map[string]string{"silent": "", "half a status line": "HTTP/1.1 2", "headers only begun": "HTTP/1.1 200 OK\r\nX-A: b\r\n"} {
		res := local(t).Do(t.Context(), requestTo(e(rawServer(t, answer(head)))))
		expect(t, res, Failed, ClassTimeout)
		within(t, res, 5*time.Second)
		if res.Detail != "no response within 100ms" {
			t.Errorf("%s: %s", name, res.Detail)
		}
	}
	// A status that came decides.
	for status, want := range map[int]Verdict{200: Delivered, 500: Failed, 410: Gone} {
		url := rawServer(t, answer(fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 100\r\n\r\nbegun", status)))
		res := local(t).Do(t.Context(), requestTo(e(url)))
		within(t, res, 5*time.Second)
		if res.Verdict != want || res.Status != status || string(res.Response) != "begun" || !res.Truncated {
			t.Errorf("%d and a body that hangs: %+v", status, res)
		}
	}
	// Nothing follows a 101 that would end the attempt.
	res := local(t).Do(t.Context(), requestTo(e(rawServer(t, answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")))))
	expect(t, res, Failed, ClassStatus)
	within(t, res, 5*time.Second)
}

// A receiver that never reads can't hold an attempt either.
func TestTimeoutWhileSending(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := requestTo(endpointAt("http://" + l.Addr().String()))
	r.Body = make([]byte, 32<<20)
	c := newClient(t, Options{AllowedNetworks: loopback, Timeout: 200 * time.Millisecond})
	res := c.Do(t.Context(), r)
	expect(t, res, Failed, ClassTimeout)
	within(t, res, 5*time.Second)
}

func TestAborted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	url := rawServer(t, func(conn net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	expect(t, local(t).Do(ctx, requestTo(endpointAt(url))), Aborted, ClassAborted)
	expect(t, local(t).Do(ctx, requestTo(endpointAt(url))), Aborted, ClassAborted)

	// Once the receiver said 200, it has the event.
	ctx, cancel = context.WithCancel(t.Context())
	c := local(t)
	c.buffers.New = func() any { // asked for one when the status is there
		cancel()
		return new([maxResponse + 1]byte)
	}
	url = rawServer(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1"))
	res := c.Do(ctx, requestTo(endpointAt(url)))
	expect(t, res, Delivered, ClassOK)
	if !res.Truncated {
		t.Error("not marked as truncated")
	}
}

func TestConnectionFaults(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	reset := func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }
	for _, row := range []struct {
		name, url string
		class     Class
	}{
		{"nobody listens", closed, ClassConnectionRefused},
		{"closed at once", rawServer(t, func(net.Conn) {}), ClassConnectionReset},
		{"reset", rawServer(t, reset), ClassConnectionReset},
		{"closed within the headers", rawServer(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-A: b\r\n") }), ClassConnectionReset},
		{"not HTTP", rawServer(t, answer("SSH-2.0-OpenSSH_9.6\r\n\xff\x00\r\n")), ClassBadResponse},
		{"a bad length", rawServer(t, answer("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n")), ClassBadResponse},
		{"a bad status", rawServer(t, answer("HTTP/1.1 2000 OK\r\n\r\n")), ClassBadResponse},
		{"headers without end", rawServer(t, answer("HTTP/1.1 200 OK\r\n"+strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 200))), ClassBadResponse},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), ClassTLS},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := endpointAt(row.url)
			e.Timeout = endpoint.Duration(10 * time.Second)
			expect(t, local(t).Do(t.Context(), requestTo(e)), Failed, row.class)
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	start := func(version uint16) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
		s.Config.ErrorLog = quiet
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{MaxVersion: version, MinVersion: tls.VersionTLS10}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	modern, old := start(tls.VersionTLS13), start(tls.VersionTLS11)

	res := local(t).Do(t.Context(), requestTo(endpointAt(modern.URL)))
	expect(t, res, Failed, ClassTLS)
	if !strings.Contains(res.Detail, "the certificate is self-signed") {
		t.Errorf("detail %q", res.Detail)
	}
	expect(t, local(t).Do(t.Context(), requestTo(endpointAt(old.URL))), Failed, ClassTLS)

	c := local(t)
	c.transport.TLSClientConfig.RootCAs = modern.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	res = c.Do(t.Context(), requestTo(endpointAt(modern.URL)))
	expect(t, res, Delivered, ClassOK)
	if string(res.Response) != "HTTP/2.0" {
		t.Errorf("spoken: %s", res.Response)
	}
	_, port, _ := net.SplitHostPort(modern.Listener.Addr().String())
	res = c.Do(t.Context(), requestTo(endpointAt("https://localhost:"+port)))
	expect(t, res, Failed, ClassTLS) // the certificate is for another name
}

// A fault of this machine uses no attempt up.
func TestLocalFault(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]Verdict{syscall.EMFILE: Aborted, syscall.ENFILE: Aborted, syscall.ECONNREFUSED: Failed, syscall.EADDRNOTAVAIL: Failed} {
		var res Result
		wrapped := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", err)}
		if !local(t).ours(wrapped, new(handshake), t.Context(), t.Context(), &res) {
			res.fail(wrapped, t.Context(), time.Second)
		}
		if res.Verdict != want {
			t.Errorf("%v: %s, %s", err, res.Verdict, res.Class)
		}
	}
	var res Result
	res.fail(errors.New("http2: Transport received Server's graceful shutdown GOAWAY"), t.Context(), time.Second)
	if res.Verdict != Failed {
		t.Errorf("%+v", res)
	}
}

// No detail shows the secret, a header of the endpoint, or the path and query of its URL.
func TestDetailsDoNotLeak(t *testing.T) {
	t.Parallel()
	secrets := []string{testSecret, "hunter2"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, url := range []string{
		"http://" + l.Addr().String(),
		rawServer(t, func(net.Conn) {}),
		rawServer(t, answer("garbage\r\n\r\n")),
		rawServer(t, answer("HTTP/1.1 302 Found\r\nLocation: /elsewhere?hunter2\r\n\r\n")),
		rawServer(t, answer("")),
		"http://10.0.0.1", "http://[::1", "http://name.invalid", "gopher://example.com",
		strings.Replace(rawServer(t, answer("HTTP/1.1 400 Bad\r\n\r\n")), "http:", "https:", 1),
	} {
		e := endpointAt(url + "/hunter2?token=hunter2")
		e.Headers = map[string]string{"X-Token": "hunter2"}
		e.Timeout = endpoint.Duration(100 * time.Millisecond)
		res := local(t).Do(t.Context(), requestTo(e))
		for _, secret := range secrets {
			if res.Verdict == Delivered || res.Detail == "" || strings.Contains(res.Detail, secret) {
				t.Errorf("%s: %s, %s", url, res.Class, res.Detail)
			}
		}
	}
}

// A receiver that closes connections after its answer, without saying so, has done nothing wrong: the next
// attempt is sent on another connection.
func TestConnectionClosedWhileIdle(t *testing.T) {
	t.Parallel()
	url := rawServer(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	c := local(t)
	for range 2000 {
		expect(t, c.Do(t.Context(), requestTo(endpointAt(url))), Delivered, ClassOK)
	}
}
