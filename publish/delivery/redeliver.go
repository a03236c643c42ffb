package delivery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/query"
	"jethook/publish/removal"
	"jethook/publish/topology"
)

// leastAhead is how far in the future a schedule must lie to be replaced. One that lies in the past may be firing:
// the server has read it then and makes it due whatever happens to it, which could make two of one.
const leastAhead = time.Second

func comingDue(d *Delivery) bool { return time.Until(d.Due) < leastAhead }

// RetryNow makes a waiting delivery due, within a second. ErrConflict means that it became due, or was changed, in
// between, or becomes due this moment.
func (s *Store) RetryNow(ctx context.Context, d *Delivery) error {
	if comingDue(d) {
		return fmt.Errorf("making delivery %s due: %w: its time has come", d.ID(), failure.ErrConflict)
	}
	return s.Reschedule(ctx, d)
}

// Reschedule schedules a delivery for this moment whose time has long come: the server has forgotten its schedule.
// ErrConflict means that it was changed meanwhile.
func (s *Store) Reschedule(ctx context.Context, d *Delivery) error {
	if _, err := s.p.Deliveries.Publish(ctx, s.scheduledNow(d)); err != nil {
		return fmt.Errorf("making delivery %s due: %w", d.ID(), err)
	}
	return nil
}

// Advance is RetryNow without waiting: done is told.
func (s *Store) Advance(d *Delivery, done func(error)) {
	if comingDue(d) {
		done(fmt.Errorf("making delivery %s due: %w: its time has come", d.ID(), failure.ErrConflict))
		return
	}
	s.p.Deliveries.Enqueue(s.scheduledNow(d), func(_ groupcommit.Receipt, err error) { done(err) })
}

// Unschedule removes the message that was read of a delivery that waits, or came due. One that is not there any more is no
// error.
func (s *Store) Unschedule(ctx context.Context, d *Delivery) error {
	if err := s.p.Removal.Remove(ctx, topology.StreamDeliveries, d.seq); err != nil {
		return fmt.Errorf("removing a message of %s: %w", d.ID(), err)
	}
	return nil
}

// scheduledNow is a message that replaces the schedule of d, provided that it is still the one that was read, by one
// for this moment. However long it is on its way, that makes no two of one: if the schedule fires meanwhile, what it
// makes due removes what has replaced it.
func (s *Store) scheduledNow(d *Delivery) *nats.Msg {
	now := *d
	now.Due, now.Why = time.Now(), WhyRetry
	m := s.scheduled(&now)
	expect(m, d.ID(), d.seq)
	return m
}

// expect lets m be stored only if the delivery's last message in DELIVERIES is the one with that sequence; 0: if it
// has none.
func expect(m *nats.Msg, id string, seq uint64) {
	m.Header[headerExpectedSeq] = []string{strconv.FormatUint(seq, 10)}
	m.Header[headerExpectedSubj] = []string{anywhere(id)}
}

// fromTheStart is a message that makes d due from its first attempt on, if it is not on its way already. Stored under
// the same name twice, even by two processes or across a crash, it is one delivery.
func (s *Store) fromTheStart(d *Delivery, name string) *nats.Msg {
	again := *d
	again.Attempt, again.Due, again.Why = 1, time.Now(), WhyRetry
	again.Reason, again.Class, again.Status = "", "", 0
	m := s.waiting(&again)
	m.Subject = topology.DuePrefix + again.ID()
	m.Header[event.HeaderMsgID] = []string{name}
	m.Header[headerFollows] = []string{followsItself}
	expect(m, d.ID(), 0)
	return m
}

// Send makes a delivery due at once, from its first attempt on. It is for one that nothing is stored of but its
// history. Asked twice with one key, within the deduplication window, it sends once. ErrConflict means that it is on its
// way already.
func (s *Store) Send(ctx context.Context, d *Delivery, key string) error {
	m := s.fromTheStart(d, "send:"+d.ID()+":"+key)
	err := s.space.take(s.p.Streams[topology.StreamDeliveries], m.Size())
	if err == nil {
		_, err = s.p.Deliveries.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("sending %s: %w", d.ID(), err)
	}
	return nil
}

// Replay is ReplayAll for one dead letter. ErrConflict means that it died this very moment, and is still dead.
func (s *Store) Replay(ctx context.Context, dead *Delivery) error {
	n, err := s.ReplayAll(ctx, []Delivery{*dead})
	if err == nil && n == 0 {
		err = fmt.Errorf("replaying %s: %w", dead.ID(), failure.ErrConflict)
	}
	return err
}

