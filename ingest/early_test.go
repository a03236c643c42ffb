package ingest

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/ingest/body"
)

// announce sends the head of a request, and nothing of its body, from an address of this machine. It returns the connection, on
// which the answer is awaited.
func announce(t testing.TB, url, from, path string, headers ...string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", path, strings.Join(headers, "\r\n"))
	return conn
}

func answerOn(t testing.TB, conn net.Conn) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Whoever shows no proof is answered while the whole body is still to come, and what was seen of the request is kept for the
// operator.
func TestRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	kept := &drawer{}
	s, err := New(Options{
		Sources: []config.Source{
			plain("plain"), zipped("zipped"),
			{Name: "tok", Provider: "docker-hub", Secrets: secrets("tok")},
			{Name: "asana", Provider: "asana"},
		},
		Publisher: accepting, Rejecter: kept, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s)
	const long, gzip = "Content-Length: 1000000", "Content-Encoding: gzip"
	for _, test := range []struct {
		path    string
		headers []string
		status  int
		code    string
		reason  string // under which it is kept
	}{
		{"/webhooks/plain", []string{long}, 401, "not_verified", "missing_header"},
		{"/webhooks/plain", []string{long, "Expect: 100-continue"}, 401, "not_verified", "missing_header"},
		{"/webhooks/plain", []string{"Transfer-Encoding: chunked"}, 401, "not_verified", "missing_header"},
		{"/webhooks/plain", []string{long, gzip}, 401, "not_verified", "missing_header"},
		{"/webhooks/zipped", []string{long, gzip}, 401, "not_verified", "missing_header"},
		{"/webhooks/tok?other=tok", []string{long}, 401, "not_verified", "missing_field"},
		{"/webhooks/tok?token=wrong", []string{long}, 401, "not_verified", "bad_signature"},
		{"/webhooks/asana", []string{long}, 401, "not_verified", "no_secret"},
		{"/webhooks/none", []string{long}, 404, "no_such_source", ""},
	} {
		before := len(kept.all())
		resp, body := answerOn(t, announce(t, url, "127.0.0.1", test.path, test.headers...))
		wantError(t, resp, body, test.status, test.code)
		if !resp.Close {
			t.Errorf("%s %v: the connection waits for the body", test.path, test.headers)
		}
		found := kept.all()[before:]
		if test.reason == "" {
			if len(found) != 0 {
				t.Errorf("%s %v: kept %v", test.path, test.headers, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Reason != test.reason || !found[0].NoBody || found[0].Size == 0 != (test.headers[0] != long) {
			t.Errorf("%s %v: kept %+v, want %s", test.path, test.headers, found, test.reason)
		}
	}
	if used, _ := s.memory.Held(); used != 0 {
		t.Errorf("%d bytes still reserved", used)
	}
}

// A request that nothing proves is read while it is small, where it may be a handshake or have the token of tomorrow.
func TestSmallBodiesWithoutProof(t *testing.T) {
	t.Parallel()
	kept := &drawer{}
	url := serve(t, Options{
		Sources: []config.Source{
			{Name: "woo", Provider: "woocommerce", Secrets: secrets("key")},
			{Name: "tok", Provider: "gitlab", Secrets: secrets("right")},
		},
		Publisher: accepting, Rejecter: kept,
	})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if resp, body := do(t, request(t, url+"/webhooks/woo", "webhook_id=7", form)); resp.StatusCode != 200 {
		t.Errorf("a handshake: %d %s", resp.StatusCode, body)
	}
	token := http.Header{"X-Gitlab-Token": {"wrong"}}
	for _, test := range []struct {
		path string
		size int
		head http.Header
		kept bool
	}{
		{"/webhooks/woo", body.Small, form, true},
		{"/webhooks/woo", body.Small + 1, form, false},
		{"/webhooks/tok", body.Small, token, true},
		{"/webhooks/tok", body.Small + 1, token, false},
	} {
		before := len(kept.all())
		resp, body := do(t, request(t, url+test.path, strings.Repeat("x", test.size), test.head))
		wantError(t, resp, body, 401, "not_verified")
		found := kept.all()[before:]
		if len(found) != 1 || found[0].NoBody == test.kept || found[0].Size != test.size {
			t.Errorf("%s, %d bytes: kept %d", test.path, test.size, len(found))
		}
	}
	token.Set("X-Gitlab-Token", "right")
	if resp, body := do(t, request(t, url+"/webhooks/tok", strings.Repeat("x", 10*body.Small), token)); resp.StatusCode != 200 {
		t.Errorf("the right token: %d %s", resp.StatusCode, body)
	}
}

// A source that strangers flood takes nothing from another one, and a client that floods a source nothing from another
// client of it.
func TestSharesOfTheBudget(t *testing.T) {
	t.Parallel()
	const maxBody = 8 << 20
	s, err := New(Options{
		Sources: []config.Source{plain("flooded"), plain("good")}, MaxBody: maxBody, Log: slog.New(slog.DiscardHandler),
		Publisher: accepting,
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s)
	// Each sends nearly all of the largest body, and then no more.
	part := make([]byte, maxBody/2+1)
	refused := make(chan string, 1)
	for range 40 {
		conn := announce(t, url, "127.0.0.1", "/webhooks/flooded", "X-Polaris-Signature: 00", fmt.Sprint("Content-Length: ", maxBody))
		go conn.Write(part) // it fails once the test is over, or the request is refused
		go func() {
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				resp.Body.Close()
				select {
				case refused <- resp.Status:
				default:
				}
			}
		}()
	}
	if status := <-refused; !strings.HasPrefix(status, "503") {
		t.Errorf("the flood is answered %s", status)
	}
	large := strings.Repeat("x", maxBody)
	if resp, body := do(t, signed(t, url+"/webhooks/good", large)); resp.StatusCode != 202 {
		t.Errorf("another source: %d %s", resp.StatusCode, body)
	}
	other := &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}).DialContext,
	}}
	defer other.CloseIdleConnections()
	resp, err := other.Do(signed(t, url+"/webhooks/flooded", large[:maxBody/2]))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 202 {
		t.Errorf("another client: %s", resp.Status)
	}
}

// Anyone can send most handshakes: they are a line in the log, and the next ones are not.
func TestHandshakesAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	url := serve(t, Options{
		Sources: []config.Source{{Name: "drop", Provider: "dropbox", Secrets: secrets("key")}}, Publisher: accepting,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 20 {
		resp, err := http.Get(url + "/webhooks/drop?challenge=a")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if got := strings.Count(log.String(), "handshake answered"); got != 1 {
		t.Errorf("%d lines", got)
	}
}
