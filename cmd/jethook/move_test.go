package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/moving"
	"jethook/publish/topology"
)

// Everything moves to a cluster while senders send, and each of them gets 202. Deliveries go on there: what waited at its
// time, dead letters are dead and can be replayed, and nothing that was delivered comes again.
func TestMoveUnderLoad(t *testing.T) {
	t.Parallel()
	target := freePort(t)
	natsServer(t, target, t.TempDir())
	p := newProcess(t)
	b := newBackedUpWhere(t, p, few)
	services, late := newSink(t, func(int) int { return http.StatusOK }), newSink(t, func(n int) int {
		if n == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"services","url":"`+services.url+`","events":["events.plain"]}`, nil)
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"late","url":"`+late.url+`","events":["events.late"],"retry_schedule":["20s"]}`, nil)
	l := startTraffic(p, "evt_")
	b.good.await(t, "deliveries flow", func() bool { return len(b.good.first) > 200 })
	p.api(t, "POST", "/api/v1/events", `{"type":"late","id":"late_1","data":{}}`, nil)
	late.await(t, "the first attempt", func() bool { return late.n == 1 })

	m := beginMove(t, p, "--to", "nats://"+target)
	m.says(t, taken)
	l.flows(t)
	places := map[string]bool{}
	_, js := steadyClient(t, "nats://"+p.nats)
	for range 3 {
		ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "events.plain", Data: []byte(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		places[fmt.Sprint("EVENTS-", ack.Sequence)] = true
	}
	consume, ingest := newProcess(t, "JETHOOK_NATS_URL=nats://"+target), newProcess(t, "JETHOOK_NATS_URL=nats://"+target)
	consume.nats = target
	consume.start(t, "consume")
	up := time.Now()
	ingest.start(t, "ingest")
	b.good.await(t, "deliveries flow on the cluster", func() bool { return b.good.latest.After(up) })
	l.to.Store(ingest)
	l.flows(t)
	p.terminate(t)
	m.ends(t)
	l.flows(t)
	l.stop()
	if len(l.refused) > 0 {
		t.Errorf("senders got %v", l.refused)
	}

	b.heal()
	b.settles(t, consume, l.accepted)
	services.await(t, "events of services come by their places", func() bool { return services.hasAll(places) })
	late.await(t, "the second attempt", func() bool { return late.n == 2 })
	late.mu.Lock()
	due, at := late.first["late_1"].Add(20*time.Second), late.latest
	late.mu.Unlock()
	if at.Before(due.Add(-time.Second)) || at.After(later(due, up).Add(10*time.Second)) {
		t.Errorf("the second attempt came at %s, and was due at %s", at, due)
	}
	b.good.once(t)
	services.once(t)
	if n := len(services.tries); n != len(places) {
		t.Errorf("services' events came by %d ids, want %d", n, len(places))
	}
	b.replays(t, consume)
	if _, stderr, err := p.command(t, "serve"); err == nil || !strings.Contains(stderr, "set JETHOOK_NATS_URL") || !strings.Contains(stderr, target) {
		t.Errorf("it starts from a store that was moved: %v\n%s", err, stderr)
	}
	if _, stderr, err := p.command(t, "move", "--cancel"); err == nil || !strings.Contains(stderr, "can't be taken back") {
		t.Errorf("it takes a move back whose cluster delivers: %v\n%s", err, stderr)
	}
}

// few is which events two of the endpoints refuse: all that wait come at once when the cluster has them, and more would open the
// circuits.
func few(id string) bool { return strings.HasSuffix(id, "00") }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// replays checks that dead letters can be replayed.
func (b *backedUp) replays(t *testing.T, p *process) {
	t.Helper()
	dead := p.deadIDs(t)
	b.dies.mu.Lock()
	b.dies.judge = func(string) int { return http.StatusOK }
	clear(b.dies.first)
	b.dies.mu.Unlock()
	p.api(t, "POST", "/api/v1/dead/replay", `{"endpoint":"`+b.id+`"}`, nil)
	b.dies.await(t, "dead letters are replayed", func() bool { return len(dead) > 0 && b.dies.hasAll(dead) })
}

// A move that is killed anywhere is done by running it again; and so it is when serve is killed while it only receives, and a server
// of the cluster while events are forwarded. What was acknowledged is delivered, once.
func TestMoveKilled(t *testing.T) {
	t.Parallel()
	nodes := startNodes(t)
	var urls []string
	for _, n := range nodes {
		urls = append(urls, "nats://"+n.client)
	}
	list := strings.Join(urls, ",")
	p := newProcess(t)
	b := newBackedUpWhere(t, p, few)
	l := startTraffic(p, "evt_")
	b.good.await(t, "deliveries flow", func() bool { return len(b.good.first) > 200 })
	mover := *p
	mover.env = append(append([]string(nil), p.env...), "JETHOOK_REPLICAS=3")
	for _, at := range []string{"WEBHOOKS: ", "DELIVERIES: ", "HISTORY: restored", taken, taken} {
		m := beginMove(t, &mover, "--to", list)
		m.says(t, at)
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // the random moment
		m.kill(t)
		l.flows(t)
	}
	l.stop()
	if len(l.refused) > 0 {
		t.Errorf("senders got %v", l.refused)
	}
	p.kill(t)
	p.start(t, "serve")
	m := beginMove(t, &mover, "--to", list)
	m.says(t, taken)
	more := startTraffic(p, "more_")
	more.flows(t)
	p.kill(t)
	m.says(t, "nobody receives on the cluster")
	p.start(t, "serve") // its place was kept free
	more.flows(t)
	nodes[0].signal(t, syscall.SIGKILL)
	more.flows(t)
	nodes[0].start(t)
	more.stop()

	env := []string{"JETHOOK_NATS_URL=" + list, "JETHOOK_REPLICAS=3"}
	consume, ingest := newProcess(t, env...), newProcess(t, env...)
	consume.nats = nodes[1].client
	consume.start(t, "consume")
	ingest.start(t, "ingest")
	p.kill(t)
	m.ends(t)
	for id := range more.accepted {
		l.accepted[id] = true
	}
	b.heal()
	b.settles(t, consume, l.accepted)
	b.good.once(t)
	b.replays(t, consume)
}

// Bodies that fit into no message of the cluster are moved, too; and a move whose store nobody serves any more ends by itself.
func TestMoveOfLargeBodies(t *testing.T) {
	t.Parallel()
	target := smallServer(t)
	large := []string{"JETHOOK_LARGE_BODIES=true", "JETHOOK_SOURCE_ACME_MAX_BODY=25MiB"}
	p := newProcess(t, large...)
	p.start(t, "serve")
	all := map[string][]byte{}
	for id, n := range map[string]int{"copied_aside": 12_000_000, "forwarded_aside": 13_000_000, "forwarded_message": 4_000_000} {
		all[id] = fmt.Appendf(nil, `{"id":%q,"type":"thing.happened","text":"%s"}`, id, bytes.Repeat([]byte("0123456789"), n/10))
	}
	var well atomic.Bool
	whole := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("webhook-id")
		if got, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(got, all[id]) {
			t.Errorf("%s came with %d bytes: %v", id, len(got), err)
		}
		if !well.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		whole <- id
	}))
	t.Cleanup(srv.Close)
	p.api(t, "POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":"large","url":%q,"events":["webhooks.>"],"retry_schedule":["2s"%s]}`, srv.URL, strings.Repeat(`,"2s"`, 19)), nil)
	post := func(id string) {
		t.Helper()
		if status := p.postBody(t, all[id], secret); status != http.StatusAccepted {
			t.Fatalf("%s: %d", id, status)
		}
	}
	post("copied_aside")
	p.awaitListed(t, "waiting", 1, func(*listed) bool { return true })
	m := beginMove(t, p, "--to", "nats://"+target)
	m.says(t, taken)
	post("forwarded_aside")
	post("forwarded_message")
	m.kill(t)
	p.terminate(t)
	p.must(t, "move", "--to", "nats://"+target)
	well.Store(true)
	newProcess(t, append(large, "JETHOOK_NATS_URL=nats://"+target)...).start(t, "consume")
	for got := map[string]bool{}; len(got) < len(all); {
		select {
		case id := <-whole:
			got[id] = true
		case <-time.After(limit):
			t.Fatalf("only these came: %v", got)
		}
	}
}

// A store that nobody serves is moved at once, encrypted or not.
func TestMoveOfAStoppedStore(t *testing.T) {
	t.Parallel()
	target := freePort(t)
	natsServer(t, target, t.TempDir())
	p := newProcess(t, "JETHOOK_ENCRYPTION_KEY=a-key-of-the-tests-0123456789abcd")
	b := newBackedUp(t, p)
	before := map[string]bool{}
	for i := range 50 {
		id := fmt.Sprint("evt_", i)
		if status, _ := p.post(t.Context(), http.DefaultClient, id, secret); status != http.StatusAccepted {
			t.Fatal(status)
		}
		before[id] = true
	}
	b.waits.await(t, "all came once", func() bool { return b.waits.hasAll(before) })
	p.kill(t)
	p.must(t, "move", "--to", "nats://"+target)
	if out := p.must(t, "move", "--to", "nats://"+target); out != "" {
		t.Errorf("a second time it prints %q", out)
	}
	again := p.anew(t, "JETHOOK_NATS_URL=nats://"+target)
	again.nats = target
	b.holds(t, again, before)
}

// A move that has not copied all yet can be taken back. Until then the process receives, says so, and changes nothing; then
// it goes on, and what waited is delivered.
func TestMoveTakenBack(t *testing.T) {
	t.Parallel()
	target := freePort(t)
	natsServer(t, target, t.TempDir())
	p := newProcess(t)
	p.start(t, "serve")
	held := make(chan struct{})
	s := newSink(t, func(int) int { return http.StatusOK })
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	t.Cleanup(slow.Close)
	var once sync.Once
	let := func() { once.Do(func() { close(held) }) }
	t.Cleanup(let)
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"slow","url":"`+slow.URL+`","events":["webhooks.>"]}`, nil)
	post := func(id string) {
		t.Helper()
		if status, _ := p.post(t.Context(), http.DefaultClient, id, secret); status != http.StatusAccepted {
			t.Fatal(status)
		}
	}
	post("before")
	s.await(t, "it is delivered", func() bool { return s.n == 1 })
	m := beginMove(t, p, "--to", "nats://"+target)
	m.says(t, "waiting for serve") // for the endpoint that does not answer
	m.kill(t)
	let()
	p.yields(t)
	post("meanwhile")
	p.kill(t)
	p.start(t, "serve")
	p.yields(t)
	if code, answer := p.ask(t, "POST", "/api/v1/events", `{"type":"thing","data":{}}`); code != http.StatusServiceUnavailable || !strings.Contains(string(answer), `"moving"`) {
		t.Errorf("a change is answered %d %s", code, answer)
	}
	if out := p.must(t, "status"); !strings.Contains(out, "MOVING      to nats://"+target) {
		t.Errorf("status says %s", out)
	}
	s.mu.Lock()
	if len(s.tries["meanwhile"]) > 0 {
		t.Error("a store that is being moved delivers")
	}
	s.mu.Unlock()
	p.must(t, "move", "--cancel")
	s.await(t, "what waited is delivered", func() bool { return len(s.tries["meanwhile"]) == 1 })
	p.api(t, "POST", "/api/v1/events", `{"type":"thing","data":{}}`, nil)
	if _, stderr, err := p.command(t, "move", "--cancel"); err == nil || !strings.Contains(stderr, "is not being moved") {
		t.Errorf("it cancels what is not: %v\n%s", err, stderr)
	}
	again := p.anew(t, "JETHOOK_NATS_URL=nats://"+target)
	again.refusesToStart(t)
}

