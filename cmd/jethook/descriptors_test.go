package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// from is an HTTP client with an address of its own, that keeps no connection.
func from(address string) *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext,
			DisableKeepAlives: true,
		},
	}
}

// idle opens connections on which a first request is answered and none follows, and holds them until the test ends.
func idle(t *testing.T, to, address string, n int) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 10 * time.Second}
	for range n {
		conn, err := d.Dial("tcp", to)
		if err != nil {
			return // the process takes no more
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(conn, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := conn.Read(make([]byte, 512)); err != nil {
			return
		}
	}
}

// greetNATS opens a connection of a NATS client, which says this and nothing more until the test ends.
func (p *process) greetNATS(t *testing.T, greeting string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.nats, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, greeting)
}

// A process that may open few files, on which strangers hold more connections than that, still takes webhooks, and its
// admin listener answers.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems have one loopback address")
	}
	p := newProcess(t)
	p.launch(t, exec.Command("/bin/sh", "-c", `ulimit -n 512 && exec "$0" serve`, binary))
	check := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if status, _ := p.post(ctx, from("127.0.0.1"), when, secret); status != http.StatusAccepted {
			t.Errorf("%s: a webhook is answered %d", when, status)
		}
		res, err := from("127.0.0.1").Get("http://" + p.admin + "/readyz")
		if err != nil {
			t.Fatalf("%s: the admin listener: %v", when, err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: not ready: %s", when, res.Status)
		}
	}
	check("before")
	idle(t, p.public, "127.0.9.1", 700)
	check("one stranger")
	for i := range 10 {
		idle(t, p.public, fmt.Sprint("127.0.8.", i+1), 70)
	}
	check("ten strangers")
	for _, greeting := range []string{"", "CONNECT {}\r\n"} {
		for range 600 {
			p.greetNATS(t, greeting)
		}
		check("NATS clients" + greeting[:min(7, len(greeting))])
		if greeting == "" { // who says nothing keeps no service out
			natsClient(t, "nats://"+p.nats)
		}
	}
	p.until(t, "it says that there are too many", func() bool {
		p.greetNATS(t, "CONNECT {}\r\n") // of those before, some were cut off before they had logged in
		return strings.Count(p.log.String(), "NATS client limit reached") == 1
	})
	p.kill(t) // its log is written to until then
	if got := strings.Count(p.log.String(), "connection limit reached"); got != 1 {
		t.Errorf("%d warnings: %s", got, p.log)
	}
}