// ReplayAll makes dead letters due at once, from their first attempt on, and removes them from the dead ones. Done
// twice, even by two processes or across a crash, it delivers once. It returns how many are due now; one that died
// this very moment may stay dead.
func (s *Store) ReplayAll(ctx context.Context, dead []Delivery) (replayed int, err error) {
	for len(dead) > 0 && err == nil {
		var n, done int
		if n, err = s.readyToReplay(ctx, dead); err != nil {
			return replayed, fmt.Errorf("replaying %s: %w", dead[n].ID(), err)
		}
		done, err = s.replay(ctx, dead[:n])
		replayed += done
		clear(dead[:n]) // bodies may have been read for it
		dead = dead[n:]
	}
	return replayed, err
}

func (s *Store) replay(ctx context.Context, dead []Delivery) (replayed int, failed error) {
	stored := make(chan error, len(dead))
	outcomes := make([]error, len(dead))
	for i := range dead {
		d := &dead[i]
		m := s.fromTheStart(d, fmt.Sprintf("replay:%s:%d", d.ID(), d.seq))
		m.Header[headerReplays] = []string{strconv.FormatUint(d.seq, 10)}
		told := func(_ groupcommit.Receipt, err error) {
			outcomes[i] = err
			stored <- err
		}
		if err := s.space.take(s.p.Streams[topology.StreamDeliveries], m.Size()); err != nil {
			told(groupcommit.Receipt{}, err)
			continue
		}
		s.p.Deliveries.Enqueue(m, told)
	}
	for range dead {
		select {
		case <-stored:
		case <-ctx.Done():
			return 0, fmt.Errorf("replaying: %w: %w", failure.ErrUnavailable, ctx.Err())
		}
	}
	var letters []removal.Removal
	for i, err := range outcomes {
		d := &dead[i]
		if errors.Is(err, failure.ErrConflict) {
			var alive bool
			if alive, err = s.outlived(ctx, d); err == nil && !alive {
				continue
			}
		}
		if err != nil {
			failed = fmt.Errorf("replaying %s: %w", d.ID(), err)
			break
		}
		letters = append(letters, deathOf(d))
	}
	if err := s.p.Removal.RemoveForGood(ctx, topology.StreamDead, letters...); err != nil {
		return 0, fmt.Errorf("removing dead letters that are replayed: %w", err)
	}
	return len(letters), failed
}

// outlived reports whether a delivery is on its way that began after its dead letter d was stored: it was replayed or sent
// again, and whoever did so had no time to remove the letter. Otherwise it is dying: its last attempt is stored, and about
// to leave the bus.
func (s *Store) outlived(ctx context.Context, d *Delivery) (bool, error) {
	now, _, err := s.p.Find.OnItsWay(ctx, d.ID())
	if errors.Is(err, failure.ErrNotFound) {
		return false, nil
	}
	return err == nil && (now.replays == d.seq || now.Since.After(d.Since)), err
}

// RemoveDead removes a dead letter, if it is still the one that was read.
func (s *Store) RemoveDead(ctx context.Context, d *Delivery) error {
	if err := s.p.Removal.RemoveForGood(ctx, topology.StreamDead, deathOf(d)); err != nil {
		return fmt.Errorf("removing the dead letter of %s: %w", d.ID(), err)
	}
	return nil
}

// RemovedUntil returns when the last dead letter of a delivery was stored that is removed for good; zero: there is none, as far as
// this process knows.
func (s *Store) RemovedUntil(id string) time.Time {
	return s.p.Removal.RemovedUntil(topology.DeadPrefix + id)
}

// Replayed removes the dead letter that a delivery replays which came due: whoever replayed it may have been killed
// before that.
func (s *Store) Replayed(ctx context.Context, d *Delivery) error {
	if d.replays == 0 {
		return nil
	}
	if err := s.p.Removal.RemoveIfThere(ctx, topology.StreamDead, d.replays); err != nil {
		return fmt.Errorf("removing the dead letter of %s: %w", d.ID(), err)
	}
	return nil
}

// Overtaken calls each with the deliveries that lie in a queue below what it has acknowledged: nobody gets them any more. A
// killed server may have brought them back, or have passed them over.
func (s *Store) Overtaken(ctx context.Context, q topology.Queue, each func(*Delivery) error) error {
	info, err := s.p.Queues.QueueInfo(ctx, q)
	if err != nil || info == nil {
		return err
	}
	for next := uint64(1); next != 0 && next <= info.AckFloor.Stream; {
		var page []query.Stored
		if page, next, err = s.p.Reader.Forward(ctx, query.Selection{Stream: q.Stream, Subject: q.Filter, Bodies: true}, next, 100); err != nil {
			return err
		}
		for i := range page {
			if page[i].Seq > info.AckFloor.Stream {
				return nil
			}
			d, err := Of(&page[i])
			if err == nil {
				err = each(&d)
			} else { // it is none of Jethook's
				err = s.p.Removal.Remove(ctx, q.Stream, page[i].Seq)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
