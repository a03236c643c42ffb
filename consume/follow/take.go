package follow

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/cursor"
	"jethook/publish/pull"
)

// pullBytes is how many bytes of events one request may bring, by the size that they have had.
const pullBytes = 4 << 20

// pull takes up to n events and hands them to the lane. It returns how many came, and how many more wait.
func (f *follower) pull(ctx context.Context, consumer *pull.Consumer, l Lane, n int) (got int, left uint64, err error) {
	n = min(n, max(1, pullBytes/f.avg))
	if f.draining.Acquire(ctx, 1) != nil {
		return 0, 0, nil
	}
	messages, err := f.take(ctx, n, consumer.TakeStored)
	f.draining.Release(1)
	if err == nil && len(messages) == 0 {
		messages, err = f.await(ctx, n, consumer)
	}
	if err != nil || len(messages) == 0 {
		return 0, 0, err
	}
	if meta, err := messages[len(messages)-1].Metadata(); err == nil {
		left = meta.NumPending
	}
	return len(messages), left, f.receive(ctx, messages)
}

// await waits for events that have yet to come, for a moment.
func (f *follower) await(ctx context.Context, n int, consumer *pull.Consumer) ([]jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, f.Calm/2)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-f.changed:
			f.wake()
			cancel()
		case <-stop:
		}
	}()
	return f.take(wait, n, func(ctx context.Context, n int) (*pull.Batch, error) { return consumer.Take(ctx, n, 0) })
}

// take asks for events and returns what came.
func (f *follower) take(ctx context.Context, n int, ask func(context.Context, int) (*pull.Batch, error)) (messages []jetstream.Msg, err error) {
	batch, err := ask(ctx, n)
	if err != nil {
		return nil, err
	}
	for m := range batch.Messages() {
		messages = append(messages, m)
		f.avg += (len(m.Data()) + 1 - f.avg) / 8
		f.avg = max(f.avg, 256)
	}
	if ctx.Err() != nil || len(messages) > 0 {
		return messages, nil
	}
	return nil, batch.Error()
}

// receive hands to the lane what of the messages is the cursor's.
func (f *follower) receive(ctx context.Context, messages []jetstream.Msg) error {
	var all []placed
	for _, m := range messages {
		if h, place := f.in.Hold(m); h != nil {
			all = append(all, placed{h, place})
		}
	}
	for i, m := range all {
		r, err := f.admit(ctx, m)
		if err == nil {
			err = f.decide(ctx, m, r)
		}
		if err != nil {
			giveBack(all[i:])
			if errors.Is(err, errPasses) {
				return nil
			}
			return err
		}
	}
	return nil
}

// placed is a message with its place in the stream.
type placed struct {
	Message
	place uint64
}

// admit returns the record by which a message is decided about, once there is room for it; nil: it is removed.
func (f *follower) admit(ctx context.Context, m placed) (*cursor.Record, error) {
	if err := m.Admit(ctx); err != nil {
		return nil, err
	}
	r := f.Cursors.Of(f.key)
	if r.Divides() {
		return r, nil
	}
	return f.Cursors.Settle(ctx, f.key)
}

// errPasses means that a message passes the endpoint by, and all behind it.
var errPasses = errors.New("the endpoint is disabled, and events pass it by")

// decide does with a message what the record says; nil: there is none.
func (f *follower) decide(ctx context.Context, m placed, r *cursor.Record) error {
	switch {
	case r != nil && r.Epoch != f.epoch: // of an earlier record's consumer: the present one's brings what is the cursor's
		m.End(Leave)
	case r != nil && r.Passing && m.place >= r.Until:
		passes, err := f.stillPasses(ctx, r)
		if passes && err == nil {
			err = errPasses
		}
		if err != nil {
			return err
		}
		m.End(Settle)
	case r == nil, !r.HasCursor(m.place), !r.Delivers(m.place):
		m.End(Settle)
	case r.Goes(m.place):
		m.PassOver(ctx)
	default:
		m.Deliver(ctx)
	}
	return nil
}

func giveBack(all []placed) {
	for _, m := range all {
		m.End(GiveBack)
	}
}

// stillPasses reports whether an endpoint whose record says that events pass it by is disabled still. If not, what passed by
// is over.
func (f *follower) stillPasses(ctx context.Context, r *cursor.Record) (bool, error) {
	ep, err := f.Endpoints.Get(ctx, f.key.Endpoint)
	if err != nil || ep.PassesBy() {
		return true, err
	}
	return false, f.Cursors.Note(ctx, f.key, func(now *cursor.Record) bool {
		changes := now.Passing && now.Epoch == r.Epoch && now.Until == r.Until
		now.Passing = now.Passing && !changes
		return changes
	})
}
