package bench

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	const next = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		text string
		want answer
	}{
		"no content":      {"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n" + next, answer{status: 204}},
		"length":          {"HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nbody" + next, answer{status: 202}},
		"refusal":         {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nbody" + next, answer{status: 401, body: "body"}},
		"chunked":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + next, answer{status: 200}},
		"trailers":        {"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nA: b\r\n\r\n" + next, answer{status: 500, body: "body"}},
		"closing":         {"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno" + next, answer{status: 503, last: true, body: "no"}},
		"until it closes": {"HTTP/1.0 200 OK\r\n\r\nbody", answer{status: 200, last: true}},
		"long refusal": {
			"HTTP/1.1 400 X\r\nContent-Length: 300\r\n\r\n" + strings.Repeat("x", 300) + next,
			answer{status: 400, body: strings.Repeat("x", 200)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := bufio.NewReader(strings.NewReader(c.text))
			if got, err := readAnswer(r); err != nil || got != c.want {
				t.Fatalf("got %+v, %v; want %+v", got, err, c.want)
			}
			rest, err := io.ReadAll(r)
			if want := next; err != nil || string(rest) != want && !c.want.last {
				t.Errorf("left is %q, %v; want %q", rest, err, want)
			}
		})
	}
	for _, text := range []string{"", "SSH-2.0-OpenSSH_9.6 hello\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"} {
		if got, err := readAnswer(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}
