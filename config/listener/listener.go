// Package listener serves HTTP until it is told to stop, and then finishes what is in flight. What is answered, and within
// which limits, is the caller's.
package listener

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers requests on l, with TLS if server has a TLSConfig, until ctx ends. Then it takes no more connections, finishes
// the requests in flight, cuts off those that take longer than drain, and returns nil. An error is why it could not serve.
func Serve(ctx context.Context, server *http.Server, l net.Listener, drain time.Duration, log *slog.Logger) error {
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig == nil {
			failed <- server.Serve(l)
			return
		}
		failed <- server.ServeTLS(l, "", "")
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(draining); errors.Is(err, context.DeadlineExceeded) {
		log.Warn("shutdown timed out; requests in flight were canceled", "after", drain)
		server.Close()
	}
	return nil
}
