package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/bustest"
)

// steadyClient is a client of NATS, which comes back as often as the server does.
func steadyClient(t *testing.T, url string, opts ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	steady := []nats.Option{nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond)}
	return bustest.ClientOf(t, url, append(steady, opts...)...)
}

// natsClient is a client of the network, and tells what it is refused.
func natsClient(t *testing.T, url string, opts ...nats.Option) (nc *nats.Conn, refused <-chan string) {
	t.Helper()
	errs := make(chan string, 1000)
	opts = append(opts, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err.Error() }))
	nc, _ = steadyClient(t, url, opts...)
	return nc, errs
}

func (p *process) settings(t *testing.T, name string) string {
	t.Helper()
	for i := len(p.env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(p.env[i], name+"="); ok {
			return value
		}
	}
	t.Fatalf("%s is not set", name)
	return ""
}

// bridged has the process deliver to a sink, and returns what posts a webhook and what shows an event's delivery.
func bridged(t *testing.T, p *process) (s *sink, came func(id string)) {
	t.Helper()
	s = newSink(t, func(int) int { return http.StatusOK })
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>","events.>"]}`, nil)
	return s, func(id string) {
		t.Helper()
		s.await(t, id+" is delivered", func() bool { return len(s.tries[id]) > 0 })
	}
}

// Who connects from this machine is a service: it sees webhooks, and its events are delivered. It can neither forge a
// webhook, directly or by an answer or a delivery of the server, nor read a bucket, nor touch Jethook's consumers. The
// token for administrators lies where its owner reads it.
func TestServiceOfTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_NATS_ADMIN_TOKEN=")
	p.start(t, "serve")
	s, came := bridged(t, p)
	nc, refused := natsClient(t, "nats://"+p.nats)
	webhooks, err := nc.SubscribeSync("webhooks.>")
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	forged := &nats.Msg{Subject: "events.forged", Data: []byte(`{"id":"forged"}`), Header: nats.Header{"Jethook-Id": {"forged"}}}
	if _, err := js.PublishMsg(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	came("forged")
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if m, err := webhooks.NextMsg(limit); err != nil || m.Header.Get("Jethook-Id") != "evt_1" {
		t.Fatal(m, err)
	}
	came("evt_1")

	push := `{"stream_name":"EVENTS","config":{"deliver_subject":"webhooks.acme.x","ack_policy":"none","name":"push"}}`
	for _, m := range []nats.Msg{
		{Subject: "webhooks.acme.x", Data: []byte("{}")},
		{Subject: "events.x", Reply: "webhooks.acme.x"},
		{Subject: "$JS.API.DIRECT.GET.EVENTS", Reply: "webhooks.acme.x", Data: []byte(`{"seq":1}`)},
		{Subject: "$JS.API.CONSUMER.CREATE.EVENTS.push", Reply: nc.NewInbox(), Data: []byte(push)},
		{Subject: "$JS.API.CONSUMER.DELETE.EVENTS.jethook", Reply: nc.NewInbox()},
		{Subject: "$JS.API.CONSUMER.MSG.NEXT.WEBHOOKS.jethook", Reply: nc.NewInbox()},
		{Subject: "$JS.API.DIRECT.GET.KV_jethook_endpoints", Reply: nc.NewInbox(), Data: []byte(`{"seq":1}`)},
		{Subject: "$KV.jethook_sources.acme", Data: []byte(`{}`)},
		{Subject: "jethook.due.ep_1", Data: []byte("{}")},
		{Subject: "$JS.API.STREAM.PURGE.WEBHOOKS", Reply: nc.NewInbox()},
	} {
		if err := nc.PublishMsg(&m); err != nil {
			t.Fatal(err)
		}
		select {
		case text := <-refused:
			if !strings.Contains(text, "Permissions Violation for Publish") {
				t.Errorf("%s: %s", m.Subject, text)
			}
		case <-time.After(limit):
			t.Fatalf("%s with reply %s is not refused", m.Subject, m.Reply)
		}
	}
	if _, err := js.Publish(t.Context(), "events.last", nil); err != nil { // it is stored behind all of these
		t.Fatal(err)
	}
	file := filepath.Join(p.settings(t, "JETHOOK_DATA_DIR"), "nats-admin-token")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, ojs := steadyClient(t, "nats://"+strings.TrimSpace(string(token))+"@"+p.nats)
	for name, want := range map[string]uint64{"WEBHOOKS": 1, "EVENTS": 2, "KV_jethook_sources": 0, "DELIVERIES": 0} {
		stream, err := ojs.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := stream.CachedInfo().State.Msgs; got != want {
			t.Errorf("%s has %d messages, want %d", name, got, want)
		}
	}
	if m, err := webhooks.NextMsg(time.Millisecond); err == nil {
		t.Errorf("the service sees %s: %s", m.Subject, m.Data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(p.log.String(), strings.TrimSpace(string(token))) {
		t.Error("the token is in the log")
	}
}

// Without a login the server opens to no network.
func TestOpenServerStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{":4222", "0.0.0.0:0", "[::]:0", "192.0.2.1:4222", "nats.example.com:4222"} {
		p := newProcess(t, "JETHOOK_NATS_LISTEN="+listen)
		cmd := exec.Command(binary, "serve")
		cmd.Env = p.env
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "JETHOOK_NATS_LISTEN") || !strings.Contains(string(out), "set JETHOOK_NATS_TOKEN") {
			t.Errorf("%s: %v\n%s", listen, err, out)
		}
	}
}

