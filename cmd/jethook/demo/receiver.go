package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver is the demo's own HTTP endpoint: it refuses the first attempt of every event and takes the second.
type receiver struct {
	out      *printer
	listener net.Listener
	verifier *standardwebhooks.Webhook

	mu       sync.Mutex // guards what follows
	attempts map[string]int
	accepted int
	want     int
	done     chan struct{} // closed when want events are accepted
}

func newReceiver(out *printer) (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the receiver: %w", err)
	}
	return &receiver{out: out, listener: l, attempts: make(map[string]int), want: -1, done: make(chan struct{})}, nil
}

func (r *receiver) url() string { return "http://" + r.listener.Addr().String() + "/" }

// trust sets the endpoint's secret, with which every request is verified by the Standard Webhooks library.
func (r *receiver) trust(secret string) error {
	v, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return fmt.Errorf("reading the endpoint's secret: %w", err)
	}
	r.verifier = v
	return nil
}

func (r *receiver) serve(ctx context.Context) error {
	s := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(r.listener); err != http.ErrServerClosed {
		return fmt.Errorf("running the receiver: %w", err)
	}
	return nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err == nil {
		err = r.verifier.Verify(body, req.Header)
	}
	if err != nil {
		r.out.say("  receiver  401: %v", err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	id := req.Header.Get("webhook-id")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts[id]++
	if r.attempts[id] == 1 {
		r.out.say("  receiver  503 to %s, attempt %s of %s", req.Header.Get("Jethook-Type"), req.Header.Get("Jethook-Attempt"), id)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.out.say("  receiver  200 to %s, attempt %s of %s: signature verified", req.Header.Get("Jethook-Type"), req.Header.Get("Jethook-Attempt"), id)
	w.WriteHeader(http.StatusOK)
	if r.accepted++; r.accepted == r.want {
		close(r.done)
	}
}

// all returns a channel that is closed once n events were accepted.
func (r *receiver) all(n int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want = n; r.accepted >= n {
		close(r.done)
	}
	return r.done
}
