package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// natsServer runs a nats-server of its own on the address, until stop.
func natsServer(t *testing.T, address, dir string) (stop func()) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewServer(&server.Options{
		Host: host, Port: n, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, MaxPayload: 9 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(limit) {
		t.Fatal("nats-server did not start")
	}
	stop = func() { s.Shutdown(); s.WaitForShutdown() }
	t.Cleanup(stop)
	return stop
}

// The cluster goes away and comes back: meanwhile senders are told to come again, and afterwards all goes on
// without a restart.
func TestNATSGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	address, dir := freePort(t), t.TempDir()
	stop := natsServer(t, address, dir)
	p := newProcess(t, "JETHOOK_NATS_URL=nats://"+address)
	s := newSink(t, func(int) int { return http.StatusOK })
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	l := startLoad(p, 4)
	s.await(t, "deliveries flow", func() bool { return len(s.first) > 100 })

	stop()
	p.await(t, "readyz", http.StatusServiceUnavailable)
	p.await(t, "healthz", http.StatusOK)
	status, retryAfter := p.post(t.Context(), http.DefaultClient, "meanwhile", secret)
	if seconds, err := strconv.Atoi(retryAfter); status != http.StatusServiceUnavailable || err != nil || seconds < 1 {
		t.Errorf("meanwhile: got %d with Retry-After %q", status, retryAfter)
	}

	natsServer(t, address, dir)
	p.await(t, "readyz", http.StatusOK)
	l.stop()
	if status, _ := p.post(t.Context(), http.DefaultClient, "afterwards", secret); status/100 != 2 {
		t.Errorf("afterwards: got %d", status)
	}
	s.await(t, "all that was accepted arrives", func() bool {
		for id := range l.accepted {
			if _, ok := s.first[id]; !ok {
				return false
			}
		}
		return !s.first["afterwards"].IsZero()
	})
	p.signal(t, syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.log)
	}
}

// Receiving and delivering as processes of their own, two of each, on one cluster.
func TestSeparateProcessesShareTheWork(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	natsServer(t, address, t.TempDir())
	in, out, out2 := newProcess(t, "JETHOOK_NATS_URL=nats://"+address), newProcess(t, "JETHOOK_NATS_URL=nats://"+address),
		newProcess(t, "JETHOOK_NATS_URL=nats://"+address)
	in.start(t, "ingest")
	out.start(t, "consume")
	out2.start(t, "consume")
	s := newSink(t, func(int) int { return http.StatusOK })
	out.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	const n = 500
	for i := range n {
		if status, _ := in.post(t.Context(), http.DefaultClient, fmt.Sprint("evt_", i), secret); status/100 != 2 {
			t.Fatalf("got %d", status)
		}
		if i == n/2 { // what one held, the other takes over
			out.kill(t)
		}
	}
	s.await(t, "all arrive", func() bool { return len(s.first) == n })
}

// A stop while a delivery is under way waits for it.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	s := newSink(t, nil)
	s.answer = func(int) int { close(arrived); <-release; return http.StatusOK }
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status/100 != 2 {
		t.Fatalf("got %d", status)
	}
	<-arrived
	p.signal(t, syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	for { // until it takes no more connections
		conn, err := net.Dial("tcp", p.public)
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended with a delivery in flight: %v", err)
	default:
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("stopping: %v\n%s", err, p.log)
	}
	p.start(t, "serve")
	var list struct {
		Items []struct{ Status string } `json:"items"`
	}
	p.api(t, "GET", "/api/v1/deliveries", "", &list)
	if len(list.Items) != 1 || list.Items[0].Status != "delivered" {
		t.Errorf("after the restart: %+v", list)
	}
	if n := len(s.tries["evt_1"]); n != 1 {
		t.Errorf("it was delivered %d times", n)
	}
}
