package attempt

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// loopback lets a client reach the tests' own servers.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	c := NewClient(o)
	t.Cleanup(c.Close)
	return c
}

// local returns a client that may reach the tests' own servers.
func local(t testing.TB) *Client {
	t.Helper()
	return newClient(t, Options{AllowedNetworks: loopback, UserAgent: "jethook/test"})
}

func endpointAt(url string) *endpoint.Endpoint {
	return &endpoint.Endpoint{
		ID: "ep_test", URL: url, Format: endpoint.FormatRaw, Signature: signing.Signature{Scheme: signing.SchemeStandard},
		Secrets: []signing.Secret{{Value: config.NewSecret(testSecret)}},
	}
}

func requestTo(e *endpoint.Endpoint) Request {
	return Request{
		Endpoint: e, EventID: "evt_1", EventType: "order.created", Subject: "events.order.created",
		ContentType: "application/json", Body: []byte(`{"type":"order.created"}`), Attempt: 1,
	}
}

// received is one request as a receiver saw it.
type received struct {
	method string
	header http.Header
	body   []byte
	length int64
}

// recorder answers 200 and keeps what it got, one request at a time.
func recorder(t testing.TB) (url string, got <-chan received) {
	t.Helper()
	ch := make(chan received, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		ch <- received{r.Method, r.Header, body, r.ContentLength}
	}))
	t.Cleanup(s.Close)
	return s.URL, ch
}

// rawServer reads one request from each connection and leaves the answer to handle, then closes it.
func rawServer(t testing.TB, handle func(net.Conn)) (url string) {
	t.Helper()
	return "http://" + tcpServer(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			handle(conn)
		}
	})
}

// answer is a rawServer's handler that sends text and holds the connection until the client closes it.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// within fails the test when an attempt took longer than it may.
func within(t *testing.T, res Result, most time.Duration) {
	t.Helper()
	if res.Duration > most {
		t.Errorf("took %s", res.Duration)
	}
}

func expect(t *testing.T, res Result, verdict Verdict, class Class) {
	t.Helper()
	if res.Verdict != verdict || res.Class != class {
		t.Errorf("got %s, %s (%d, %s); want %s, %s", res.Verdict, res.Class, res.Status, res.Detail, verdict, class)
	}
	if (res.Detail == "") != (verdict == Delivered) {
		t.Errorf("detail %q of a delivery that is %s", res.Detail, verdict)
	}
}