// With a token the server takes clients of the network, who must show it; listen, and the image's start, go by it.
func TestTokenOpensTheServer(t *testing.T) {
	t.Parallel()
	const token = "services-of-the-tests"
	p := newProcess(t, "JETHOOK_NATS_TOKEN="+token)
	_, port, err := net.SplitHostPort(p.nats)
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "JETHOOK_NATS_LISTEN=:"+port)
	p.start(t, "serve")
	if _, err := nats.Connect("nats://" + p.nats); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without the token: %v", err)
	}
	ear := p.listening(t, "webhooks.>", "--limit", "1", "--json")
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if h := ear.heard(); h.ID != "evt_1" {
		t.Errorf("it hears %+v", h)
	}
	if code, last := ear.end(); code != 0 {
		t.Errorf("%d: %s", code, last)
	}
}

// Jethook runs on a cluster under exactly the accounts of the manual; a service there does what it may, and nothing that
// it tries beyond gets to Jethook's account.
func TestREADMEAccounts(t *testing.T) {
	t.Parallel()
	address := readmeCluster(t, readmeOptions(t))
	p := newProcess(t, "JETHOOK_NATS_URL=nats://jethook:jethook-password@"+address)
	p.start(t, "serve")
	_, came := bridged(t, p)
	operator, refused := natsClient(t, "nats://jethook:jethook-password@"+address)
	ojs, err := jetstream.New(operator)
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"WEBHOOKS", "EVENTS"} {
		if _, err := ojs.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{Durable: "orders", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			t.Fatal(err)
		}
	}
	nc, _ := natsClient(t, "nats://orders:orders-password@"+address)
	js, err := jetstream.NewWithDomain(nc, "jethook")
	if err != nil {
		t.Fatal(err)
	}
	webhooks, err := nc.SubscribeSync("webhooks.>")
	if err != nil {
		t.Fatal(err)
	}
	if ack, err := js.Publish(t.Context(), "events.order.paid", []byte("{}"), jetstream.WithMsgID("evt_order")); err != nil || ack.Stream != "EVENTS" {
		t.Fatal(ack, err)
	}
	came("evt_order")
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status != http.StatusAccepted {
		t.Fatal(status)
	}
	came("evt_1")
	if m, err := webhooks.NextMsg(limit); err != nil || m.Header.Get("Jethook-Id") != "evt_1" {
		t.Fatal(m, err)
	}
	c, err := js.Consumer(t.Context(), "WEBHOOKS", "orders")
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchMaxWait(limit))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil || m.Headers().Get("Jethook-Id") != "evt_1" {
		t.Fatal(m.Headers(), err)
	}
	before := lastSequences(t, ojs)
	overstep(t, nc)
	if after := lastSequences(t, ojs); after != before {
		t.Errorf("it was %s\nand is %s", before, after)
	}
	if len(refused) > 0 || strings.Contains(p.log.String(), "ermission") {
		t.Errorf("Jethook's own login is refused something: %d\n%s", len(refused), p.log)
	}
}

