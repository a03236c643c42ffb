// Package consume delivers events to the HTTP endpoints that subscribed to them.
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
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"jethook/config"
	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/publish"
)

const (
	// window is how many deliveries one process holds at once, running or queued, and windowBytes how many
	// bytes of bodies.
	window      = 4096
	windowBytes = 128 << 20
	// drainTimeout is how long attempts in flight may take to finish when the process stops. It is longer
	// than the default DELIVERY_TIMEOUT and shorter than the 30 s that orchestrators usually wait.
	drainTimeout = 25 * time.Second
	// parkedFor is how long a delivery of a disabled endpoint rests before it is looked at again. Enabling
	// the endpoint releases it at once; this is for a release that a crash cut off.
	parkedFor = time.Hour
)

// Engine delivers events. Make it with New, then call Run once.
type Engine struct {
	bus       *publish.Bus
	endpoints *endpoint.Registry
	client    *attempt.Client
	schedule  []time.Duration
	log       *slog.Logger

	slots *semaphore.Weighted // places in the window
	bytes *semaphore.Weighted // bytes of bodies in the window

	mu        sync.Mutex // guards lanes
	lanes     map[string]*lane
	busyLanes atomic.Int32

	attempts sync.WaitGroup  // goroutines of lanes
	stopped  atomic.Bool     // set when no attempt may begin any more
	flight   context.Context // of the attempts; outlives Run's by drainTimeout
	storeErr atomic.Bool     // the last outcome could not be stored
	unsaved  sync.WaitGroup  // outcomes that are being stored
}

// New returns an engine that delivers from bus to the endpoints of the registry.
func New(bus *publish.Bus, endpoints *endpoint.Registry, cfg *config.Config, version string, log *slog.Logger) *Engine {
	return &Engine{
		bus: bus, endpoints: endpoints, schedule: cfg.RetrySchedule, log: log,
		client: attempt.NewClient(attempt.Options{
			AllowedNetworks: cfg.AllowedNetworks, Timeout: cfg.DeliveryTimeout, UserAgent: "jethook/" + version,
		}),
		slots: semaphore.NewWeighted(window),
		bytes: semaphore.NewWeighted(windowBytes),
		lanes: make(map[string]*lane),
	}
}

// Run delivers until ctx ends. Then it finishes the attempts in flight, puts what is queued back on the bus,
// and returns nil.
func (e *Engine) Run(ctx context.Context) error {
	flight, land := context.WithCancel(context.WithoutCancel(ctx))
	defer land()
	e.flight = flight

	// What is held is kept until its outcomes are stored, which is after ctx ended.
	kept, unkeep := context.WithCancel(context.WithoutCancel(ctx))
	defer unkeep()
	var keepers errgroup.Group
	g, gctx := errgroup.WithContext(ctx)
	for _, stream := range []string{publish.StreamDeliveries, publish.StreamEvents, publish.StreamWebhooks, publish.StreamOps} {
		consumer, err := e.bus.Consumer(ctx, stream)
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		submit := e.submitEvent
		if stream == publish.StreamDeliveries {
			submit = e.submitDue
		}
		in := newIntake(consumer, submit, e.log.With("stream", stream))
		g.Go(func() error { return in.fetch(gctx) })
		g.Go(func() error { return in.dispatch(gctx) })
		keepers.Go(func() error { return in.keep(kept) })
	}
	g.Go(func() error {
		return e.endpoints.Run(gctx, func(c endpoint.Change) { e.endpointChanged(gctx, g, c) })
	})
	err := g.Wait()
	if ctx.Err() != nil { // stopped on purpose; what that interrupted is no fault
		err = nil
	}
	e.drain(land)
	unkeep()
	return errors.Join(err, keepers.Wait())
}

// drain ends what is in flight without losing any of it: running attempts finish, or are cut off after
// drainTimeout and made again later; queued ones go back to the bus.
func (e *Engine) drain(cutOff func()) {
	e.stopped.Store(true)
	timer := time.AfterFunc(drainTimeout, cutOff)
	defer timer.Stop()
	e.attempts.Wait()
	e.unsaved.Wait()
}

func (e *Engine) stopping() bool { return e.stopped.Load() }

// job is one delivery that this process works on, a part of a held message.
type job struct {
	d    publish.Delivery
	h    *held
	slot bool // it has a place in the window
}

