package cursor_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/consume/cursor"
	"jethook/publish"
	"jethook/publish/event"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

var (
	modelSeed   = flag.Uint64("model.seed", 1, "seed of the first run of TestModel")
	modelRuns   = flag.Int("model.runs", 4, "how many runs TestModel makes, each with the next seed")
	modelEvents = flag.Int("model.events", 300, "how many events each run publishes")
)

// Several processes take messages from the shared intake and from the cursors by the rules of the package, while endpoints
// leave, join, leave again, and hand over what lanes hold, watches are slow, and processes are cut off between any two
// steps: each event is decided to be delivered exactly once to each endpoint, or once more for each process that was cut
// off between its decision and the record of it, which the model never is.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := *modelSeed; seed < *modelSeed+uint64(*modelRuns); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			m.run()
		})
	}
}

// model is what is true of a run, whatever its processes know.
type model struct {
	t         *testing.T
	url       string
	seed      uint64
	endpoints map[string][]string // patterns, by id

	mu        sync.Mutex            // guards what follows
	wanted    map[decision]bool     // by who published it
	decided   map[decision][]string // by whom and why
	finishing bool                  // nobody leaves any more
	left      int                   // how often an endpoint was asked to leave
	handed    int                   // places that were handed over
}

type decision struct {
	endpoint string
	place    uint64
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	return &model{
		t: t, url: srv.ClientURL(), seed: seed,
		endpoints: map[string][]string{"ep_all": {"events.>"}, "ep_a": {"events.a"}, "ep_ab": {"events.a", "events.b"}},
		wanted:    make(map[decision]bool), decided: make(map[decision][]string),
	}
}

func (m *model) open() *publish.Bus {
	m.t.Helper()
	cfg := config.Default()
	cfg.NATSURL, cfg.DataDir, cfg.MaxBody = m.url, m.t.TempDir(), 1<<19
	bus, err := publish.Open(m.t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(bus.Close)
	return bus
}

func (m *model) run() {
	var processes, publishers sync.WaitGroup
	end := make(chan struct{})
	for i := range 3 {
		bus := m.open()
		rng := rand.New(rand.NewPCG(m.seed, uint64(i)))
		processes.Go(func() { // the same process again and again, each time until it is cut off
			for life := 0; ; life++ {
				p := newActor(m, bus, fmt.Sprintf("%d.%d", i, life), rng.Uint64())
				if !p.live(end, time.Duration(300+rng.IntN(1500))*time.Millisecond) {
					return
				}
			}
		})
		publishers.Go(func() { m.publish(bus, m.seed<<8+uint64(i), *modelEvents/3) })
	}
	publishers.Wait()
	m.mu.Lock()
	m.finishing = true
	m.mu.Unlock()
	bus := m.open()
	m.eventually("each event is decided", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for d := range m.wanted {
			if len(m.decided[d]) == 0 {
				return false
			}
		}
		return true
	})
	m.eventually("every endpoint has joined", func() bool {
		keys, err := bus.Consumers().Records().ListKeys(m.t.Context())
		if err != nil {
			return false
		}
		n := 0
		for range keys.Keys() {
			n++
		}
		return n == 0
	})
	close(end)
	processes.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for d, by := range m.decided {
		if len(by) != 1 || !m.wanted[d] {
			m.t.Errorf("%+v was decided %d times, wanted: %t: %v", d, len(by), m.wanted[d], by)
		}
	}
	m.t.Logf("%d deliveries; endpoints left %d times, %d places were handed over", len(m.wanted), m.left, m.handed)
}

// eventually polls what others do; it sends no event that could be waited on.
func (m *model) eventually(what string, ok func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if !time.Now().After(deadline) {
			continue
		}
		m.mu.Lock()
		for d := range m.wanted {
			if len(m.decided[d]) != 1 {
				m.t.Errorf("%+v was decided %v", d, m.decided[d])
			}
		}
		m.mu.Unlock()
		m.t.Fatalf("never happened: %s", what)
	}
}

func (m *model) publish(bus *publish.Bus, seed uint64, n int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		kind := []string{"a", "b", "c"}[rng.IntN(3)]
		e := &event.Event{
			ID: fmt.Sprint("evt_", seed, "_", i), Type: kind, Subject: topology.EventSubject(kind), Received: time.Now(),
			ContentType: "application/json", Traceparent: event.NewTraceparent(), Body: []byte("{}"),
		}
		stored, err := bus.Publish(m.t.Context(), e)
		if err != nil {
			m.t.Error(err)
			return
		}
		m.mu.Lock()
		for id, patterns := range m.endpoints {
			if topology.MatchesAny(e.Subject, patterns) {
				m.wanted[decision{id, stored.Seq}] = true
			}
		}
		m.mu.Unlock()
		time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond) // a random moment
	}
}

