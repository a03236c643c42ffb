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

	"jethook/cmd/jethook/bench/server"
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

	// maxBatch is how many messages nats-server takes in an atomic batch.
	maxBatch = 1000
	// goodBatch is where the fsync is paid for, and more only takes longer.
	goodBatch = 250
	// batchesAtOnce keep the server busy while one of them is on its way.
	batchesAtOnce = 4
)

// publisher publishes events as a service would that knows nothing of Jethook but its subjects.
type publisher struct {
	conn *nats.Conn
	js   jetstream.JetStream
	body []byte
}

// newPublisher connects to NATS, to a Jethook of our own as its administrator.
func newPublisher(s *server.Server, body []byte) (*publisher, error) {
	options := []nats.Option{nats.Name("jethook bench")}
	if s.IsChild() {
		options = append(options, nats.Token(s.Token))
	}
	conn, err := nats.Connect(s.NATS, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(ackTimeout))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting to JetStream: %w", err)
	}
	return &publisher{conn, js, body}, nil
}

func (p *publisher) message(id string) *nats.Msg {
	return &nats.Msg{Subject: subject, Data: p.body, Header: nats.Header{
		"Jethook-Id": {id}, "Content-Type": {"application/json"},
	}}
}

// run publishes all events of the tally in batches of that size, at that rate a second if it is more than 0, and returns
// when all are stored. The time of an event is when it leaves, so it does not hold the wait for those before it.
func (p *publisher) run(ctx context.Context, t *tally, rate float64, size int) error {
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	if g.SetLimit(max(16, min(maxInFlight, maxInFlightBytes/len(p.body)))); size > 1 {
		g.SetLimit(batchesAtOnce)
	}
	for from := 0; from < len(t.published) && ctx.Err() == nil; from += size {
		if rate > 0 && pause(ctx, time.Until(start.Add(time.Duration(float64(from)/rate*float64(time.Second))))) != nil {
			break
		}
		g.Go(func() error {
			if err := p.batch(ctx, t, from, min(from+size, len(t.published))); err != nil {
				return fmt.Errorf("publishing: %w", err)
			}
			return nil
		})
	}
	return g.Wait()
}

// batch publishes events atomically: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
func (p *publisher) batch(ctx context.Context, t *tally, from, to int) error {
	id := nuid.Next()
	for i := from; ; i++ {
		m := p.message(t.id(i))
		t.publish(i)
		if to-from > 1 {
			m.Header["Nats-Batch-Id"] = []string{id}
			m.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i - from + 1)}
		}
		if i < to-1 {
			if err := p.conn.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		if to-from > 1 {
			m.Header["Nats-Batch-Commit"] = []string{"1"}
		}
		_, err := p.js.PublishMsg(ctx, m)
		return err
	}
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
	for n := range int(probeTimeout / probePause) {
		if _, err := p.js.PublishMsg(ctx, p.message(t.probeID(n))); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		select {
		case <-t.ready:
			return nil
		case <-time.After(probePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Errorf("%w: %d of %d endpoints got an event within %s", errUnreached, len(t.probed), t.healthy, probeTimeout)
}

// waits is how many messages were written so that deliveries wait for their time: for a delivery that is made at the first
// attempt it is none. It takes an administrator's token.
func (p *publisher) waits(ctx context.Context) (*int64, error) {
	stream, err := p.js.Stream(ctx, "DELIVERIES")
	if err != nil {
		return nil, fmt.Errorf("counting what waits: %w", err)
	}
	return new(int64(stream.CachedInfo().State.LastSeq)), nil
}
