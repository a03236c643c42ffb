package bench

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// receiver is the HTTP server that endpoints stand for. It takes requests at /<run>/<endpoint> of the run that is being
// counted, and everywhere else takes and forgets them.
type receiver struct {
	listener net.Listener
	server   *http.Server
	tally    atomic.Pointer[tally] // nil: nothing is being counted
}

func newReceiver(address string) (*receiver, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("starting the receiver: %w", err)
	}
	r := &receiver{listener: l}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go r.server.Serve(l) // until close
	return r, nil
}

// url is where this process reaches the receiver.
func (r *receiver) url() string { return "http://" + r.listener.Addr().String() }

func (r *receiver) close() { r.server.Close() }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	t := r.tally.Load()
	run, number, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	if t == nil || run != t.run {
		return
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(t.endpoints) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch e := &t.endpoints[i]; e.kind {
	case healthy:
		t.arrive(e, req.Header.Get("webhook-id"))
	case slow:
		t.bad.Add(1)
		t.wait(req.Context())
	case failing:
		t.bad.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}
}
