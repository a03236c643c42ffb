package dedup

import (
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/history"
	"jethook/publish/query"
)

func stored(seq uint64, text string) query.Stored {
	return query.Stored{Seq: seq, Time: time.Now(), Data: []byte(text)}
}

// Whatever asks for them, an endpoint's lines are read once, and afterwards only what was added.
func TestLinesAreReadOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecords()
		o, start := r.outcomes(), time.Now()
		for n := uint64(1); n <= 20; n++ {
			r.record(numbered(n).ID(), history.Delivered, "")
			time.Sleep(time.Second)
		}
		m := &Message{Stored: start.Add(-time.Second), Opened: start, Came: time.Now(), Again: true}
		for n := uint64(1); n <= 20; n++ {
			m.Repeat = n%2 == 0
			expect(t, o, numbered(n), m, true)
			if was, err := o.WasDelivered(t.Context(), numbered(n), m, time.Now()); !was || err != nil {
				t.Errorf("%d was not delivered: %v", n, err)
			}
		}
		if r.begins != 1 {
			t.Errorf("reading began %d times", r.begins)
		}
		// What is added is found, by who comes after it.
		r.record(numbered(21).ID(), history.Delivered, "")
		if was, err := o.WasDelivered(t.Context(), numbered(21), m, time.Now()); !was || err != nil || r.begins != 1 {
			t.Errorf("what was added: %t %v, reading began %d times", was, err, r.begins)
		}
	})
}

// Lines are read from an earlier time when that is asked for. What was read first stays known, however old it is by then.
func TestLinesOfAnEarlierTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecords()
		o, start := r.outcomes(), time.Now()
		r.record(numbered(1).ID(), history.Delivered, "")
		time.Sleep(5 * time.Minute)
		r.record(numbered(2).ID(), history.Delivered, "")
		m := &Message{Stored: time.Now().Add(-time.Second), Opened: start, Came: time.Now(), Again: true}
		expect(t, o, numbered(2), m, true)
		old := *m
		old.Stored = start.Add(-time.Second)
		if was, err := o.WasDelivered(t.Context(), numbered(1), &old, time.Now()); !was || err != nil {
			t.Errorf("the earlier one: %t %v", was, err)
		}
		for range 30 { // lines that are too old to be read again, while it is asked for
			time.Sleep(30 * time.Second)
			m.Came = time.Now()
			expect(t, o, numbered(3), m, false)
		}
		r.record(numbered(3).ID(), history.Delivered, "")
		old.Stored = start.Add(-time.Hour)
		old.Came = time.Now()
		expect(t, o, numbered(2), &old, true)
		expect(t, o, numbered(3), &old, true)
	})
}

// A killed server may have lost lines, and written others into their place: they are read again.
func TestLinesOfAnEarlierServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecords()
		o, start := r.outcomes(), time.Now()
		r.record(numbered(1).ID(), history.Delivered, "")
		m := &Message{Stored: start.Add(-time.Second), Opened: start, Came: time.Now(), Again: true}
		expect(t, o, numbered(1), m, true)
		time.Sleep(time.Second)
		r.lines = nil
		r.record(numbered(2).ID(), history.Delivered, "")
		m.Opened, m.Came = time.Now(), time.Now()
		expect(t, o, numbered(1), m, false)
		expect(t, o, numbered(2), m, true)
	})
}

// A bounded number of lines is kept. What was dropped again is read again for who asks for it.
func TestDroppedLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecords()
		o, start := r.outcomes(), time.Now()
		m := &Message{Stored: start.Add(-time.Second), Opened: start, Came: time.Now(), Again: true}
		r.record(numbered(1).ID(), history.Delivered, "")
		expect(t, o, numbered(1), m, true)
		place := uint64(1)
		for range 3 {
			for range recentLines + 1 {
				place++
				r.record(numbered(place).ID(), history.Delivered, "")
			}
			time.Sleep(10 * time.Second)
			m.Came = time.Now()
			expect(t, o, numbered(place), m, true)
		}
		of := o.endpoints.of("ep_a")
		if of.dropped.IsZero() {
			t.Error("all are kept")
		}
		if kept := len(of.lots[first].last) + len(of.lots[older].last) + len(of.lots[newer].last); kept > 2*recentLines+3 {
			t.Errorf("%d lines are kept", kept)
		}
		expect(t, o, numbered(1), m, true)
		m.Repeat = true
		expect(t, o, numbered(2), m, true)
		expect(t, o, numbered(place), m, true)
	})
}

// What is known of an endpoint is forgotten when nobody has asked for a while.
func TestForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecords()
		o := r.outcomes()
		m := &Message{Stored: time.Now(), Opened: time.Now(), Came: time.Now(), Again: true}
		expect(t, o, numbered(1), m, false)
		time.Sleep(keptFor - 1)
		expect(t, o, numbered(1), m, false)
		time.Sleep(keptFor - 1)
		kept := func() int {
			o.endpoints.mu.Lock()
			defer o.endpoints.mu.Unlock()
			return len(o.endpoints.kept)
		}
		if kept() != 1 {
			t.Error("it is forgotten while it is asked for")
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if kept() != 0 {
			t.Error("it is kept")
		}
	})
}
