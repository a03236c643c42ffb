// package consume delivers events to the HTTP endpoints that subscribed to them.
//
// It takes events off the bus, matches them to endpoints, and makes one attempt each; what fails is scheduled
// on the bus for its next attempt, and what has none left becomes a dead letter. A message is acknowledged
// only after each of its deliveries has an outcome that is stored, so a process can be killed at any moment:
// another one takes over what it held. Deliveries are therefore made at least once; a receiver tells copies
// by their webhook-id. It does not receive webhooks; ingest does.
package consume

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"jethook/config"
	"jethook/consume/ack"
	"jethook/consume/attempt"
	"jethook/consume/bodies"
	"jethook/consume/cursor"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/follow"
	"jethook/consume/lane"
	"jethook/consume/metrics"
	"jethook/consume/missed"
	"jethook/consume/order"
	"jethook/consume/outcome"
	"jethook/consume/overdue"
	"jethook/consume/parked"
	"jethook/consume/recovery"
	"jethook/consume/registry"
	"jethook/consume/rehearsal"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/topology"
	"jethook/publish/trace"
)

const (
	// window is how many deliveries one process holds at once, running or queued, and windowBytes how many
	// bytes of events.
	window      = 4096
	windowBytes = 256 << 20
	// fetchedBytes is how many bytes of bodies it holds that were fetched for attempts, and fetchedShare what part of it an
	// endpoint may have beyond its first.
	fetchedBytes = windowBytes / 2
	fetchedShare = 4
	// dueWindow is how many deliveries that came due it holds beside them, and dueBytes how many of the bytes are theirs.
	dueWindow = 8192
	dueBytes  = windowBytes / 4
	// aheadBytes is how many bytes of events cursors may hold.
	aheadBytes = 64 << 20
	// tendEvery is how often lanes that have come to rest give back what they hold.
	tendEvery = 250 * time.Millisecond
	// drainTimeout is how long attempts in flight may take to finish when the process stops. It is longer
	// than the default DELIVERY_TIMEOUT and shorter than the 30 s that orchestrators usually wait.
	drainTimeout = 25 * time.Second
	// ackRest is how long a message rests before it is acknowledged. nats-server writes what it holds back after 8 ms, or later
	// when the processors are busy. orderedRest is for ordered endpoints, whose next event waits for it.
	ackRest, orderedRest = 250 * time.Millisecond, 25 * time.Millisecond
	// unreadFor is how long a delivery of an endpoint whose record can't be read rests before it is looked at again.
	unreadFor = 5 * time.Minute
)

// Engine delivers events. Make it with New, then call Run once.
type Engine struct {
	bus       *publish.Bus
	endpoints *registry.Registry
	client    *attempt.Client
	schedule  []time.Duration
	log       *slog.Logger

	disableAfter time.Duration // how long an endpoint may fail before it is disabled; 0: for ever

	events   *places             // of events that are attempted for the first time
	dues     *places             // of deliveries that came due
	bytes    *semaphore.Weighted // bytes of events, in the window and on their way into it
	dueBytes *semaphore.Weighted // bytes of deliveries that came due
	bodies   *bodies.Bodies      // that were fetched for attempts
	copies   *semaphore.Weighted // bytes of large copies that are being stored

	cursors   *cursor.Table
	followers *follow.Followers // of cursors
	unbroken  *unbroken
	ahead     *semaphore.Weighted // bytes of events that cursors bring

	acks, orderedAcks *ack.Queue
	dedup             *dedup.Outcomes // of what comes again after a kill
	uniter            *dedup.Uniter
	overdue           *overdue.Watch
	missed            *missed.Counter

	rehearser *rehearsal.Rehearser // nil: what may end the process is not rehearsed

	lanes     *lane.Pool[*job]
	throttle  *lane.Throttle   // of retries
	mu        sync.Mutex       // guards intakes
	intakes   []*intake        // of what all processes share
	sequences *order.Sequences // of ordered endpoints

	flight   *flight.Flight // outlives Run's context by drainTimeout
	outcomes *outcome.Writer
	parked   *parked.Releaser
	faults   faults

	recoveries *recovery.Worker

	meters *metrics.Meters
	tracer *trace.Tracer // nil: attempts are not traced
}

