package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Queues are what all processes share.
type Queues struct {
	front, reads  *connection.Conn
	connectionFor func(stream string) *connection.Conn
	reader        *query.Reader
	streams       map[string]jetstream.Stream
}

// NewQueues returns those in some streams. connectionFor returns the connection by which a stream's messages are taken.
func NewQueues(front, reads *connection.Conn, connectionFor func(stream string) *connection.Conn, streams map[string]jetstream.Stream, reader *query.Reader) *Queues {
	return &Queues{front: front, reads: reads, connectionFor: connectionFor, reader: reader, streams: streams}
}

// Open opens the consumer of a queue.
func (qs *Queues) Open(ctx context.Context, q topology.Queue) (*Consumer, error) {
	conn := qs.connectionFor(q.Stream)
	c, err := topology.EnsureConsumer(ctx, conn.JS, q)
	if err != nil {
		return nil, err
	}
	return &Consumer{Consumer: c, conn: conn}, nil
}

// Settled returns the sequence in a stream of events up to which each event has an outcome that is stored for every
// endpoint that takes part in the shared intake; 0 when nobody has begun.
func (qs *Queues) Settled(ctx context.Context, stream string) (uint64, error) {
	c, err := qs.reader.Stream(stream).Consumer(ctx, topology.ConsumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking for consumer %s of %s: %w", topology.ConsumerName, stream, failure.Classify(err))
	}
	return c.CachedInfo().AckFloor.Stream, nil
}

// Reconnects tells how often the connection came back by which a stream's messages are taken.
func (qs *Queues) Reconnects(stream string) uint64 {
	return qs.connectionFor(stream).Stats().Reconnects
}

// IsConnected reports whether there is a connection for what concerns a stream, for all that is known.
func (qs *Queues) IsConnected(stream string) bool { return qs.connectionFor(stream).IsConnected() }

// All are all that consume processes share.
func (qs *Queues) All() []topology.Queue {
	all := []topology.Queue{topology.QueueWebhooks, topology.QueueEvents, topology.QueueOps, topology.QueueDue}
	if slices.Contains(qs.streams[topology.StreamDeliveries].CachedInfo().Config.Subjects, topology.TurnSubjects) {
		all = append(all, topology.QueueTurns)
	}
	return all
}

// QueueState is how far the processes are with a queue.
type QueueState struct {
	Stream, Name string
	Pending      uint64    // messages that no process has taken yet
	Unacked      int       // messages that a process has taken and that have no outcome yet
	Oldest       time.Time // when the oldest of both was stored; zero when there is none
}

// QueueStates returns the state of each queue that there is: a process that delivers makes them when it first runs.
func (qs *Queues) QueueStates(ctx context.Context) (states []QueueState, err error) {
	for _, q := range qs.All() {
		info, err := qs.QueueInfo(ctx, q)
		if err != nil {
			return nil, err
		}
		if info == nil {
			continue
		}
		state := QueueState{Stream: q.Stream, Name: q.Name, Pending: info.NumPending, Unacked: info.NumAckPending}
		if state.Pending > 0 || state.Unacked > 0 {
			if state.Oldest, err = qs.oldestOf(ctx, q, info.AckFloor.Stream); err != nil {
				return nil, err
			}
		}
		states = append(states, state)
	}
	return states, nil
}

// Untaken returns how many messages of a queue no process has taken yet.
func (qs *Queues) Untaken(ctx context.Context, q topology.Queue) (uint64, error) {
	info, err := qs.QueueInfo(ctx, q)
	if err != nil || info == nil {
		return 0, err
	}
	return info.NumPending, nil
}

// QueueInfo returns what the server tells of a queue, nil when there is none yet.
func (qs *Queues) QueueInfo(ctx context.Context, q topology.Queue) (*jetstream.ConsumerInfo, error) {
	c, err := qs.reads.JS.Consumer(ctx, q.Stream, q.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("asking for consumer %s of %s: %w", q.Name, q.Stream, failure.Classify(err))
	}
	return c.CachedInfo(), nil
}

// oldestOf returns when the first message of a queue was stored that has no outcome.
func (qs *Queues) oldestOf(ctx context.Context, q topology.Queue, floor uint64) (time.Time, error) {
	from := floor + 1
	if q.Stream == topology.StreamDeliveries { // what has its outcome is gone, and the server finds the first of a stream at once
		from = 1
	}
	m, err := qs.reader.Message(ctx, q.Stream, query.Question{Seq: from, Subject: q.Filter})
	switch {
	case errors.Is(err, failure.ErrNotFound), errors.Is(err, query.ErrUnreadable): // it has its outcome by now, or can't tell
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading the oldest of %s: %w", q.Filter, err)
	}
	return m.Time.UTC(), nil
}

// Restored returns a channel that is closed when a connection that broke is back the next time. Whoever watches
// the bus learns by it that it may have missed something.
func (qs *Queues) Restored() <-chan struct{} { return qs.front.Restored() }
