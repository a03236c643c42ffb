package order

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

// rig is the engine and the bus of one ordered endpoint, without either.
type rig struct {
	t    *testing.T
	all  *Sequences
	g    errgroup.Group
	ctx  context.Context
	stop context.CancelFunc

	mu      sync.Mutex // guards what follows
	ep      *endpoint.Endpoint
	left    bool // the bucket says that the endpoint does not listen any more
	waits   bool // something of the endpoint waits
	log     []string
	running []*message
	streams map[string]chan jetstream.Msg
}

// named is a message of which a name is all.
type named struct {
	jetstream.Msg
	name string
}

func start(t *testing.T, ep *endpoint.Endpoint) *rig {
	r := &rig{t: t, ep: ep, streams: make(map[string]chan jetstream.Msg)}
	for _, stream := range topology.EventStreams {
		r.streams[stream] = make(chan jetstream.Msg, 100)
	}
	r.ctx, r.stop = context.WithCancel(t.Context())
	r.all = New(Settings{Endpoints: r, Consumers: r, Idle: r.Idle, Log: slog.New(slog.DiscardHandler), Intake: func(stream, _ string) Intake {
		return &intake{r, stream}
	}})
	r.all.Start(r.ctx, &r.g)
	synctest.Wait()
	return r
}

func (r *rig) end() {
	r.stop()
	if err := r.g.Wait(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// expect waits until all is quiet, and compares what was done since it was last called.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.log) // the streams go on at the same time
	if !slices.Equal(r.log, want) {
		r.t.Errorf("done: %q, want %q", r.log, want)
	}
	r.log = nil
}

// set changes what the rig says.
func (r *rig) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// change changes the endpoint; nil: it is removed.
func (r *rig) change(to *endpoint.Endpoint) {
	var before *endpoint.Endpoint
	r.set(func() { before, r.ep = r.ep, to })
	r.all.Change(r.ctx, &r.g, registry.Change{Before: before, After: to})
}

func (r *rig) All() []*endpoint.Endpoint { return []*endpoint.Endpoint{r.ep} }

func (r *rig) Lookup(string) (*endpoint.Endpoint, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ep, r.ep != nil
}

func (r *rig) Get(context.Context, string) (endpoint.Endpoint, error) {
	ep, ok := r.Lookup("")
	if !ok {
		return endpoint.Endpoint{}, registry.ErrNotFound
	}
	return *ep, nil
}

func (r *rig) HasLeft(context.Context, string, string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left, nil
}

func (r *rig) Idle(context.Context, string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.waits, nil
}

func (r *rig) Open(_ context.Context, stream, _ string, _ []string, since time.Time) (Source, error) {
	r.note("open %s since %d", stream, since.Unix())
	return &tap{r, stream}, nil
}

func (r *rig) Drop(_ context.Context, own pull.Own) error {
	r.note("drop %s", own.Stream)
	return nil
}

// tap brings what the test has published.
type tap struct {
	*rig
	stream string
}

func (s *tap) Next(ctx context.Context) (jetstream.Msg, error) {
	select {
	case m := <-s.streams[s.stream]:
		return m, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func (s *tap) Close() { s.note("close %s", s.stream) }

// intake holds messages, and message is one of them.
type intake struct {
	*rig
	stream string
}

type message struct {
	*rig
	name  string
	ended bool
}

func (in *intake) Opened() {}

func (in *intake) Hold(_ context.Context, m jetstream.Msg) Message {
	return &message{rig: in.rig, name: m.(named).name}
}

func (m *message) IsWanted(context.Context) bool { return true }

func (m *message) Deliver(context.Context) {
	m.note("deliver %s", m.name)
	m.set(func() { m.running = append(m.running, m) })
}

func (m *message) IsHeld() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.ended
}

func (m *message) GiveBack(failed error) {
	m.note("give back %s: %v", m.name, failed)
	m.streams[topology.StreamEvents] <- named{name: m.name}
}

func (r *rig) publish(stream string, names ...string) {
	for _, name := range names {
		r.streams[stream] <- named{name: name}
	}
}

// finish ends what is being delivered.
func (r *rig) finish() {
	r.set(func() {
		for _, m := range r.running {
			m.ended = true
		}
		r.running = nil
	})
	r.all.Ended("ep_a")
}

func ordered(change func(*endpoint.Endpoint)) *endpoint.Endpoint {
	ep := &endpoint.Endpoint{ID: "ep_a", Ordered: true, Events: []string{"events.>"}, CreatedAt: time.Unix(100, 0), UpdatedAt: time.Unix(200, 0)}
	if change != nil {
		change(ep)
	}
	return ep
}

// others are lines about the streams that an endpoint of events.> does not listen to.
func others(what string, also ...string) []string {
	for _, stream := range topology.EventStreams {
		if stream != topology.StreamEvents {
			also = append(also, what+" "+stream)
		}
	}
	slices.Sort(also)
	return also
}

const opened = "open " + topology.StreamEvents + " since 100"

// One event is delivered after the other.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := ordered(nil)
		r := start(t, ep)
		defer r.end()
		r.set(func() { r.left = true })
		time.Sleep(retryTake)
		r.expect(others("drop", opened)...)
		r.publish(topology.StreamEvents, "a", "b", "c")
		for _, name := range []string{"a", "b", "c"} {
			r.expect("deliver " + name)
			r.all.Ended("ep_a") // something else of the endpoint
			r.expect()
			r.finish()
		}
		r.expect()
	})
}

