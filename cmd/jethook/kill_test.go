package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// load sends webhooks from several connections until it is stopped, and remembers what it was told of each.
type load struct {
	stop func() // returns when no request is in flight

	mu       sync.Mutex           // guards what follows
	accepted map[string]time.Time // answered 2xx, and when
	refused  map[string]bool      // badly signed
}

func startLoad(p *process, connections int) *load {
	l := &load{accepted: map[string]time.Time{}, refused: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var serial atomic.Int64
	for range connections {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				n := serial.Add(1)
				if n%20 == 0 {
					l.send(p, client, fmt.Sprint("bad_", n), "a wrong secret")
				} else {
					l.send(p, client, fmt.Sprint("evt_", n), secret)
				}
				time.Sleep(5 * time.Millisecond) // the load
			}
		})
	}
	l.stop = func() { cancel(); wg.Wait() }
	return l
}

func (l *load) send(p *process, client *http.Client, id, key string) {
	// Not the load's context: a request that is cut off would hide what the server did.
	status, _ := p.post(context.Background(), client, id, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case status/100 == 2:
		l.accepted[id] = time.Now()
	case status == http.StatusUnauthorized:
		l.refused[id] = true
	case status == 0: // it is down: do not spin
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
		l.mu.Lock()
	}
}

// The real binary, killed 30 times at random moments under load: what got a 2xx is in the stream and reaches
// the endpoint; what was refused is in neither. After a restart deliveries flow again within 2 s, or in a small multiple of
// what the first delivery takes, at that time, of a process that starts with an empty store.
func TestKilledThirtyTimesUnderLoad(t *testing.T) {
	t.Parallel()
	killedUnderLoad(t, 30, newProcess(t))
}

// The same holds of a store that is encrypted.
func TestKilledUnderLoadWithAnEncryptedStore(t *testing.T) {
	t.Parallel()
	killedUnderLoad(t, 5, newProcess(t, "JETHOOK_ENCRYPTION_KEY=a-key-of-the-tests-0123456789abcd"))
}

func killedUnderLoad(t *testing.T, kills int, p *process) {
	t.Helper()
	s := newSink(t, func(int) int { return http.StatusOK })
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	l := startLoad(p, 8)
	var flows, fresh []time.Duration // from a start to the first delivery after it
	for i := range kills {
		if i%5 == 2 {
			fresh = append(fresh, freshStart(t))
		}
		time.Sleep(time.Duration(50+rand.IntN(450)) * time.Millisecond) // the random moment
		p.kill(t)
		restarted := time.Now()
		p.start(t, "serve")
		s.await(t, "deliveries flow again", func() bool { return s.latest.After(restarted) })
		flows = append(flows, time.Since(restarted))
	}
	l.stop()
	defer func() {
		if t.Failed() {
			var waiting any
			p.api(t, "GET", "/api/v1/deliveries?status=waiting&limit=5", "", &waiting)
			t.Logf("%d of %d arrived; waiting: %v", len(s.first), len(l.accepted), waiting)
		}
	}()
	s.await(t, "all that was accepted arrives", func() bool {
		for id := range l.accepted {
			if _, ok := s.first[id]; !ok {
				return false
			}
		}
		return true
	})
	if took, least := middle(flows), middle(fresh); took > 2*time.Second && took > 4*least {
		t.Errorf("after a restart it took %s until deliveries flowed, want at most 2 s; with an empty store it takes %s", took, least)
	}
	var dead struct{ Items []any }
	if p.api(t, "GET", "/api/v1/dead", "", &dead); len(dead.Items) > 0 {
		t.Errorf("kills made dead letters: %v", dead.Items)
	}
	stored := storedIDs(t, p)
	for id := range l.accepted {
		if !stored[id] {
			t.Errorf("%s was answered 2xx and is not in the stream", id)
		}
	}
	if len(l.refused) == 0 {
		t.Error("nothing was refused")
	}
	for id := range l.refused {
		if _, ok := s.first[id]; ok || stored[id] {
			t.Errorf("%s was refused and is stored or delivered", id)
		}
	}
	again := 0
	for _, tries := range s.tries {
		again += len(tries) - 1
	}
	t.Logf("%d kills: %d accepted, %d stored, %d requests repeated; flowing again in %s, at most %s; with an empty store in %s",
		kills, len(l.accepted), len(stored), again, middle(flows), slices.Max(flows), middle(fresh))
}

