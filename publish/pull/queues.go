package pull

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

// Queues are all that consume processes share.
func (s *Set) Queues() []topology.Queue {
	all := []topology.Queue{topology.QueueWebhooks, topology.QueueEvents, topology.QueueOps, topology.QueueDue}
	if slices.Contains(s.streams[topology.StreamDeliveries].CachedInfo().Config.Subjects, topology.TurnSubjects) {
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
func (s *Set) QueueStates(ctx context.Context) (states []QueueState, err error) {
	for _, q := range s.Queues() {
		info, err := s.QueueInfo(ctx, q)
		if err != nil {
			return nil, err
		}
		if info == nil {
			continue
		}
		state := QueueState{Stream: q.Stream, Name: q.Name, Pending: info.NumPending, Unacked: info.NumAckPending}
		if state.Pending > 0 || state.Unacked > 0 {
			if state.Oldest, err = s.oldestOf(ctx, q, info.AckFloor.Stream); err != nil {
				return nil, err
			}
		}
		states = append(states, state)
	}
	return states, nil
}

// Untaken returns how many messages of a queue no process has taken yet.
func (s *Set) Untaken(ctx context.Context, q topology.Queue) (uint64, error) {
	info, err := s.QueueInfo(ctx, q)
	if err != nil || info == nil {
		return 0, err
	}
	return info.NumPending, nil
}

// QueueInfo returns what the server tells of a queue, nil when there is none yet.
func (s *Set) QueueInfo(ctx context.Context, q topology.Queue) (*jetstream.ConsumerInfo, error) {
	c, err := s.reads.JS.Consumer(ctx, q.Stream, q.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("asking for consumer %s of %s: %w", q.Name, q.Stream, failure.Classify(err))
	}
	return c.CachedInfo(), nil
}

// oldestOf returns when the first message of a queue was stored that has no outcome.
func (s *Set) oldestOf(ctx context.Context, q topology.Queue, floor uint64) (time.Time, error) {
	from := floor + 1
	if q.Stream == topology.StreamDeliveries { // what has its outcome is gone, and the server finds the first of a stream at once
		from = 1
	}
	m, err := s.reader.Message(ctx, q.Stream, query.Question{Seq: from, Subject: q.Filter})
	switch {
	case errors.Is(err, failure.ErrNotFound), errors.Is(err, query.ErrUnreadable): // it has its outcome by now, or can't tell
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading the oldest of %s: %w", q.Filter, err)
	}
	return m.Time.UTC(), nil
}
