// Package consume delivers events to the HTTP endpoints that subscribed to them.
//
// It takes events off the bus, matches them to endpoints, and makes one attempt each; what fails is scheduled
// on the bus for its next attempt, and what has none left becomes a dead letter. A message is acknowledged
// only after each of its deliveries has an outcome that is stored, so a process can be killed at any moment:
// another one takes over what it held. Deliveries are therefore made at least once; a receiver tells copies
// by their webhook-id. It does not receive webhooks; ingest does.
//
// The package itself is the engine, which puts its rooms together, tells them of changes, and starts and stops them. What
// happens to a message happens in the rooms below: intake, dispatch, lane, worker, conclusion.
package consume

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"jethook/config"
	"jethook/consume/ack"
	"jethook/consume/attempt"
	"jethook/consume/bodies"
	"jethook/consume/conclusion"
	"jethook/consume/cursor"
	"jethook/consume/dedup"
	"jethook/consume/dispatch"
	"jethook/consume/flight"
	"jethook/consume/follow"
	"jethook/consume/handover"
	"jethook/consume/health"
	"jethook/consume/held"
	"jethook/consume/intake"
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
	"jethook/consume/toggle"
	"jethook/consume/worker"
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
	// dueBytes is how many of the bytes are of deliveries that came due.
	dueBytes = windowBytes / 4
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
)

// Engine delivers events. Make it with New, then call Run once.
type Engine struct {
	bus       *publish.Bus
	endpoints *registry.Registry
	log       *slog.Logger

	bytes    *semaphore.Weighted // bytes of events, in the window and on their way into it
	dueBytes *semaphore.Weighted // bytes of deliveries that came due
	ahead    *semaphore.Weighted // bytes of events that cursors bring
	throttle *lane.Throttle      // of retries

	flight   *flight.Flight // outlives Run's context by drainTimeout
	meters   *metrics.Meters
	bodies   *bodies.Bodies // that were fetched for attempts
	outcomes *outcome.Writer
	dedup    *dedup.Outcomes // of what comes again after a kill
	parked   *parked.Releaser

	// What a message goes through, and below it what tends to that.
	records           *intake.Records
	dispatcher        *dispatch.Dispatcher
	lanes             *lane.Pool[*held.Job]
	worker            *worker.Worker
	health            *health.Health
	ends              *conclusion.Concluder
	handover          *handover.Handover
	acks, orderedAcks *ack.Queue

	cursors    *cursor.Table
	unbroken   *unbroken
	followers  *follow.Followers // of cursors
	sequences  *order.Sequences  // of ordered endpoints
	overdue    *overdue.Watch
	missed     *missed.Counter
	recoveries *recovery.Worker
	rehearser  *rehearsal.Rehearser // nil: what may end the process is not rehearsed

	mu      sync.Mutex       // guards intakes
	intakes []*intake.Intake // of what all processes share
}

// New returns an engine that delivers from bus to the endpoints of the registry.
func New(bus *publish.Bus, endpoints *registry.Registry, cfg *config.Config, version string, log *slog.Logger) *Engine {
	request := intake.Bytes(bus)
	e := &Engine{
		bus: bus, endpoints: endpoints, log: log,
		bytes:    semaphore.NewWeighted(windowBytes - fetchedBytes - dueBytes + int64(len(bus.Queues().All())*request)),
		dueBytes: semaphore.NewWeighted(dueBytes + int64(2*request)),
		ahead:    semaphore.NewWeighted(max(aheadBytes, 2*int64(request))),
		throttle: lane.NewThrottle(),
		flight:   flight.New(), meters: metrics.New(cfg.MetricsSeries), bodies: bodies.New(bus, fetchedBytes),
		cursors: cursor.NewTable(bus, log), unbroken: newUnbroken(bus),
		acks: newAcks(bus, ackRest), orderedAcks: newAcks(bus, orderedRest),
	}
	e.records = intake.NewRecords(e.cursors.Sync)
	e.outcomes = outcome.NewWriter(bus.Deliveries(), e.flight.Stopped(), e.flight.Pending(), log)
	e.parked = parked.NewReleaser(bus, e.flight, log)
	e.dedup = dedup.New(bus.Query(), bus.Find(), struct {
		*delivery.Finder
		*delivery.Store
	}{bus.Find(), bus.Deliveries()}, func() time.Time { return e.unbroken.now(topology.StreamDeliveries).since })
	e.openRooms(cfg, NewClient(cfg, version))
	e.overdue = overdue.New(bus, e.dedup, log)
	e.missed = missed.NewCounter(bus, e.cursors, endpoints, log)
	e.sequences, e.followers = e.newSequences(), e.newFollowers()
	e.recoveries = recovery.NewWorker(bus, endpoints, e.cursors, circuits{e.lanes}, log)
	return e
}

// openRooms makes what a message goes through. Each room knows those that come after it.
func (e *Engine) openRooms(cfg *config.Config, client *attempt.Client) {
	e.health = health.New(health.Settings{
		Bus: e.bus, Endpoints: e.endpoints, Switch: toggle.New(e.bus, e.cursors), History: e.outcomes, Deaths: e.meters,
		Report: e.reportOn, DisableAfter: cfg.DisableAfter, Flight: e.flight, Log: e.log,
	})
	e.ends = conclusion.New(conclusion.Settings{
		Endpoints: e.endpoints, Schedule: cfg.RetrySchedule, Health: e.health, Dedup: e.dedup,
		Uniter:   dedup.NewUniter(e.dedup, e.flight.Stopped(), e.flight.Pending(), e.log),
		Outcomes: e.outcomes, Bodies: e.bodies, Parked: e.parked, Ended: func(id string) { e.sequences.Ended(id) },
		Flight: e.flight, Log: e.log,
	})
	e.handover = handover.New(handover.Settings{
		Endpoints: e.endpoints, Cursors: e.cursors, Lane: e.lane, Ends: e.ends, Flight: e.flight, Log: e.log,
	})
	e.worker = worker.New(worker.Settings{
		Endpoints: e.endpoints, Client: client, Outcomes: e.dedup, Bodies: e.bodies, Ends: e.ends, Handover: e.handover,
		Health: e.health, Meters: e.meters, Flight: e.flight,
	})
	e.lanes = lane.NewPool(e.worker, lane.Limits{
		Deliveries: window, Bytes: windowBytes / 2, DetachedBytes: fetchedBytes / fetchedShare, Trip: health.Trip(cfg.DisableAfter),
	}, e.throttle, e.flight.Stopped())
	e.dispatcher = dispatch.New(dispatch.Settings{
		Bus: e.bus, Endpoints: e.endpoints, Cursors: e.cursors, Dedup: e.dedup, Outcomes: e.outcomes, Lane: e.lane,
		Throttle: e.throttle, Bodies: e.bodies, Ends: e.ends, Handover: e.handover, Window: window, Log: e.log,
	})
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
func (e *Engine) Rehearse(command ...string) {
	e.rehearser = rehearsal.New(command...)
	e.dispatcher.Rehearse(e.rehearser)
}

// Trace lets the engine trace its attempts. It is called before Run.
func (e *Engine) Trace(t *trace.Tracer) { e.worker.Trace(t) }

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
		in := e.newIntake(queue)
		e.mu.Lock()
		e.intakes = append(e.intakes, in)
		e.mu.Unlock()
		g.Go(func() error { return in.Run(gctx) })
		keepers.Go(func() error { return in.Keep(kept) })
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
		e.ends.GiveBack(j, 0)
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
			e.handover.Relieve(l)
		}
	}
}