// submitEvent hands an event to the lanes of the endpoints that subscribed to it.
func (e *Engine) submitEvent(ctx context.Context, h *held) {
	event, err := publish.DecodeEvent(h.msg)
	if err != nil {
		e.log.Error("event not readable", "subject", h.msg.Subject(), "error", err)
		h.settle()
		return
	}
	matched := e.endpoints.Match(event.Subject)
	var jobs []*job
	for _, ep := range matched {
		j := &job{d: publish.Delivery{Endpoint: ep.ID, Event: event, Attempt: 1}, h: h}
		if h.again && e.hasOutcome(ctx, &j.d) {
			continue
		}
		jobs = append(jobs, j)
	}
	e.submit(ctx, h, jobs)
}

// submitDue hands a delivery that came due to its endpoint's lane.
func (e *Engine) submitDue(ctx context.Context, h *held) {
	d, err := publish.DecodeDelivery(h.msg)
	if err != nil {
		e.log.Error("delivery not readable", "subject", h.msg.Subject(), "error", err)
		h.settle()
		return
	}
	if h.again && e.hasOutcome(ctx, &d) {
		h.settle()
		return
	}
	e.submit(ctx, h, []*job{{d: d, h: h}})
}

// hasOutcome reports whether an earlier holder of the message stored an outcome for d before it was killed:
// then attempting d again would double its chain of attempts.
func (e *Engine) hasOutcome(ctx context.Context, d *publish.Delivery) bool {
	for _, find := range []func(context.Context, string) (publish.Delivery, error){e.bus.Waiting, e.bus.Dead} {
		if _, err := find(ctx, d.ID()); err == nil {
			return true
		}
	}
	return false
}

// submit waits for room in the window and hands the jobs of one message to their lanes.
func (e *Engine) submit(ctx context.Context, h *held, jobs []*job) {
	if len(jobs) == 0 {
		h.settle()
		return
	}
	size := min(int64(len(h.msg.Data())), windowBytes)
	if e.bytes.Acquire(ctx, size) != nil {
		h.giveBack()
		return
	}
	h.split(len(jobs), func() { e.bytes.Release(size) })
	for _, j := range jobs {
		e.start(ctx, j)
	}
}

// start hands one job to its lane. Once ctx has ended the lane is not asked any more: the job goes back to
// the bus, since other jobs of its message may have been handed on already.
func (e *Engine) start(ctx context.Context, j *job) {
	err := e.slots.Acquire(ctx, 1)
	j.slot = err == nil
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	switch {
	case !ok:
		e.log.Info("delivery dropped: its endpoint is removed", "delivery", j.d.ID())
		e.finish(j)
	case ep.Disabled:
		e.park(j)
	case err != nil:
		e.deferUntil(j, time.Now())
	default:
		e.lane(ep.ID).submit(j, ep)
	}
}

func (e *Engine) lane(id string) *lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	l, ok := e.lanes[id]
	if !ok {
		l = &lane{engine: e, latency: firstLatency}
		e.lanes[id] = l
	}
	return l
}

// endpointChanged follows a change of the registry: a removed endpoint loses its lane, and one that was
// enabled gets what waited for that.
func (e *Engine) endpointChanged(ctx context.Context, g *errgroup.Group, c endpoint.Change) {
	switch {
	case c.After == nil && c.Before != nil:
		e.mu.Lock()
		delete(e.lanes, c.Before.ID)
		e.mu.Unlock()
	case c.After != nil && c.Before != nil && c.Before.Disabled && !c.After.Disabled:
		id := c.After.ID
		g.Go(func() error {
			if n, err := e.release(ctx, id); err != nil && ctx.Err() == nil {
				e.log.Warn("releasing deliveries of an enabled endpoint failed; they go on within the hour",
					"endpoint", id, "released", n, "error", err)
			}
			return nil
		})
	}
}

// release makes due what waits for its endpoint to be enabled.
func (e *Engine) release(ctx context.Context, id string) (released int, err error) {
	for before := uint64(0); ; {
		page, next, err := e.bus.Before(ctx, publish.RetryShelf(id), before, 500)
		if err != nil {
			return released, fmt.Errorf("listing what waits: %w", err)
		}
		for i := range page {
			d, err := page[i].Delivery()
			if err != nil || d.Why != publish.WhyDisabled {
				continue
			}
			switch err := e.bus.RetryNow(ctx, &d); {
			case err == nil:
				released++
			case !errors.Is(err, publish.ErrConflict): // a conflict: another process released it
				return released, err
			}
		}
		if next == 0 {
			return released, nil
		}
		before = next
	}
}
