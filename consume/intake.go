package consume

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"jethook/consume/ack"
	"jethook/publish"
	"jethook/publish/outage"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

const (
	// fetchMessages and fetchBytes bound one request for messages, of which two may lie ready.
	fetchMessages = 256
	fetchBytes    = 4 << 20
	// fetchRetries bounds a request for retries instead: hundreds that come at once take a processor for
	// milliseconds, and these have waited for minutes.
	fetchRetries = 32
	// fetchWait is how long an idle request for messages stays open.
	fetchWait = 10 * time.Second
	// openWait is how long one waits for an answer when a consumer is opened.
	openWait = 2500 * time.Millisecond
	// retryFetch is the pause after a failed request for messages.
	retryFetch = 250 * time.Millisecond
	// heartbeat is how often the bus is told that what is held is still being worked on.
	heartbeat = topology.AckWait / 3
)

// intake takes messages off one stream and keeps those it holds from being given to another process.
type intake struct {
	engine   *Engine
	endpoint string // whose own it is; empty: it is shared

	bus    *publish.Bus
	queue  topology.Queue
	submit func(context.Context, *held)
	log    *slog.Logger
	bytes  *semaphore.Weighted // of what the engine holds
	pull   int                 // bytes that one request may bring
	most   int64               // messages that one request may bring
	acks   *ack.Queue
	ended  func()                      // called when a message is not held any more; nil: nobody waits for that
	sync   func(context.Context) error // makes the records current by which a message is decided about; nil: there are none
	synced time.Time                   // when that was last begun
	stale  *outage.Outage              // of that
	cursor bool                        // it is an endpoint's own

	stalled atomic.Int64 // since when requests for messages bring nothing and should, in nanoseconds of the epoch; 0: they do not

	opened     time.Time // when the consumer was opened, or the connection was last found restored
	reconnects uint64    // of the connection, as last seen

	ready  chan *held
	credit *semaphore.Weighted // of places in ready

	mu   sync.Mutex // guards held
	held map[uint64]*held
}

// pullBytes is how many bytes one request for messages may bring: less than the largest message would never
// bring that one.
func pullBytes(bus *publish.Bus) int { return max(fetchBytes, bus.Limits().Message) }

func newIntake(e *Engine, q topology.Queue, submit func(context.Context, *held)) *intake {
	in := &intake{
		stale: &e.faults.places, bus: e.bus, queue: q, submit: submit, log: e.log.With("stream", q.Stream),
		bytes: e.bytes, pull: pullBytes(e.bus), most: fetchMessages, acks: e.acks,
		held: make(map[uint64]*held),
	}
	if q.Stream == topology.StreamDeliveries {
		in.bytes, in.most = e.dueBytes, fetchRetries
	}
	in.ready, in.credit = make(chan *held, 2*in.most), semaphore.NewWeighted(2*in.most)
	return in
}

