package attempt

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// wireReceiver answers one request with 200 and keeps its bytes, of which the body is the last so many.
func wireReceiver(t *testing.T, body int) (host string, got <-chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ch := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var seen bytes.Buffer
		for part := make([]byte, 4096); ; {
			if end := bytes.Index(seen.Bytes(), []byte("\r\n\r\n")); end >= 0 && seen.Len() >= end+4+body {
				break
			}
			n, err := conn.Read(part)
			if seen.Write(part[:n]); err != nil {
				break
			}
		}
		ch <- seen.Bytes()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}()
	return l.Addr().String(), ch
}

// What Compose shows is byte for byte what a receiver gets from Do at the same time.
func TestComposeIsWhatDoSends(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for name, change := range map[string]func(*Request){
		"standard": func(*Request) {},
		"hmac": func(r *Request) {
			r.Endpoint.Signature = signing.Signature{Scheme: signing.SchemeHMAC, Header: "X-Sig"}
		},
		"bearer": func(r *Request) {
			r.Endpoint.Signature = signing.Signature{Scheme: signing.SchemeBearer, Header: "X-Time"}
		},
		"slack": func(r *Request) { r.Endpoint.Format = endpoint.FormatSlack },
		"headers": func(r *Request) {
			r.Endpoint.Headers = map[string]string{"X-A": " 1 ", "User-Agent": "", "X-Empty": ""}
		},
		"binary": func(r *Request) {
			r.Body, r.ContentType = []byte("\x00\xff\r\n'"), ""
		},
		"later attempt": func(r *Request) {
			r.Attempt, r.Traceparent = 4, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		},
		"odd URL": func(r *Request) { r.Endpoint.URL += "/a b/%2F/../ä?q=[1]&x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{AllowedNetworks: loopback, UserAgent: "jethook/test", Now: func() time.Time { return at }})
			r := requestTo(endpointAt(""))
			change(&r)
			message, err := c.Compose(&r, at)
			if err != nil {
				t.Fatal(err)
			}
			host, got := wireReceiver(t, len(message.Body))
			r.Endpoint.URL = "http://" + host + r.Endpoint.URL
			if message, err = c.Compose(&r, at); err != nil {
				t.Fatal(err)
			}
			shown, err := message.Wire()
			if err != nil {
				t.Fatal(err)
			}
			expect(t, c.Do(t.Context(), r), Delivered, ClassOK)
			raw := <-got
			sent, err := http.NewRequest(http.MethodPost, shown.URL, bytes.NewReader(shown.Body))
			if err != nil {
				t.Fatal(err)
			}
			sent.Header = shown.Header.Clone()
			if _, ok := sent.Header["User-Agent"]; !ok {
				sent.Header["User-Agent"] = nil // net/http would add its own
			}
			var want bytes.Buffer
			if err := sent.Write(&want); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, want.Bytes()) {
				t.Errorf("received\n%q\nshown\n%q", raw, want.Bytes())
			}
			head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
			if lines := strings.Split(head, "\r\n")[1:]; len(lines) != len(shown.Header) {
				t.Errorf("received %d headers, shown %d: %q, %v", len(lines), len(shown.Header), lines, shown.Header)
			}
		})
	}
}
