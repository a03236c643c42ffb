package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// StoreState is how full the whole store is, in bytes.
type StoreState struct {
	Used  uint64 `json:"bytes"`
	Limit int64  `json:"bytes_limit,omitempty" doc:"maximum size in bytes; absent: no limit"`
}

// StoreState returns how much all streams hold together, those of others in the same account among them.
func (b *Bus) StoreState(ctx context.Context) (s StoreState, err error) {
	info, err := b.reads.JS.AccountInfo(ctx)
	if err != nil {
		return s, fmt.Errorf("asking for the store: %w", failure.Classify(err))
	}
	s.Used = info.Store
	s.Limit, err = b.storage(ctx)
	return s, err
}

// Queues are all that consume processes share.
func (b *Bus) Queues() []topology.Queue {
	all := []topology.Queue{topology.QueueWebhooks, topology.QueueEvents, topology.QueueOps, topology.QueueDue}
	if slices.Contains(b.streams[topology.StreamDeliveries].CachedInfo().Config.Subjects, topology.TurnSubjects) {
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
func (b *Bus) QueueStates(ctx context.Context) (states []QueueState, err error) {
	for _, q := range b.Queues() {
		info, err := b.queueInfo(ctx, q)
		if err != nil {
			return nil, err
		}
		if info == nil {
			continue
		}
		s := QueueState{Stream: q.Stream, Name: q.Name, Pending: info.NumPending, Unacked: info.NumAckPending}
		if s.Pending > 0 || s.Unacked > 0 {
			if s.Oldest, err = b.oldestOf(ctx, q, info.AckFloor.Stream); err != nil {
				return nil, err
			}
		}
		states = append(states, s)
	}
	return states, nil
}

// Untaken returns how many messages of a queue no process has taken yet.
func (b *Bus) Untaken(ctx context.Context, q topology.Queue) (uint64, error) {
	info, err := b.queueInfo(ctx, q)
	if err != nil || info == nil {
		return 0, err
	}
	return info.NumPending, nil
}

// queueInfo returns what the server tells of a queue, nil when there is none yet.
func (b *Bus) queueInfo(ctx context.Context, q topology.Queue) (*jetstream.ConsumerInfo, error) {
	c, err := b.reads.JS.Consumer(ctx, q.Stream, q.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("asking for consumer %s of %s: %w", q.Name, q.Stream, failure.Classify(err))
	}
	return c.CachedInfo(), nil
}

// oldestOf returns when the first message of a queue was stored that has no outcome.
func (b *Bus) oldestOf(ctx context.Context, q topology.Queue, floor uint64) (time.Time, error) {
	from := floor + 1
	if q.Stream == topology.StreamDeliveries { // what has its outcome is gone, and the server finds the first of a stream at once
		from = 1
	}
	m, err := b.reader.Message(ctx, q.Stream, query.Question{Seq: from, Subject: q.Filter})
	switch {
	case errors.Is(err, failure.ErrNotFound), errors.Is(err, query.ErrUnreadable): // it has its outcome by now, or can't tell
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading the oldest of %s: %w", q.Filter, err)
	}
	return m.Time.UTC(), nil
}