// middle is the median.
func middle(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// freshStart returns how long it takes to start with an empty store and to deliver one event.
func freshStart(t *testing.T) time.Duration {
	t.Helper()
	s := newSink(t, func(int) int { return http.StatusOK })
	p := newProcess(t)
	began := time.Now()
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status/100 != 2 {
		t.Fatalf("status %d", status)
	}
	s.await(t, "the first delivery", func() bool { return s.n > 0 })
	took := time.Since(began)
	p.kill(t)
	return took
}

// jetStream is an operator's client.
func jetStream(t *testing.T, p *process) jetstream.JetStream {
	t.Helper()
	_, js := steadyClient(t, "nats://"+p.nats, nats.Token(natsAdminToken))
	return js
}

// storedIDs reads the ids of all webhooks with a client that knows nothing of Jethook.
func storedIDs(t *testing.T, p *process) map[string]bool {
	t.Helper()
	js := jetStream(t, p)
	stream, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(t.Context(), "WEBHOOKS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer all.Stop()
	ids := map[string]bool{}
	for range stream.CachedInfo().State.Msgs {
		m, err := all.Next(jetstream.NextMaxWait(limit))
		if err != nil {
			t.Fatalf("after %d of %d webhooks: %v", len(ids), stream.CachedInfo().State.Msgs, err)
		}
		ids[m.Headers().Get("Jethook-Id")] = true
	}
	return ids
}

// After a kill, new events flow at once, and what the killed process held comes again soon.
func TestDeliveriesFlowAgainAfterAKill(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	hang := make(chan struct{})
	var hanging atomic.Bool
	s := newSink(t, func(int) int { return http.StatusOK })
	slow := newSink(t, func(int) int { return http.StatusOK })
	slow.answer = func(int) int {
		if hanging.Load() {
			slow.mu.Unlock()
			<-hang
			slow.mu.Lock()
		}
		return http.StatusOK
	}
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"slow","url":"`+slow.url+`","events":["webhooks.>"]}`, nil)

	// The slow endpoint holds what comes now, so the process holds it too; more than a few would wait on the bus.
	hanging.Store(true)
	var held []string
	for i := range 12 {
		id := fmt.Sprint("held_", i)
		if status, _ := p.post(t.Context(), http.DefaultClient, id, secret); status/100 != 2 {
			t.Fatalf("%s: status %d", id, status)
		}
		held = append(held, id)
	}
	s.await(t, "the fast endpoint has everything", func() bool { return len(s.first) == len(held) })
	p.kill(t)
	hanging.Store(false)
	close(hang)
	slow.mu.Lock()
	clear(slow.first) // what came before the kill got no answer
	slow.mu.Unlock()
	restarted := time.Now()
	p.start(t, "serve")

	if status, _ := p.post(t.Context(), http.DefaultClient, "new", secret); status/100 != 2 {
		t.Fatalf("status %d after the restart", status)
	}
	s.await(t, "a new event arrives", func() bool { return !s.first["new"].IsZero() })
	flow := s.first["new"].Sub(restarted)
	slow.await(t, "what was held comes again", func() bool {
		return !slices.ContainsFunc(held, func(id string) bool { return slow.first[id].IsZero() })
	})
	var last time.Time
	for _, id := range held {
		if at := slow.first[id]; at.After(last) {
			last = at
		}
	}
	t.Logf("after the restart: a new event arrived in %s, all that was held within %s", flow, last.Sub(restarted))
	if flow > 10*time.Second || last.Sub(restarted) > 30*time.Second {
		t.Errorf("want at most 10 s and 30 s, on a busy machine")
	}
}

// A kill while a delivery waits changes neither its time nor its number, whether it comes due while Jethook is away or
// after.
func TestKilledWhileADeliveryWaits(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]bool{"due while it is away": true, "due after it is back": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, "JETHOOK_RETRY_SCHEDULE=4s")
			s := newSink(t, func(n int) int {
				if n == 1 {
					return http.StatusInternalServerError
				}
				return http.StatusOK
			})
			p.start(t, "serve")
			p.api(t, "POST", "/api/v1/endpoints", `{"name":"sink","url":"`+s.url+`","events":["webhooks.>"]}`, nil)
			if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status/100 != 2 {
				t.Fatalf("status %d", status)
			}
			before := waitingOne(t, p)
			p.kill(t)
			if away {
				<-time.After(time.Until(before.Next)) // what passes is the time that the test is about
			}
			p.start(t, "serve")
			ready := time.Now()
			if !away {
				if after := waitingOne(t, p); after != before {
					t.Errorf("it waited as %+v, and after the kill as %+v", before, after)
				}
			}
			s.await(t, "the second attempt", func() bool { return len(s.tries["evt_1"]) == 2 })
			s.mu.Lock()
			second, tries := s.last["evt_1"], s.tries["evt_1"]
			s.mu.Unlock()
			expected := before.Next
			if ready.After(expected) {
				expected = ready
			}
			if second.Before(before.Next) || second.After(expected.Add(2*time.Second)) || tries[1] != "2" {
				t.Errorf("came at %s, due at %s, back at %s, attempts %v", second, before.Next, ready, tries)
			}
		})
	}
}

// waiting is what the API says of a delivery that waits.
type waiting struct {
	ID       string    `json:"id"`
	Next     time.Time `json:"next_attempt"`
	Attempts int       `json:"attempts"`
}

// waitingOne returns the one delivery that waits, once there is one.
func waitingOne(t *testing.T, p *process) waiting {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		var list struct {
			Items []waiting `json:"items"`
		}
		p.api(t, "GET", "/api/v1/deliveries?status=waiting", "", &list)
		if len(list.Items) == 1 {
			return list.Items[0]
		}
	}
	t.Fatal("nothing waits")
	return waiting{}
}