// The streams of an endpoint take turns.
func TestStreamsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, ordered(func(ep *endpoint.Endpoint) { ep.Events = []string{"events.>", "webhooks.>"} }))
		defer r.end()
		r.set(func() { r.log = nil })
		r.publish(topology.StreamEvents, "a", "b")
		r.publish(topology.StreamWebhooks, "c", "d")
		var all []string
		for range 4 {
			synctest.Wait()
			r.set(func() {
				if len(r.running) != 1 {
					t.Fatalf("%d at once", len(r.running))
				}
				all = append(all, r.running[0].name)
			})
			r.finish()
		}
		if slices.Index(all, "a") > slices.Index(all, "b") || slices.Index(all, "c") > slices.Index(all, "d") {
			t.Errorf("delivered: %v", all)
		}
	})
}

// While anything of the endpoint waits, the event is not held; when that has ended, it goes on.
func TestWhatWaitsHoldsUpTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, ordered(nil))
		defer r.end()
		r.set(func() { r.log, r.waits = nil, true })
		r.publish(topology.StreamEvents, "a")
		r.expect("give back a: <nil>")
		time.Sleep(time.Minute) // it looks, and does not take it again
		r.expect()
		r.set(func() { r.waits = false })
		r.all.Ended("ep_a")
		r.expect("deliver a")
		r.finish()
		// In another process it ends without a word.
		r.set(func() { r.waits = true })
		r.publish(topology.StreamEvents, "b")
		r.expect("give back b: <nil>")
		r.set(func() { r.waits = false })
		time.Sleep(lastLook)
		r.expect("deliver b")
		r.finish()
	})
}

// A disabled endpoint gets nothing, and goes on when it is enabled; one that is removed leaves no consumer.
func TestChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, ordered(nil))
		defer r.end()
		r.expect(opened)
		r.change(ordered(func(ep *endpoint.Endpoint) { ep.Name = "another" }))
		r.expect()
		r.change(ordered(func(ep *endpoint.Endpoint) { ep.Disabled = true }))
		r.expect("close " + topology.StreamEvents)
		r.publish(topology.StreamEvents, "a")
		r.expect()
		r.change(ordered(nil))
		r.expect("deliver a", opened)
		r.change(nil) // while a is delivered: what the bucket says counts
		r.finish()
		r.expect("close " + topology.StreamEvents)
		if r.all.of("ep_a") == nil {
			t.Error("it has ended")
		}
		r.set(func() { r.left = true })
		time.Sleep(retryTake)
		r.expect(others("drop", "drop "+topology.StreamEvents)...)
		if r.all.of("ep_a") != nil {
			t.Error("it goes on")
		}
		n := 0
		r.all.Intakes(func(Intake) { n++ })
		if n > 0 {
			t.Errorf("%d intakes are kept", n)
		}
		r.change(ordered(nil))
		synctest.Wait()
		if r.all.of("ep_a") == nil {
			t.Error("a new one does not begin")
		}
	})
}
