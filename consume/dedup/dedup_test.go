package dedup

import (
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/history"
	"jethook/publish/delivery"
)

func expect(t *testing.T, o *Outcomes, d *delivery.Delivery, m *Message, want bool) {
	t.Helper()
	if has, err := o.Has(t.Context(), d, m); has != want || err != nil {
		t.Errorf("%s has an outcome: %t, want %t (%v)", d.ID(), has, want, err)
	}
}

// What came due long after its time, and was attempted before, came back with a killed server: it is not attempted once
// more, however long ago that was and however it ended. What was not attempted is.
func TestWhatCameBackIsNotAttempted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines   []string
		follows bool // place 7
		waits   bool // for its next attempt
		want    bool
	}{
		"failed": {lines: []string{`"attempt":1,"outcome":"failed"`, `"attempt":2,"outcome":"failed"`}, waits: true, want: true},
		// It was made due twice, and what the first one's outcome had scheduled went with the second one's schedule.
		"failed, and lost": {lines: []string{`"attempt":1,"outcome":"failed"`, `"attempt":2,"outcome":"failed"`}},
		"delivered":        {lines: []string{`"attempt":1,"outcome":"failed"`, `"attempt":3,"outcome":"delivered"`}, want: true},
		"dead":             {lines: []string{`"attempt":2,"outcome":"dead"`}, want: true},
		"living":           {lines: []string{`"attempt":1,"outcome":"failed"`}},
		"deferred":         {lines: []string{`"attempt":1,"outcome":"failed"`, `"attempt":2,"outcome":"deferred"`}},
		"unknown":          {},
		// By the places of what was attempted: the line about the death before a replay is none about what came after it.
		"replayed": {follows: true, lines: []string{`"attempt":2,"outcome":"dead","place":7`}},
		"ghost":    {follows: true, lines: []string{`"attempt":1,"outcome":"failed","place":0`, `"attempt":2,"outcome":"failed","place":8`}, waits: true, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, d := newRecords(), numbered(1)
			d.Attempt, d.Due = 2, time.Now().Add(-time.Hour)
			if test.follows {
				d.Follow(7)
			}
			if test.waits {
				r.traces[d.ID()] = delivery.Trace{Scheduled: time.Now()}
			}
			for _, l := range test.lines {
				r.lines = append(r.lines, recorded{Stored: stored(uint64(len(r.lines)+1), `{"delivery":"`+d.ID()+`",`+l+`}`)})
			}
			expect(t, r.outcomes(), d, &Message{Stored: time.Now(), Place: 9}, test.want)
		})
	}
}

// Where nobody was killed nothing is read.
func TestFirstTime(t *testing.T) {
	t.Parallel()
	o := New(nil, nil, nil, nil)
	expect(t, o, numbered(1), &Message{Stored: time.Now(), Came: time.Now()}, false)
	due := numbered(1)
	due.Due = time.Now().Add(-time.Second)
	expect(t, o, due, &Message{Stored: time.Now(), Came: time.Now(), Place: 7}, false)
}

// What is recorded of an event that comes again, and what of a delivery that came due again.
func TestHas(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after history.Outcome // recorded before the message was stored, and after that
		trace         func(stored time.Time) delivery.Trace
		grave         func(stored time.Time) time.Time // when its dead letter was stored that is removed
		due           bool
		want          bool
	}{
		"nothing":                  {},
		"dead, and removed":        {grave: func(s time.Time) time.Time { return s.Add(1) }, want: true},
		"due, dead, and removed":   {due: true, grave: func(s time.Time) time.Time { return s.Add(1) }, want: true},
		"replayed":                 {due: true, grave: func(s time.Time) time.Time { return s.Add(-1) }},
		"delivered":                {after: history.Delivered, want: true},
		"failed, and lost":         {after: history.Failed},
		"delivered an earlier one": {before: history.Delivered},
		"waits":                    {trace: func(s time.Time) delivery.Trace { return delivery.Trace{Scheduled: s.Add(1)} }, want: true},
		"dead":                     {trace: func(s time.Time) delivery.Trace { return delivery.Trace{Dead: s.Add(1)} }, want: true},
		"died before a replay":     {due: true, trace: func(s time.Time) delivery.Trace { return delivery.Trace{Dead: s.Add(-1)} }},
		"due, and scheduled still": {due: true, trace: func(s time.Time) delivery.Trace { return delivery.Trace{Scheduled: s.Add(-1)} }, want: true},
		"due, and delivered":       {due: true, after: history.Delivered, want: true},
	} {
		for _, repeat := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r, d := newRecords(), numbered(1)
					if test.before != "" {
						r.record(d.FormerID(), test.before, "")
						time.Sleep(time.Second)
					}
					m := &Message{Stored: time.Now(), Opened: time.Now(), Again: true, Repeat: repeat}
					if test.due {
						m.Place = 7
					}
					if test.after != "" {
						time.Sleep(time.Second)
						r.record(d.ID(), test.after, "")
					}
					if test.trace != nil {
						r.onRecord(d.ID(), test.trace(m.Stored))
					}
					if test.grave != nil {
						r.graves[d.ID()] = test.grave(m.Stored)
					}
					time.Sleep(time.Second)
					m.Came = time.Now()
					expect(t, r.outcomes(), d, m, test.want)
				})
			})
		}
	}
}

// Whoever had a message when the server was killed may store its outcome after that was read what had been stored until then.
func TestOutcomeStoredAfterTheServersStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRecords(), numbered(1)
		o := r.outcomes()
		m := &Message{Stored: time.Now(), Came: time.Now(), Opened: time.Now(), Again: true}
		expect(t, o, d, m, false)
		r.onRecord(d.ID(), delivery.Trace{Dead: time.Now()})
		time.Sleep(2 * RereadAfter)
		m.Came = time.Now()
		expect(t, o, d, m, true)
	})
}

// The order of DELIVERIES tells, where it is known, whether a line is about a delivery or about one before it; no clock does.
func TestWasDeliveredByPlace(t *testing.T) {
	t.Parallel()
	r, d := newRecords(), numbered(1)
	r.record(d.ID(), history.Delivered, `,"place":7`)
	o, m := r.outcomes(), &Message{Stored: time.Now().Add(-time.Minute), Place: 8}
	for follows, want := range map[uint64]bool{6: true, 7: false} {
		d.Follow(follows)
		if was, err := o.WasDelivered(t.Context(), d, m, time.Now()); was != want || err != nil {
			t.Errorf("after place %d: %t %v", follows, was, err)
		}
	}
}