// fetch takes messages as long as there is room for them, until ctx ends. Then it gives back what nobody
// works on, so that another process has it at once.
func (in *intake) fetch(ctx context.Context) error {
	defer close(in.ready)
	var consumer *pull.Consumer
	defer func() {
		if consumer != nil {
			consumer.Close()
		}
	}()
	taking := outage.Outage{Fails: "cannot read events; retrying", Works: "reading events again"}
	for ctx.Err() == nil {
		var err error
		if consumer == nil {
			consumer, err = in.open(ctx)
			in.opened = time.Now()
			if errors.Is(err, topology.ErrStreamMismatch) { // trying again would not mend it
				return err
			}
		}
		if err == nil {
			err = in.fetchOnce(ctx, consumer)
		}
		if ctx.Err() == nil {
			taking.Tell(in.log, err)
			in.note(err)
		}
		if errors.Is(err, pull.ErrSilent) { // whoever leads the consumer now is asked
			continue
		}
		if err != nil {
			if consumer != nil { // it may be gone, and is then made anew
				consumer.Close()
			}
			consumer = nil
			select {
			case <-time.After(retryFetch):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// open opens the queue's consumer. While a cluster elects who leads it, it may get no answer, and the next question one at
// once.
func (in *intake) open(ctx context.Context) (*pull.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	return in.bus.Queues().Open(ctx, in.queue)
}

// fetchOnce makes one request for messages, for which there is room beforehand.
func (in *intake) fetchOnce(ctx context.Context, consumer *pull.Consumer) error {
	if in.credit.Acquire(ctx, in.most) != nil || in.bytes.Acquire(ctx, int64(in.pull)) != nil {
		return nil
	}
	n, size := int64(0), int64(0)
	defer func() {
		in.credit.Release(in.most - n)
		in.bytes.Release(int64(in.pull) - size)
	}()
	wait, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	began := time.Now()
	batch, err := consumer.Take(wait, int(in.most), in.pull)
	if err != nil {
		return err
	}
	for m := range batch.Messages() {
		if h := in.hold(m); h != nil {
			n++
			size += h.size
			in.ready <- h
		}
	}
	switch {
	case wait.Err() != nil: // idle for the whole time
		return nil
	case batch.Error() == nil && n == 0 && time.Since(began) < retryFetch:
		return errNothing
	}
	return batch.Error()
}

// errNothing means that a request for messages ended early and brought none; asked again at once, it would so
// for ever.
var errNothing = errors.New("the bus gave no reason")

// hold registers a message. It returns nil for a copy of one that is being worked on already: the outcome of
// that work answers for both.
func (in *intake) hold(m jetstream.Msg) *held {
	meta, err := m.Metadata()
	if err != nil {
		in.log.Error("message without a stream position", "subject", m.Subject(), "error", err)
		return nil
	}
	if n := in.bus.Queues().Reconnects(in.queue.Stream); n != in.reconnects { // the server may have been killed
		in.opened, in.reconnects = time.Now(), n
	}
	h := &held{
		msg: m, seq: meta.Sequence.Stream, stored: meta.Timestamp, came: time.Now(), in: in,
		// A server that was killed may have forgotten that it gave out what it gave out last.
		again: meta.NumDelivered > 1 || meta.Timestamp.Before(in.opened), repeat: meta.NumDelivered > 1, opened: in.opened,
		size: in.sizeOf(m), link: in.reconnects,
	}
	h.kept.Store(int64(time.Since(began)))
	h.suspect = meta.NumDelivered > blameless || h.again && in.bus.Server().Deaths() >= blameless
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, twice := in.held[h.seq]; twice {
		return nil
	}
	in.held[h.seq] = h
	return h
}

// sizeOf is how much room a message takes.
func (in *intake) sizeOf(m jetstream.Msg) int64 { return min(int64(len(m.Data())), int64(in.pull)) }

// dispatch hands the messages on, in the order of the stream. When ctx has ended it gives them back.
func (in *intake) dispatch(ctx context.Context) error {
	for h := range in.ready {
		if err := in.makeCurrent(ctx, h); err != nil {
			h.GiveBack()
		} else {
			in.submit(ctx, h)
		}
		in.credit.Release(1)
	}
	return nil
}

// makeCurrent returns when the records are as current as the message, however often that takes; ctx's error when it ends.
func (in *intake) makeCurrent(ctx context.Context, h *held) error {
	for in.sync != nil && !h.came.Before(in.synced) && ctx.Err() == nil {
		now := time.Now()
		err := in.sync(ctx)
		if err == nil {
			in.synced = now
			in.stale.Tell(in.log, nil)
			break
		}
		in.stale.Tell(in.log, err)
		select {
		case <-time.After(retryFetch):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// keep tells the bus regularly that what is held is being worked on, until ctx ends.
func (in *intake) keep(ctx context.Context) error { return keepHeld(ctx, in.snapshot) }

// keepHeld tells the bus regularly that what snapshot adds to a list is being worked on, until ctx ends.
func keepHeld(ctx context.Context, snapshot func(into []*held) []*held) error {
	t := time.NewTicker(heartbeat)
	defer t.Stop()
	var working []*held
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		// What came since the last beat is young enough to wait for the next one.
		for _, h := range working {
			if h.in.holds(h) {
				h.keep()
			}
		}
		working = snapshot(working[:0])
	}
}

func (in *intake) holds(h *held) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.held[h.seq] == h
}

func (in *intake) snapshot(into []*held) []*held {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.held {
		into = append(into, h)
	}
	return into
}