// New returns an engine that delivers from bus to the endpoints of the registry.
func New(bus *publish.Bus, endpoints *registry.Registry, cfg *config.Config, version string, log *slog.Logger) *Engine {
	e := &Engine{
		bus: bus, endpoints: endpoints, schedule: cfg.RetrySchedule, log: log, disableAfter: cfg.DisableAfter,
		client: NewClient(cfg, version),
		events: newPlaces(window), dues: newPlaces(dueWindow),
		bytes:    semaphore.NewWeighted(windowBytes - fetchedBytes - dueBytes + int64(len(bus.Queues().All())*pullBytes(bus))),
		dueBytes: semaphore.NewWeighted(dueBytes + int64(2*pullBytes(bus))),
		bodies:   bodies.New(bus, fetchedBytes), copies: semaphore.NewWeighted(copyBytes),
		cursors: cursor.NewTable(bus, log), unbroken: newUnbroken(bus),
		ahead:    semaphore.NewWeighted(max(aheadBytes, 2*int64(pullBytes(bus)))),
		throttle: lane.NewThrottle(),
		acks:     newAcks(bus, ackRest), orderedAcks: newAcks(bus, orderedRest),
		flight: flight.New(), faults: newFaults(),
		meters: metrics.New(cfg.MetricsSeries),
	}
	e.parked = parked.NewReleaser(bus, e.flight, log)
	e.dedup = dedup.New(bus.Query(), bus.Find(), struct {
		*delivery.Finder
		*delivery.Store
	}{bus.Find(), bus.Deliveries()}, func() time.Time { return e.unbroken.now(topology.StreamDeliveries).since })
	e.uniter = dedup.NewUniter(e.dedup, e.flight.Stopped(), e.flight.Pending(), log)
	e.overdue = overdue.New(bus, e.dedup, log)
	e.missed = missed.NewCounter(bus, e.cursors, endpoints, log)
	e.sequences, e.followers = e.newSequences(), e.newFollowers()
	e.outcomes = outcome.NewWriter(bus.Deliveries(), e.flight.Stopped(), e.flight.Pending(), log)
	e.lanes = lane.NewPool(worker{e}, lane.Limits{
		Deliveries: window, Bytes: windowBytes / 2, DetachedBytes: fetchedBytes / fetchedShare, Trip: e.disableAfter / disableNotice,
	}, e.throttle, e.flight.Stopped())
	e.recoveries = recovery.NewWorker(bus, endpoints, e.cursors, circuits{e}, log)
	return e
}

// newAcks returns a queue for messages that rest so long, if their history is written late.
func newAcks(bus *publish.Bus, rest time.Duration) *ack.Queue {
	if !bus.Deliveries().HistoryIsLate() {
		rest = 0
	}
	return ack.NewQueue(rest)
}

// Rehearse lets the engine have what may end the process rehearsed by children that the command runs, which must call
// [rehearsal.Serve]. It is called before Run.
func (e *Engine) Rehearse(command ...string) { e.rehearser = rehearsal.New(command...) }

// Trace lets the engine trace its attempts. It is called before Run.
func (e *Engine) Trace(t *trace.Tracer) { e.tracer = t }

// NewClient returns the client that makes attempts by these settings: who shows what it sends needs the same.
func NewClient(cfg *config.Config, version string) *attempt.Client {
	return attempt.NewClient(attempt.Options{
		Proxy:           cfg.Proxy(),
		AllowedNetworks: cfg.AllowedNetworks, Timeout: cfg.DeliveryTimeout, UserAgent: "jethook/" + version,
	})
}

