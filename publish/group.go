package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"jethook/publish/failure"

	"github.com/nats-io/nats.go"
)

// PublishAll stores the events of one request, all to the same stream, and returns once all are acknowledged. They
// are stored by one atomic batch for each thousand: all of those, or none. Where the store refuses the batch
// because it knows one of them already, as after a redelivery, each is stored by itself; then an error can leave
// some of them stored, and publishing all again completes them. An id that comes twice is stored once.
// Errors are those of [Bus.Publish].
func (b *Bus) PublishAll(ctx context.Context, events []*Event) error {
	for part := range slices.Chunk(once(events), maxGroup) { // a copy, which may be changed
		err := b.lightenAll(ctx, part)
		if err == nil {
			err = b.committerFor(part[0]).publishGroup(ctx, part)
		}
		b.noteFailure(err)
		if err != nil {
			return fmt.Errorf("publishing %d events to %s and others: %w", len(part), part[0].Subject, err)
		}
	}
	return nil
}

// once leaves out events whose id came before: the store would refuse them together with all the others.
func once(events []*Event) []*Event {
	seen := make(map[string]bool, len(events))
	return slices.DeleteFunc(slices.Clone(events), func(e *Event) bool {
		twice := seen[e.ID]
		seen[e.ID] = true
		return twice
	})
}

// publishGroup stores the events all or none and returns once everyone's answer is there, ctx ended, or Timeout is over.
func (c *committer) publishGroup(ctx context.Context, events []*Event) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	msgs := make([]*nats.Msg, len(events))
	for i, e := range events {
		own := *e
		own.Header = maps.Clone(e.Header) // the events of one request have one header
		msgs[i] = own.msg()
	}
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
func (c *committer) enqueueGroup(msgs []*nats.Msg, done func(Receipt, error)) {
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

// claim is what a message has in common with those that must not be in one batch with it. With a message of the same
// id the store would refuse the whole batch; and it holds two conditions on one subject against what lay there before
// the batch, so that both would hold.
func claim(m *nats.Msg) string {
	if subject := m.Header.Get(headerExpectedSubj); subject != "" {
		return subject
	}
	return m.Header.Get(HeaderMsgID)
}
