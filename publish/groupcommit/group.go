package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"jethook/publish/failure"
)

// PublishGroup stores at most MaxGroup messages all or none and returns once everyone's answer is there, ctx ended, or Timeout is over.
func (c *Committer) PublishGroup(ctx context.Context, msgs []*nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var (
		mu    sync.Mutex // guards what follows
		left  = len(msgs)
		fault error
	)
	told := make(chan error, 1)
	c.enqueueGroup(msgs, func(_ Receipt, err error) {
		mu.Lock()
		defer mu.Unlock()
		if fault == nil { // a thousand equal ones say no more
			fault = err
		}
		if left--; left == 0 {
			told <- fault
		}
	})
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", failure.ErrUnavailable, ctx.Err())
	}
}

// enqueueGroup hands over at most maxGroup messages that are to be stored all or none. done is called once for
// each, as enqueue does.
func (c *Committer) enqueueGroup(msgs []*nats.Msg, done func(Receipt, error)) {
	group, bytes := make([]pending, len(msgs)), 0
	for i, m := range msgs {
		group[i] = pending{msg: m, done: done}
		bytes += len(m.Data)
	}
	group[0].group = len(msgs)
	if err := c.append(bytes, group...); err != nil {
		for range msgs {
			done(Receipt{}, err)
		}
	}
}

// mayComeSingly reports whether a group that the store refused may be stored message by message: when it has some
// of it already, each must get its own answer; and where an operator switched batches off there is no other way.
func mayComeSingly(refusal error) bool {
	r, ok := errors.AsType[*refusedError](refusal)
	return ok && (r.code == failure.CodeBatchDuplicate || r.code == failure.CodeDuplicateUnderWay || r.code == failure.CodeBatchesDisabled)
}

// Headers of a message by which the store may refuse it, and a batch with it.
const (
	headerID              = "Nats-Msg-Id"
	headerExpectedSubject = "Nats-Expected-Last-Subject-Sequence-Subject"
)

// conflictKey returns the key that at most one message of an atomic batch may carry. With a message of the same
// id the store would refuse the whole batch; and it holds two conditions on one subject against what lay there before
// the batch, so that both would hold.
func conflictKey(m *nats.Msg) string {
	if subject := m.Header.Get(headerExpectedSubject); subject != "" {
		return subject
	}
	return m.Header.Get(headerID)
}
