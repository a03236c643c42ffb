package ingest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"jethook/config"
)

// TestBodies shows which bodies are taken, and that the others get their answer and are not stored.
func TestBodies(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	rig := newRig(t)
	address := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{zipped("plain")}, MaxBody: limit}) + "/webhooks/plain"
	long := strings.Repeat("x", limit)
	manyEmpty := strings.Repeat(zip(""), limit/len(zip(""))+1)
	for _, test := range []struct {
		name, content string // what is signed
		body          io.Reader
		encoding      []string
		status        int
		code          string
	}{
		{"at the limit", long, strings.NewReader(long), nil, 202, ""},
		{"at the limit in chunks", long, chunked(long), nil, 202, ""},
		{"a byte over the limit", long + "x", strings.NewReader(long + "x"), nil, 413, "too_large"},
		{"a byte over the limit in chunks", long + "x", chunked(long + "x"), nil, 413, "too_large"},
		{"gzip at the limit", long[1:], strings.NewReader(zip(long[1:])), []string{"gzip"}, 202, ""},
		{"gzip a byte over the limit", long + "x", strings.NewReader(zip(long + "x")), []string{"gzip"}, 413, "too_large"},
		{"gzip bomb", "", strings.NewReader(zip(strings.Repeat("\x00", 50<<20))), []string{"gzip"}, 413, "too_large"},
		{"gzip of nothing, too long as sent", "", strings.NewReader(manyEmpty), []string{"gzip"}, 413, "too_large"},
		{"gzip of nothing, too long in chunks", "", chunked(manyEmpty), []string{"gzip"}, 413, "too_large"},
		{"gzip with more behind", "a", strings.NewReader(zip("a") + "b"), []string{"gzip"}, 400, "bad_body"},
		{"gzip cut off", "a", strings.NewReader(zip("a")[:20]), []string{"gzip"}, 400, "bad_body"},
		{"gzip with a wrong sum", "a", strings.NewReader(broken(zip("a"))), []string{"gzip"}, 400, "bad_body"},
		{"not gzip", "a", strings.NewReader("a"), []string{"gzip"}, 400, "bad_body"},
		{"nothing as gzip", "", strings.NewReader(""), []string{"gzip"}, 400, "bad_body"},
		{"identity", "b", strings.NewReader("b"), []string{"identity"}, 202, ""},
		{"deflate", "a", strings.NewReader("a"), []string{"deflate"}, 415, "unsupported_encoding"},
		{"two encodings", "a", strings.NewReader(zip(zip("a"))), []string{"gzip, gzip"}, 415, "unsupported_encoding"},
		{"two lines of encodings", "a", strings.NewReader(zip("a")), []string{"gzip", "identity"}, 415, "unsupported_encoding"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := rig.stored(t)
			r := signed(t, address, test.content)
			fresh, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, test.body)
			if err != nil {
				t.Fatal(err)
			}
			fresh.Header = r.Header
			if test.encoding != nil {
				fresh.Header["Content-Encoding"] = test.encoding
			}
			resp, answer := do(t, fresh)
			if test.code != "" {
				wantError(t, resp, answer, test.status, test.code)
			} else if resp.StatusCode != test.status {
				t.Errorf("%d %s", resp.StatusCode, answer)
			}
			if got := rig.stored(t) - before; got != 0 && test.status != 202 {
				t.Errorf("%d events stored", got)
			}
		})
	}
}

// chunked hides a body's length from net/http.
func chunked(s string) io.Reader { return iotest.OneByteReader(bufio.NewReader(strings.NewReader(s))) }

// zipped is plain from a sender that compresses.
func zipped(name string) config.Source {
	src := plain(name)
	src.Gzip = true
	return src
}

func broken(zipped string) string {
	b := []byte(zipped)
	b[len(b)-8] ^= 1
	return string(b)
}

// TestLyingLength sends less than the Content-Length says.
func TestLyingLength(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	address := serve(t, Options{Publisher: rig.bus, Sources: []config.Source{plain("plain")}})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	signature := signed(t, address, "short").Header.Get("X-Polaris-Signature")
	fmt.Fprintf(conn, "POST /webhooks/plain HTTP/1.1\r\nHost: x\r\nX-Polaris-Signature: %s\r\nContent-Length: 100000\r\n\r\nshort", signature)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	wantError(t, resp, string(body), 400, "bad_body")
	if got := rig.stored(t); got != 0 {
		t.Errorf("%d events stored", got)
	}
}