// actor is one life of a process.
type actor struct {
	*model
	bus   *publish.Bus
	name  string
	table *cursor.Table
	seed  uint64

	held sync.Map // of jetstream.Msg: given back when the process is cut off, as the server does later
}

func newActor(m *model, bus *publish.Bus, name string, seed uint64) *actor {
	return &actor{model: m, bus: bus, name: name, table: cursor.NewTable(bus, slog.New(slog.DiscardHandler)), seed: seed}
}

// live acts until end is closed, and then returns false; or until it is cut off.
func (p *actor) live(end <-chan struct{}, span time.Duration) (again bool) {
	ctx, cut := context.WithTimeout(context.Background(), span)
	defer cut()
	p.mu.Lock()
	if p.finishing { // else what is on its way to those who are cut off would be so for ever
		ctx, cut = context.WithCancel(context.Background())
	}
	p.mu.Unlock()
	defer cut()
	var parts sync.WaitGroup
	act := func(part func(context.Context, *rand.Rand)) {
		p.seed++
		rng := rand.New(rand.NewPCG(p.seed, 1))
		parts.Go(func() { part(ctx, rng) })
	}
	act(p.watch)
	act(p.shared)
	act(p.unrest)
	for id := range p.endpoints {
		act(func(ctx context.Context, rng *rand.Rand) {
			p.follow(ctx, rng, cursor.Key{Endpoint: id, Stream: topology.StreamEvents})
		})
	}
	select {
	case <-end:
		cut()
	case <-ctx.Done():
		again = true
	}
	parts.Wait()
	for msg := range p.held.Range {
		msg.(jetstream.Msg).Nak() //nolint:errcheck // it comes again anyhow
	}
	return again
}

// pause waits for up to so many milliseconds.
func pause(ctx context.Context, rng *rand.Rand, most int) {
	select {
	case <-time.After(time.Duration(rng.IntN(most*1000)) * time.Microsecond):
	case <-ctx.Done():
	}
}

// watch keeps the table current, slowly.
func (p *actor) watch(ctx context.Context, rng *rand.Rand) {
	p.table.Run(ctx, func(cursor.Key) { //nolint:errcheck // it returns nil
		if rng.IntN(3) == 0 {
			pause(ctx, rng, 60)
		}
	})
}

// unrest lets endpoints leave at random moments.
func (p *actor) unrest(ctx context.Context, rng *rand.Rand) {
	for {
		pause(ctx, rng, 500)
		p.mu.Lock()
		done := p.finishing
		p.left++
		p.mu.Unlock()
		if done || ctx.Err() != nil {
			return
		}
		for id := range p.endpoints { // in a random order
			if _, err := p.table.Leave(ctx, cursor.Key{Endpoint: id, Stream: topology.StreamEvents}, cursor.Behind); err != nil && ctx.Err() == nil {
				p.t.Error("leaving:", err)
			}
			break
		}
	}
}

// take takes what is there of a consumer.
func (p *actor) take(ctx context.Context, c *pull.Consumer, n int) (messages []jetstream.Msg) {
	batch, err := c.TakeStored(ctx, n)
	if err != nil {
		return nil
	}
	for msg := range batch.Messages() {
		p.held.Store(msg, true)
		messages = append(messages, msg)
	}
	return messages
}

// settle acknowledges a message, unless the process is cut off.
func (p *actor) settle(ctx context.Context, msg jetstream.Msg, verdict func() error) {
	if ctx.Err() == nil {
		verdict() //nolint:errcheck // it comes again
		p.held.Delete(msg)
	}
}

// deliver decides a delivery, unless the message comes again and it was decided before.
func (p *actor) deliver(id string, meta *jetstream.MsgMetadata, how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := decision{id, meta.Sequence.Stream}
	if meta.NumDelivered == 1 || len(p.decided[d]) == 0 {
		p.decided[d] = append(p.decided[d], p.name+" "+how)
	}
}

// shared takes messages from the shared intake.
func (p *actor) shared(ctx context.Context, rng *rand.Rand) {
	c, err := p.bus.Queues().Open(ctx, topology.QueueEvents)
	if err != nil {
		if ctx.Err() == nil {
			p.t.Error(err)
		}
		return
	}
	for ctx.Err() == nil {
		for _, msg := range p.take(ctx, c, 1+rng.IntN(8)) {
			pause(ctx, rng, 4)
			p.receive(ctx, rng, msg)
		}
		pause(ctx, rng, 4)
	}
}

