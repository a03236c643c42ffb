package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"jethook/config"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
)

func newServer(t *testing.T, store publisherFunc) *Server {
	t.Helper()
	s, err := New(Options{
		Sources: []config.Source{plain("plain")}, Publisher: store, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start serves on a real listener until stop is called or the test ends; served gets what Serve returns.
func start(t *testing.T, s *Server) (url string, stop func(), served <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- s.Serve(ctx, l) }()
	return "http://" + l.Addr().String(), cancel, result
}

// TestServeDrains ends the context while an event is being stored: the sender still gets its answer.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	storing, finish := make(chan struct{}), make(chan struct{})
	s := newServer(t, func(ctx context.Context, _ *event.Event) (groupcommit.Receipt, error) {
		close(storing)
		<-finish
		return groupcommit.Receipt{}, ctx.Err()
	})
	url, cancel, served := start(t, s)
	r := signed(t, url+"/webhooks/plain", "{}")
	answered := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-storing
	cancel()
	for { // no new connection is taken once the stop has begun
		conn, err := net.Dial("tcp", r.URL.Host)
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-served:
		t.Fatalf("Serve returned before its requests were answered: %v", err)
	default:
	}
	close(finish)
	if got := <-answered; got != 202 {
		t.Errorf("answer %d", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestSenderHangsUp shows that an event is stored although its sender left.
func TestSenderHangsUp(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	s := newServer(t, func(ctx context.Context, _ *event.Event) (groupcommit.Receipt, error) {
		result <- ctx.Err()
		return groupcommit.Receipt{}, nil
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.Handler().ServeHTTP(httptest.NewRecorder(), signed(t, "/webhooks/plain", "{}").WithContext(gone))
	if err := <-result; err != nil {
		t.Errorf("storing was given up too: %v", err)
	}
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(context.Context, *event.Event) (groupcommit.Receipt, error) {
		t.Error("something was published")
		return groupcommit.Receipt{}, nil
	})
	url, _, _ := start(t, s)
	r := signed(t, url+"/webhooks/plain", "{}")
	r.Header.Set("X-Long", strings.Repeat("x", maxHeaderBytes+4096)) // net/http allows itself 4 KiB
	if resp, _ := do(t, r); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answer %d", resp.StatusCode)
	}
}

func TestServeFails(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("serving on a closed listener succeeds")
	}
}
