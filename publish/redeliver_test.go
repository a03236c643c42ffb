package publish_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Two writes on one condition that wait for one commit must not both be stored: in an atomic batch the store would
// hold each against what lay there before it.
func TestConditionsInOneBatch(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	cfg.Sync = 0
	b := bustest.Open(t, cfg)
	d := waiting("evt_1", time.Hour)
	const n = 50
	done := make(chan error, n)
	for i := range n {
		go func() { done <- b.Deliveries().Send(t.Context(), d, fmt.Sprint(i)) }()
	}
	stored := 0
	for range n {
		switch err := <-done; {
		case err == nil:
			stored++
		case !errors.Is(err, failure.ErrConflict):
			t.Error(err)
		}
	}
	due, _, err := b.Query().Count(t.Context(), query.Due(""))
	if err != nil || stored != 1 || due != 1 {
		t.Errorf("%d were stored, %d are due, want 1 and 1: %v", stored, due, err)
	}
}

// A delivery whose last attempt has been stored as its death, and has not left the bus yet, stays dead: replayed now,
// its letter would be lost with it.
func TestReplayOfWhatIsDying(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	d := waiting("evt_1", time.Hour)
	if err := b.Deliveries().Send(t.Context(), d, "k"); err != nil {
		t.Fatal(err)
	}
	_, m := next(t, b)
	done := make(chan error, 1)
	b.Deliveries().DeadLetter(d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	dead, err := b.Find().Dead(t.Context(), d.ID())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Deliveries().Replay(t.Context(), &dead); !errors.Is(err, failure.ErrConflict) {
		t.Errorf("got %v, want %v", err, failure.ErrConflict)
	}
	if _, err := b.Find().Dead(t.Context(), d.ID()); err != nil {
		t.Errorf("its letter is gone: %v", err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Deliveries().Replay(t.Context(), &dead); err != nil {
		t.Error(err)
	}
	if _, due, err := b.Find().OnItsWay(t.Context(), d.ID()); err != nil || !due {
		t.Errorf("it is not due: %v", err)
	}
}

func TestSendOnlyWhatIsNotOnItsWay(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	d := waiting("evt_1", time.Hour)
	schedule(t, b, d)
	if err := b.Deliveries().Send(t.Context(), d, "k"); !errors.Is(err, failure.ErrConflict) {
		t.Errorf("one that waits: got %v", err)
	}
	other := waiting("evt_2", time.Hour)
	for _, key := range []string{"k", "another"} {
		err := b.Deliveries().Send(t.Context(), other, key)
		if want := key == "another"; errors.Is(err, failure.ErrConflict) != want || err != nil != want {
			t.Errorf("%s: got %v", key, err)
		}
	}
	_, m := next(t, b)
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Deliveries().Send(t.Context(), other, "k"); err != nil {
		t.Errorf("with the key of before, after it was delivered: %v", err)
	}
	if _, _, err := b.Find().OnItsWay(t.Context(), other.ID()); !errors.Is(err, failure.ErrNotFound) {
		t.Errorf("the same request sent it twice: %v", err)
	}
}

// What nobody has acknowledged, or what lies behind that, is not overtaken.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	for _, id := range []string{"evt_1", "evt_2"} {
		if err := b.Deliveries().Send(t.Context(), waiting(id, time.Hour), "k"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Queues().Open(t.Context(), topology.QueueDue)
	if err != nil {
		t.Fatal(err)
	}
	overtaken := func() (n int) {
		t.Helper()
		if err := b.Deliveries().Overtaken(t.Context(), topology.QueueDue, func(*delivery.Delivery) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		return n
	}
	if n := overtaken(); n != 0 {
		t.Errorf("%d are overtaken before anything is acknowledged", n)
	}
	batch, err := c.TakeStored(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := overtaken(); n != 0 {
		t.Errorf("%d are overtaken", n)
	}
	if n, _, err := b.Query().Count(t.Context(), query.Due("")); n != 1 || err != nil {
		t.Errorf("%d are due: %v", n, err)
	}
}

// What is stored of a delivery says which attempts are earlier, by their places: those up to the message whose attempt it
// follows, or all before itself. Scheduled for another time, it says the same.
func TestFollows(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	expect := func(id string, want uint64, known bool) delivery.Delivery {
		t.Helper()
		d, _, err := b.Find().OnItsWay(t.Context(), id)
		if place, is := d.Follows(); place != want || is != known || err != nil {
			t.Errorf("%s follows %d, %t, want %d, %t (%v)", id, place, is, want, known, err)
		}
		return d
	}
	former, retried, sent := waiting("former", time.Hour), waiting("retried", time.Hour), waiting("sent", 0)
	retried.Follow(7)
	for _, d := range []*delivery.Delivery{former, retried} {
		done := make(chan error)
		b.Deliveries().Schedule(d, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	expect(former.ID(), 0, false)
	again := expect(retried.ID(), 7, true)
	if err := b.Deliveries().Reschedule(t.Context(), &again); err != nil {
		t.Fatal(err)
	}
	expect(retried.ID(), 7, true)
	if err := b.Deliveries().Send(t.Context(), sent, "k"); err != nil {
		t.Fatal(err)
	}
	d, _, err := b.Find().OnItsWay(t.Context(), sent.ID())
	if err != nil {
		t.Fatal(err)
	}
	expect(sent.ID(), d.Place()-1, true)
}