// receive decides about one message of the shared intake for all endpoints.
func (p *actor) receive(ctx context.Context, rng *rand.Rand, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		p.t.Error(err)
		return
	}
	verdict := msg.Ack
	for p.table.Sync(ctx) != nil {
		if ctx.Err() != nil {
			return
		}
	}
	for id, patterns := range p.endpoints {
		key := cursor.Key{Endpoint: id, Stream: topology.StreamEvents}
		if !topology.MatchesAny(msg.Subject(), patterns) {
			continue
		}
		r, ok := p.divided(ctx, rng, key)
		switch {
		case ctx.Err() != nil:
			return
		case !ok:
			verdict = msg.Nak
		case r.HasCursor(meta.Sequence.Stream):
		case rng.IntN(30) == 0 && p.handOver(ctx, rng, key, meta.Sequence.Stream):
		default:
			if ctx.Err() != nil {
				return
			}
			p.deliver(id, meta, "shared")
		}
	}
	p.settle(ctx, msg, verdict)
}

// divided returns a record once it divides; false: it has come and gone meanwhile.
func (p *actor) divided(ctx context.Context, rng *rand.Rand, key cursor.Key) (*cursor.Record, bool) {
	r := p.table.Of(key)
	if r.Divides() {
		return r, true
	}
	if rng.IntN(2) == 0 {
		now, err := p.table.Settle(ctx, key)
		return now, err == nil && now != nil && now.Epoch == r.Epoch
	}
	for now := r; ctx.Err() == nil; now = p.table.Of(key) {
		if now.Divides() {
			return now, now != nil && now.Epoch == r.Epoch
		}
		pause(ctx, rng, 2)
	}
	return nil, false
}

// handOver hands a place that is the shared intake's over to the cursor. It returns true when that has it, or when the
// process is cut off.
func (p *actor) handOver(ctx context.Context, rng *rand.Rand, key cursor.Key, place uint64) bool {
	pause(ctx, rng, 10)
	p.mu.Lock()
	done := p.finishing
	p.mu.Unlock()
	if done {
		return false
	}
	for {
		_, err := p.table.Leave(ctx, key, cursor.CircuitOpen)
		if err == nil {
			pause(ctx, rng, 10)
			err = p.table.LeaveTo(ctx, key, []uint64{place})
		}
		switch {
		case err == nil:
			p.mu.Lock()
			p.handed++
			p.mu.Unlock()
			return true
		case errors.Is(err, cursor.ErrOpened):
			return false
		case ctx.Err() != nil:
			return true
		}
	}
}

// follow takes what a cursor brings.
func (p *actor) follow(ctx context.Context, rng *rand.Rand, key cursor.Key) {
	for ; ctx.Err() == nil; pause(ctx, rng, 20) {
		r := p.table.Of(key)
		if r == nil {
			continue
		}
		if !r.Divides() {
			p.table.Settle(ctx, key) //nolint:errcheck // it is tried again
			continue
		}
		if r.Phase == cursor.Own && !r.Opened { // it rests, and may be disabled by its operator
			switch rng.IntN(10) {
			case 0:
				p.table.Join(ctx, key) //nolint:errcheck // it is tried again
			case 1, 2:
			default:
				continue
			}
		}
		c, r, _, err := p.table.Consumer(ctx, key, p.endpoints[key.Endpoint])
		if err != nil || c == nil {
			continue
		}
		for range rng.IntN(5) {
			for _, msg := range p.take(ctx, c, 1+rng.IntN(20)) {
				pause(ctx, rng, 3)
				p.receiveOwn(ctx, key, msg, r.Epoch)
			}
		}
		switch r := p.table.Of(key); {
		case r == nil:
		case r.Phase == cursor.Own && rng.IntN(2) == 0:
			p.table.Join(ctx, key) //nolint:errcheck // it is tried again
		case r.Phase == cursor.Joined:
			p.table.Finish(ctx, r, p.endpoints[key.Endpoint]) //nolint:errcheck // it is tried again
		}
	}
}

// receiveOwn decides about one message of a cursor.
func (p *actor) receiveOwn(ctx context.Context, key cursor.Key, msg jetstream.Msg, epoch string) {
	meta, err := msg.Metadata()
	if err != nil {
		p.t.Error(err)
		return
	}
	for p.table.Sync(ctx) != nil {
		if ctx.Err() != nil {
			return
		}
	}
	r := p.table.Of(key)
	for !r.Divides() {
		var err error
		if r, err = p.table.Settle(ctx, key); err != nil && ctx.Err() != nil {
			return
		}
	}
	switch {
	case r != nil && r.Epoch != epoch: // what it is of is over
		return
	case r != nil && r.HasCursor(meta.Sequence.Stream) && r.Delivers(meta.Sequence.Stream):
		if ctx.Err() != nil {
			return
		}
		p.deliver(key.Endpoint, meta, "cursor "+strings.ToLower(string(r.Phase)))
	}
	p.settle(ctx, msg, msg.Ack)
}