// overstep has a service on the cluster try what it may not.
func overstep(t *testing.T, nc *nats.Conn) {
	t.Helper()
	const target = "webhooks.acme.forged"
	push := []byte(`{"stream_name":"EVENTS","config":{"deliver_subject":"` + target + `","ack_policy":"none","name":"push"}}`)
	for _, prefix := range []string{"$JS.API.", "$JS.jethook.API."} {
		for subject, data := range map[string][]byte{
			"STREAM.DELETE.WEBHOOKS": nil, "STREAM.PURGE.EVENTS": nil, "STREAM.UPDATE.EVENTS": []byte(`{"name":"EVENTS","subjects":["x"]}`),
			"STREAM.MSG.GET.KV_jethook_endpoints": []byte(`{"seq":1}`), "DIRECT.GET.KV_jethook_endpoints": []byte(`{"seq":1}`),
			"CONSUMER.CREATE.EVENTS.push": push, "CONSUMER.CREATE.EVENTS.orders": push, "CONSUMER.CREATE.EVENTS": push, "CONSUMER.DELETE.EVENTS.jethook": nil,
			"CONSUMER.MSG.NEXT.EVENTS.jethook": nil, "CONSUMER.INFO.EVENTS.jethook": nil, "CONSUMER.DELETE.EVENTS.orders": nil,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			m, err := nc.RequestWithContext(ctx, prefix+subject, data)
			cancel()
			if err == nil && !bytes.Contains(m.Data, []byte(`"error"`)) {
				t.Errorf("%s%s is answered: %s", prefix, subject, m.Data)
			}
		}
	}
	for _, m := range []nats.Msg{
		{Subject: target, Data: []byte("{}")},
		{Subject: "$KV.jethook_endpoints.ep_x", Data: []byte("{}")},
		{Subject: "jethook.due.ep_x", Data: []byte("{}")},
		{Subject: "jethook.ops.endpoint.failing", Data: []byte("{}")},
		{Subject: "jethook.rpc.status", Reply: target},
		{Subject: "$JS.jethook.API.CONSUMER.MSG.NEXT.EVENTS.orders", Reply: target, Data: []byte(`{"batch":1}`)},
		{Subject: "$JS.jethook.API.CONSUMER.INFO.EVENTS.orders", Reply: target},
		{Subject: "$JS.ACK.EVENTS.jethook.1.1.1.1700000000000000000.0"},
	} {
		if err := nc.PublishMsg(&m); err != nil {
			t.Fatal(err)
		}
	}
	// What comes behind is answered after all of them.
	if _, err := nc.Request("$JS.jethook.API.CONSUMER.INFO.EVENTS.orders", nil, limit); err != nil {
		t.Fatal(err)
	}
}

// lastSequences tells how many messages each stream ever got, and which consumers it has.
func lastSequences(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var out strings.Builder
	for info := range js.ListStreams(t.Context()).Info() {
		if info.Config.Name == "HISTORY" { // written a moment after a delivery
			continue
		}
		stream, err := js.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(info.Config.Name + " ")
		for name := range stream.ConsumerNames(t.Context()).Name() {
			out.WriteString(name + " ")
		}
		out.WriteString(time.Duration(info.State.LastSeq).String() + "\n")
	}
	return out.String()
}

// Clients that begin large messages and never end them take no more memory than is set aside for large ones, and the
// small ones of others go through.
func TestStalledMessagesTakeLittleMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	p := newProcess(t)
	p.start(t, "serve")
	part := make([]byte, 8_000_000-1)
	var all sync.WaitGroup
	for range 60 {
		conn, err := net.DialTimeout("tcp", p.nats, limit)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(3 * time.Second))
		all.Go(func() {
			fmt.Fprintf(conn, "CONNECT {}\r\nPUB events.large %d\r\n", len(part)+1)
			conn.Write(part) //nolint:errcheck // those that wait can't
		})
	}
	all.Wait()
	_, js := steadyClient(t, "nats://"+p.nats)
	if ack, err := js.Publish(t.Context(), "events.small", nil); err != nil || ack.Stream != "EVENTS" {
		t.Error(ack, err)
	}
	if peak := p.peakRSS(t); peak > 300<<20 {
		t.Errorf("RSS was %d MB", peak>>20)
	}
}
