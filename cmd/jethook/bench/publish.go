package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"
)

const (
	// subject is what every event is published on, pattern what every endpoint subscribes to.
	subject = "events.bench.load"
	pattern = "events.bench.>"

	// Events and bytes that are published and not yet acknowledged are bounded: beyond that a publisher only fills queues.
	maxInFlight      = 4096
	maxInFlightBytes = 64 << 20
	// ackTimeout is longer than a cluster takes to choose another leader.
	ackTimeout = 30 * time.Second
)

// publisher publishes events as a service would that knows nothing of Jethook but its subjects.
type publisher struct {
	conn  *nats.Conn
	js    jetstream.JetStream
	body  []byte
	slots chan struct{} // one for each event in flight
	fault chan error    // holds the first event that could not be stored
}

func newPublisher(url string, body []byte) (*publisher, error) {
	p := &publisher{
		body: body, fault: make(chan error, 1),
		slots: make(chan struct{}, max(16, min(maxInFlight, maxInFlightBytes/len(body)))),
	}
	var err error
	if p.conn, err = nats.Connect(url, nats.Name("jethook bench")); err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	p.js, err = jetstream.New(p.conn,
		jetstream.WithPublishAsyncMaxPending(2*cap(p.slots)), // more than there are slots: it never stalls
		jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithPublishAsyncAckHandler(func(jetstream.JetStream, *nats.Msg, *jetstream.PubAck) { <-p.slots }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
			<-p.slots
			select {
			case p.fault <- err:
			default:
			}
		}))
	if err != nil {
		p.conn.Close()
		return nil, fmt.Errorf("connecting to JetStream: %w", err)
	}
	return p, nil
}

func (p *publisher) close() { p.conn.Close() }

func (p *publisher) message(id string) *nats.Msg {
	return &nats.Msg{Subject: subject, Data: p.body, Header: nats.Header{
		"Jethook-Id": {id}, "Content-Type": {"application/json"},
	}}
}

// run publishes all events of the tally, at that rate a second if it is more than 0, and returns when all are stored.
// The time of an event is when it leaves, so it does not hold the wait for a slot.
func (p *publisher) run(ctx context.Context, t *tally, rate float64, batch int) error {
	if batch > 1 {
		return p.runBatches(ctx, t, batch)
	}
	start := time.Now()
	for i := range t.published {
		if rate > 0 {
			if err := pause(ctx, time.Until(start.Add(time.Duration(float64(i)/rate*float64(time.Second))))); err != nil {
				return err
			}
		}
		select {
		case p.slots <- struct{}{}:
		case err := <-p.fault:
			return fmt.Errorf("publishing: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
		t.publish(i)
		if _, err := p.js.PublishMsgAsync(p.message(t.id(i))); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
	select {
	case <-p.js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-p.fault:
		return fmt.Errorf("publishing: %w", err)
	default:
		return nil
	}
}

const (
	// maxBatch is how many messages nats-server takes in an atomic batch.
	maxBatch = 1000
	// goodBatch is where the fsync is paid for, and more only takes longer.
	goodBatch = 250
	// batchesAtOnce keep the server busy while one of them is on its way.
	batchesAtOnce = 4
)

// runBatches publishes all events of the tally in atomic batches:
// https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
func (p *publisher) runBatches(ctx context.Context, t *tally, size int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(batchesAtOnce)
	for from := 0; from < len(t.published) && ctx.Err() == nil; from += size {
		g.Go(func() error { return p.batch(ctx, t, from, min(from+size, len(t.published))) })
	}
	return g.Wait()
}

func (p *publisher) batch(ctx context.Context, t *tally, from, to int) error {
	id := nuid.Next()
	for i := from; i < to; i++ {
		m := p.message(t.id(i))
		m.Header["Nats-Batch-Id"] = []string{id}
		m.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i - from + 1)}
		t.publish(i)
		if i < to-1 {
			if err := p.conn.PublishMsg(m); err != nil {
				return fmt.Errorf("publishing: %w", err)
			}
			continue
		}
		m.Header["Nats-Batch-Commit"] = []string{"1"}
		if _, err := p.js.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("publishing a batch: %w", err)
		}
	}
	return nil
}

// shortest is what a timer can wait for: events that are due sooner leave together.
const shortest = 500 * time.Microsecond

func pause(ctx context.Context, d time.Duration) error {
	if d < shortest {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	probePause   = 500 * time.Millisecond
	probeTimeout = 20 * time.Second
)

// errUnreached means that deliveries do not get to where they are counted.
var errUnreached = errors.New("no delivery reaches the receiver")

// probe publishes events until every healthy endpoint got one, so that the run begins when all is ready and a receiver that
// can't be reached is told from a slow Jethook.
func (p *publisher) probe(ctx context.Context, t *tally) error {
	want := t.healthy()
	for n := range int(probeTimeout / probePause) {
		if _, err := p.js.PublishMsg(ctx, p.message(t.probeID(n))); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		for range 50 {
			if t.probed.Load() == want {
				return nil
			}
			if err := pause(ctx, probePause/50); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w: %d of %d endpoints got an event within %s", errUnreached, t.probed.Load(), want, probeTimeout)
}
