package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"jethook/publish/topology"
)

// bulky is a webhook of a megabyte.
func bulky(id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"type":"thing.happened","text":"%s"}`, id, bytes.Repeat([]byte("0123456789"), 100_000))
}

// limited is a server whose clients have so much room, and must say what they want of it.
func limited(t *testing.T, limits server.JetStreamAccountLimits) (address string) {
	t.Helper()
	srv := natsWith(t, func(*server.Options) {})
	if err := srv.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(srv.ClientURL(), "nats://")
}

// A cluster that has too little room is refused with words that help. Senders and endpoints do not notice, and a later move to where
// there is room takes everything, even if each stream must say how much it may hold there.
func TestMoveWithoutRoom(t *testing.T) {
	t.Parallel()
	unlimited := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: -1, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1}
	small, required := unlimited, unlimited
	small.MaxStore = 16 << 20
	required.MaxBytesRequired, required.MaxStore = true, 2<<30
	p := newProcess(t)
	p.start(t, "serve")
	s := newSink(t, func(int) int { return http.StatusOK })
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	const events = 24
	for i := range events {
		if status := p.postBody(t, bulky(fmt.Sprint("bulky_", i)), secret); status != http.StatusAccepted {
			t.Fatal(status)
		}
	}
	s.await(t, "all are delivered", func() bool { return s.n == events })
	room := limited(t, required)
	l := startTraffic(p, "evt_")
	for _, c := range []struct{ to, env, says string }{
		{limited(t, small), "JETHOOK_REPLICAS=1", "the servers have no room for"},
		{room, "JETHOOK_WEBHOOKS_MAX_BYTES=4MiB", "raise JETHOOK_WEBHOOKS_MAX_BYTES"},
	} {
		mover := *p
		mover.env = append(append([]string(nil), p.env...), c.env)
		_, stderr, err := mover.command(t, "move", "--to", "nats://"+c.to)
		if err == nil || !strings.Contains(stderr, c.says) || !strings.Contains(stderr, "deliveries go on here") {
			t.Errorf("move to %s: %v\n%s", c.env, err, stderr)
		}
		before := l.count()
		l.flows(t)
		s.await(t, "deliveries go on", func() bool { return s.n > events+before })
	}
	m := beginMove(t, p, "--to", "nats://"+room)
	m.says(t, taken)
	l.stop()
	if len(l.refused) > 0 {
		t.Errorf("senders got %v", l.refused)
	}
	newProcess(t, "JETHOOK_NATS_URL=nats://"+room).start(t, "serve")
	p.terminate(t)
	m.ends(t)
	s.await(t, "all are delivered", func() bool { return s.hasAll(l.accepted) })
	_, js := steadyClient(t, "nats://"+room)
	st, err := js.Stream(t.Context(), topology.StreamWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	if n := int(st.CachedInfo().State.Msgs); n != events+len(l.accepted) {
		t.Errorf("WEBHOOKS holds %d events, want %d", n, events+len(l.accepted))
	}
}

// A store that is full, and refuses what senders send, is moved to where there is room, and more of it is given there.
func TestMoveOfAFullStore(t *testing.T) {
	t.Parallel()
	target := freePort(t)
	natsServer(t, target, t.TempDir())
	p := newProcess(t, "JETHOOK_WEBHOOKS_MAX_BYTES=4MiB")
	p.start(t, "serve")
	s := newSink(t, func(int) int { return http.StatusOK })
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	stored := 0
	for ; p.postBody(t, bulky(fmt.Sprint("bulky_", stored)), secret) == http.StatusAccepted; stored++ {
	}
	if status := p.postBody(t, bulky("refused"), secret); status != http.StatusServiceUnavailable || stored == 0 {
		t.Fatalf("%d were stored; then %d", stored, status)
	}
	room := []string{"JETHOOK_WEBHOOKS_MAX_BYTES=64MiB"}
	mover := *p
	mover.env = append(append([]string(nil), p.env...), room...)
	m := beginMove(t, &mover, "--to", "nats://"+target)
	m.says(t, taken)
	there := newProcess(t, append(room, "JETHOOK_NATS_URL=nats://"+target)...)
	there.start(t, "serve")
	p.terminate(t)
	m.ends(t)
	if status := there.postBody(t, bulky("more"), secret); status != http.StatusAccepted {
		t.Errorf("where there is room: %d", status)
	}
	s.await(t, "all are delivered", func() bool { return s.n == stored+1 })
}