// Run delivers until ctx ends. Then it finishes the attempts in flight, puts what is queued back on the bus,
// and returns nil.
func (e *Engine) Run(ctx context.Context) error {
	defer e.flight.CutOff()
	// What is held is kept until its outcomes are stored, which is after ctx ended.
	kept, unkeep := context.WithCancel(context.WithoutCancel(ctx))
	defer unkeep()
	var keepers errgroup.Group
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return e.endpoints.Run(gctx, e.bus.Queues().Restored, func(c registry.Change) { e.endpointChanged(gctx, g, c) })
	})
	g.Go(func() error { return e.tend(gctx) })
	g.Go(func() error { return e.cursors.Run(gctx, func(k cursor.Key) { e.cursorChanged(gctx, g, k) }) })
	e.sequences.Start(gctx, g)
	g.Go(func() error { e.dropAllOrphans(gctx); return nil })
	keepers.Go(func() error { return e.keepOwn(kept) })
	keepers.Go(func() error { return e.acks.Run(kept) })
	keepers.Go(func() error { return e.orderedAcks.Run(kept) })
	g.Go(func() error { return e.throttle.Run(gctx) })
	g.Go(func() error { return e.recoveries.Run(gctx) })
	g.Go(func() error { e.releaseCutOff(gctx); return nil })
	g.Go(func() error { e.overdue.Run(gctx); return nil })
	g.Go(func() error { e.missed.Run(gctx); return nil })
	for _, queue := range e.bus.Queues().All() {
		in := newIntake(e, queue, e.submitDue)
		if queue.Stream != topology.StreamDeliveries {
			in.submit, in.sync = e.submitEvent, e.cursors.Sync
		}
		e.mu.Lock()
		e.intakes = append(e.intakes, in)
		e.mu.Unlock()
		g.Go(func() error { return in.fetch(gctx) })
		g.Go(func() error { return in.dispatch(gctx) })
		keepers.Go(func() error { return in.keep(kept) })
	}
	err := g.Wait()
	if ctx.Err() != nil { // stopped on purpose; what that interrupted is no fault
		err = nil
	}
	e.drain()
	if e.rehearser != nil {
		e.rehearser.Close()
	}
	unkeep()
	return errors.Join(err, keepers.Wait())
}

// drain ends what is in flight without losing any of it: running attempts finish, or are cut off after
// drainTimeout and made again later; queued ones go back to the bus.
func (e *Engine) drain() {
	e.flight.Stop()
	for _, j := range e.lanes.Drain() {
		e.giveBack(j, 0)
	}
	timer := time.AfterFunc(drainTimeout, e.flight.CutOff)
	defer timer.Stop()
	e.lanes.Wait()
	e.flight.Wait()
}

// tend lets lanes that rest give back what they hold, until ctx ends.
func (e *Engine) tend(ctx context.Context) error {
	t := time.NewTicker(tendEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		for _, l := range e.lanes.All() {
			e.relieve(l)
		}
	}
}

func (e *Engine) lane(ep *endpoint.Endpoint) *lane.Lane[*job] {
	return e.lanes.Open(ep.ID, func() *endpoint.Endpoint {
		e.meters.Open(ep.ID)
		if now, ok := e.endpoints.Lookup(ep.ID); ok { // its last change may just have been told
			return now
		}
		return ep
	})
}

// worker makes the attempts that lanes decide on.
type worker struct{ *Engine }

// Attempt is of [lane.Worker].
func (e worker) Attempt(l *lane.Lane[*job], j *job) { e.deliver(l, j) }

// endpointChanged follows a change of the registry: a removed endpoint loses its lane, a lane follows its
// endpoint's concurrency, and an endpoint that was enabled gets what waited for that.
func (e *Engine) endpointChanged(ctx context.Context, g *errgroup.Group, c registry.Change) {
	e.sequences.Change(ctx, g, c)
	if c.Before == nil { // new: nothing waits for it
		return
	}
	e.followers.Wake(c.Before.ID)
	if c.After == nil {
		e.lanes.Remove(c.Before.ID)
		e.meters.Forget(c.Before.ID)
		return
	}
	if now, ok := e.endpoints.Lookup(c.After.ID); ok { // changes may be told out of order
		if l := e.lanes.Follow(now); l != nil {
			e.relieve(l)
		}
	}
	e.announceSwitch(c.Before, c.After)
	if c.Before.Disabled && !c.After.Disabled {
		g.Go(func() error { e.parked.Release(ctx, c.After.ID); return nil })
	}
}

// releaseCutOff does again the releases that an earlier process may have been killed in. Those of endpoints that have
// not changed for long have come due by themselves.
func (e *Engine) releaseCutOff(ctx context.Context) {
	turns := slices.Contains(e.bus.Queues().All(), topology.QueueTurns)
	for _, ep := range e.endpoints.All() {
		if !ep.Disabled && (turns || time.Since(ep.UpdatedAt) < 2*parked.For) {
			e.parked.Release(ctx, ep.ID)
		}
	}
}