// yields waits until the process says that its store is being moved.
func (p *process) yields(t *testing.T) {
	t.Helper()
	eventually(t, "it says that the store is being moved", func() bool {
		code, answer := p.ask(t, "GET", "/readyz", "")
		return code == http.StatusOK && strings.Contains(string(answer), "being moved")
	})
}

// A move refuses what would go wrong, and changes nothing then.
func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	running, occupied := freePort(t), freePort(t)
	natsServer(t, running, t.TempDir())
	natsServer(t, occupied, t.TempDir())
	other := newProcess(t, "JETHOOK_NATS_URL=nats://"+running)
	other.start(t, "consume")
	_, js := steadyClient(t, "nats://"+occupied)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: topology.StreamEvents, Subjects: []string{"events.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "events.there", nil); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t)
	p.start(t, "serve")
	s := newSink(t, func(int) int { return http.StatusOK })
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	for name, c := range map[string]struct {
		env, says string
		args      []string
	}{
		"a cluster on which jethook runs": {says: "jethook is running", args: []string{"--to", "nats://" + running}},
		"a cluster with events":           {says: "pass --yes", args: []string{"--to", "nats://" + occupied}},
		"a store on a cluster":            {says: "JETHOOK_NATS_URL is set", env: "JETHOOK_NATS_URL=nats://" + running, args: []string{"--to", "nats://" + occupied}},
		"an empty data directory":         {says: "no streams of Jethook", env: "JETHOOK_DATA_DIR=" + t.TempDir(), args: []string{"--to", "nats://" + occupied}},
		"no cluster":                      {says: "pass either --to URL or --cancel"},
		"both":                            {says: "pass either --to URL or --cancel", args: []string{"--cancel", "--to", "nats://" + occupied}},
	} {
		with := *p
		with.env = append(append([]string(nil), p.env...), c.env)
		if _, stderr, err := with.command(t, append([]string{"move"}, c.args...)...); err == nil || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %v\n%s", name, err, stderr)
		}
	}
	if isThere(t, p, moving.Stream) {
		t.Error("a move that was refused has marked the store")
	}
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status != http.StatusAccepted {
		t.Fatal(status)
	}
	s.await(t, "it delivers", func() bool { return s.n == 1 })
	if st, err := js.Stream(t.Context(), topology.StreamEvents); err != nil || st.CachedInfo().State.Msgs != 1 {
		t.Error("what was on the cluster is gone", err)
	}
}
