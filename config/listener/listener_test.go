package listener

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve serves one kind of request, and returns its address and how it ended.
func serve(t *testing.T, ctx context.Context, drain time.Duration, log io.Writer, answer http.HandlerFunc) (url string, ended <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}, l, drain, slog.New(slog.NewTextHandler(log, nil)))
	}()
	return "http://" + l.Addr().String(), done
}

func TestStopFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	arrived, answer := make(chan struct{}), make(chan struct{})
	url, ended := serve(t, ctx, time.Minute, io.Discard, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-answer
		w.WriteHeader(http.StatusTeapot)
	})
	status := make(chan int, 1)
	go func() {
		res, err := http.Get(url)
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		res.Body.Close()
		status <- res.StatusCode
	}()
	<-arrived
	stop()
	close(answer)
	if got := <-status; got != http.StatusTeapot {
		t.Errorf("the request in flight was answered %d", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if res, err := http.Get(url); err == nil {
		res.Body.Close()
		t.Error("it takes connections after its end")
	}
}

func TestStopCutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var log bytes.Buffer
	url, ended := serve(t, ctx, time.Millisecond, &log, func(_ http.ResponseWriter, r *http.Request) {
		stop()
		<-r.Context().Done()
	})
	if res, err := http.Get(url); err == nil {
		res.Body.Close()
		t.Errorf("the request that does not end was answered %d", res.StatusCode)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "requests in flight were canceled") {
		t.Errorf("the log has only %q", &log)
	}
}

func TestClosedListenerIsAnError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), &http.Server{ReadHeaderTimeout: time.Minute}, l, time.Minute, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it served on a closed listener")
	}
}
