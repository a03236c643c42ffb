package consume

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/lane"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/pull"
)

// pull takes up to n events and hands them to the lane. It returns how many came, and how many more wait.
func (f *follower) pull(ctx context.Context, consumer *pull.Consumer, l *lane.Lane[*job], n int) (got int, left uint64, err error) {
	n = min(n, max(1, fetchBytes/f.avg))
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
	return len(messages), left, f.receive(ctx, l, messages)
}

// await waits for events that have yet to come, for a moment.
func (f *follower) await(ctx context.Context, n int, consumer *pull.Consumer) ([]jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, f.calm/2)
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
func (f *follower) receive(ctx context.Context, l *lane.Lane[*job], messages []jetstream.Msg) error {
	var all []*held
	for _, m := range messages {
		if h := f.in.hold(m); h != nil {
			all = append(all, h)
		}
	}
	for i, h := range all {
		r, err := f.currentFor(ctx, h)
		if err == nil && f.in.bytes.Acquire(ctx, h.size) != nil {
			err = ctx.Err()
		}
		if err != nil {
			all[i].size = 0 // there is no room for it yet
			f.giveBack(all[i:])
			return err
		}
		if r != nil && r.Epoch != f.epoch { // of an earlier record's consumer: the present one's brings what is the cursor's
			h.release()
			continue
		}
		switch {
		case r != nil && r.Passing && h.seq >= r.Until:
			passes, err := f.stillPasses(ctx, r)
			if passes || err != nil {
				f.giveBack(all[i:])
				return err
			}
			h.Settle()
		case r == nil, !r.HasCursor(h.seq), !r.Delivers(h.seq):
			h.Settle()
		case r.Goes(h.seq):
			f.passOver(ctx, h)
		default:
			f.deliverOne(ctx, h)
		}
	}
	return nil
}

// stillPasses reports whether an endpoint whose record says that events pass it by is disabled still. If not, what passed by
// is over.
func (f *follower) stillPasses(ctx context.Context, r *cursor.Record) (bool, error) {
	ep, err := f.endpoints.Get(ctx, f.key.Endpoint)
	if err != nil || ep.PassesBy() {
		return true, err
	}
	return false, f.cursors.Note(ctx, f.key, func(now *cursor.Record) bool {
		changes := now.Passing && now.Epoch == r.Epoch && now.Until == r.Until
		now.Passing = now.Passing && !changes
		return changes
	})
}

// giveBack gives back messages of which only the first may have room.
func (f *follower) giveBack(all []*held) {
	for i, h := range all {
		if i > 0 {
			h.size = 0
		}
		h.GiveBack()
	}
}

// currentFor returns the record by which a message is decided about; nil: it is removed.
func (f *follower) currentFor(ctx context.Context, h *held) (*cursor.Record, error) {
	if err := f.in.makeCurrent(ctx, h); err != nil {
		return nil, err
	}
	r := f.cursors.Of(f.key)
	if r.Divides() {
		return r, nil
	}
	return f.cursors.Settle(ctx, f.key)
}

// deliverOne hands one event to the lane, unless it has its outcome.
func (f *follower) deliverOne(ctx context.Context, h *held) {
	if !f.mayRead(ctx, h, f.key.Endpoint) {
		return
	}
	d, wanted, err := f.wanted(ctx, h, f.key.Endpoint)
	switch {
	case ctx.Err() != nil:
		h.GiveBack()
	case err != nil:
		h.GiveBackLater(time.Second, err)
	case !wanted:
		h.Settle()
	default:
		f.submit(ctx, h, []*job{{d: d, h: h}})
	}
}

// passOver passes over what somebody was about to take from the cursor, once it is due.
func (f *follower) passOver(ctx context.Context, h *held) {
	if !f.mayRead(ctx, h, f.key.Endpoint) {
		return
	}
	switch err := f.sendGoing(ctx, f.key, h); {
	case ctx.Err() != nil:
		h.GiveBack()
	case err != nil:
		h.GiveBackLater(time.Second, err)
	default:
		h.Settle()
	}
}

// sendGoing makes due what somebody was about to take from a cursor, unless that was done.
func (e *Engine) sendGoing(ctx context.Context, key cursor.Key, h *held) error {
	event, err := event.Decode(h.msg)
	if err != nil {
		return nil // nobody could
	}
	d := delivery.Delivery{Endpoint: key.Endpoint, Event: event, Attempt: 1}
	trace, err := e.bus.Find().Trace(ctx, d.ID())
	if err != nil || trace != (delivery.Trace{}) {
		return err
	}
	ended, err := deliveries.RecentlyEnded(ctx, e.bus, key.Endpoint)
	if err != nil || ended[d.ID()] {
		return err
	}
	return deliveries.SendAhead(ctx, e.bus, e.cursors, key, &d)
}
