package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A proxy that is down is no endpoint's fault: a delivery with a single attempt waits for it, and is made once it is there.
func TestProxyThatIsDownUsesNoAttemptUp(t *testing.T) {
	t.Parallel()
	proxy := freePort(t)
	p := newProcess(t, "JETHOOK_EGRESS_PROXY=http://user:s3cret@"+proxy)
	p.start(t, "serve")
	s := newSink(t, func(int) int { return http.StatusOK })
	id := p.endpoint(t, "behind", s.url, `,"retry_schedule":[]`)
	p.emit(t, "", "evt_1")
	p.until(t, "an attempt that the proxy is down for", func() bool {
		_, answer := p.ask(t, "POST", "/api/v1/endpoints/"+id+"/test", `{}`)
		return strings.Contains(string(answer), `"class":"proxy"`)
	})

	l, err := net.Listen("tcp", proxy)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(connect)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	s.await(t, "the delivery through the proxy", func() bool { return len(s.tries["evt_1"]) > 0 })
	if got := s.tries["evt_1"]; got[0] != "1" {
		t.Errorf("it came as attempt %s", got[0])
	}
	var dead struct{ Items []any }
	if p.api(t, "GET", "/api/v1/dead", "", &dead); len(dead.Items) != 0 {
		t.Errorf("%d deliveries are dead", len(dead.Items))
	}
	var e struct {
		FailingSince string `json:"failing_since"`
	}
	if p.api(t, "GET", "/api/v1/endpoints/"+id, "", &e); e.FailingSince != "" {
		t.Errorf("the endpoint is failing since %s", e.FailingSince)
	}
	if strings.Contains(p.log.String(), "s3cret") {
		t.Error("the proxy's password is in the log")
	}
}

// connect answers CONNECT as a proxy does.
func connect(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(conn, to); conn.Close() }()
	io.Copy(to, conn)
}
