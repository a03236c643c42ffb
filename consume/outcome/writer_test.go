package outcome

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/failure"
)

// scripted is a store that answers each write by a function, as late as the bus does.
type scripted struct {
	answer func(what string) error

	mu     sync.Mutex // guards what follows
	writes []string   // that were tried
	last   *delivery.Delivery
	line   string
}

func (s *scripted) write(what string, done func(error)) {
	s.mu.Lock()
	s.writes = append(s.writes, what)
	err := s.answer(what)
	s.mu.Unlock()
	time.AfterFunc(time.Millisecond, func() { done(err) })
}

func (s *scripted) MustCarry(d *delivery.Delivery) bool { return d.BodySize() >= delivery.LargeBody }

func (s *scripted) Schedule(d *delivery.Delivery, done func(error)) {
	s.last = d
	d.Due = d.Due.Add(time.Second) // very many come due at that time
	s.write("schedule", done)
}

func (s *scripted) ScheduleUnlessMoved(d *delivery.Delivery, place uint64, done func(error)) {
	s.last = d
	s.write(fmt.Sprint("schedule after ", place), done)
}

func (s *scripted) DeadLetter(d *delivery.Delivery, done func(error)) {
	s.last = d
	s.write("bury", done)
}

func (s *scripted) Record(_ delivery.HistoryKey, line []byte, done func(error)) {
	s.line = string(line)
	s.write("record", done)
}

// piece is a part of a message.
type piece struct {
	elsewhere bool
	stops     bool // while it waits for room
	told      []string
}

func (p *piece) Elsewhere() (uint64, bool)     { return 7, p.elsewhere }
func (p *piece) Carry(*delivery.Delivery) bool { p.told = append(p.told, "carry"); return !p.stops }
func (p *piece) Stored(d *Decision)            { p.told = append(p.told, fmt.Sprint("stored ", d.Action)) }
func (p *piece) End()                          { p.told = append(p.told, "end") }

// What is written, in which order, and what the part is told, whatever the store answers.
func TestWriter(t *testing.T) {
	t.Parallel()
	small := delivery.Delivery{Endpoint: "ep_a", Event: event.Event{ID: "evt_1", Body: []byte("{}")}, Attempt: 1}
	large := small
	large.Event.Body = make([]byte, delivery.LargeBody)
	res := attempt.Result{Verdict: attempt.Failed, Class: attempt.ClassStatus, Status: 500, Started: now}
	retry := func(d delivery.Delivery) Decision { return Decide(&d, &endpoint.Endpoint{}, &res, schedule, now) }
	dead := func(d delivery.Delivery) Decision { return Decide(&d, &endpoint.Endpoint{}, &res, nil, now) }
	down := errors.New("no answer")
	for name, test := range map[string]struct {
		dec    Decision
		part   piece
		errs   map[string][]error // by write, one for each try; then nil
		writes []string
		told   []string
		reason string // of the delivery that was stored last
	}{
		"delivered": {
			dec:    Decision{Action: Record, Line: line(&small, &res, history.Delivered)},
			writes: []string{"record"}, told: []string{"end"},
		},
		"retry": {dec: retry(small), writes: []string{"schedule", "record"}, told: []string{"stored 2", "end"}},
		"no answer for a while": {
			dec: retry(small), errs: map[string][]error{"schedule": {down, down, failure.ErrBusy}, "record": {down}},
			writes: []string{"schedule", "schedule", "schedule", "schedule", "record", "record"}, told: []string{"stored 2", "end"},
		},
		"large": {dec: retry(large), writes: []string{"schedule", "record"}, told: []string{"carry", "stored 2", "end"}},
		"large, and the process stops": {
			dec: retry(large), part: piece{stops: true}, told: []string{"carry"},
		},
		"somebody else may have it": {
			dec: retry(small), part: piece{elsewhere: true}, writes: []string{"schedule after 7", "record"}, told: []string{"stored 2", "end"},
		},
		"somebody else has gone on": {
			dec: retry(small), part: piece{elsewhere: true}, errs: map[string][]error{"schedule after 7": {failure.ErrConflict}},
			writes: []string{"schedule after 7", "record"}, told: []string{"stored 2", "end"},
		},
		"refused for another attempt": {
			dec: retry(small), errs: map[string][]error{"schedule": {failure.ErrTooLarge}},
			writes: []string{"schedule", "bury"}, told: []string{"stored 3", "end"}, reason: "can't be stored for another attempt",
		},
		"dead": {dec: dead(small), writes: []string{"bury", "record"}, told: []string{"stored 3", "end"}},
		"dead, and its body is refused": {
			dec: dead(small), errs: map[string][]error{"bury": {failure.ErrTooLarge}},
			writes: []string{"bury", "bury", "record"}, told: []string{"stored 3", "end"}, reason: "without its body",
		},
		"dead, and refused altogether": {
			dec: dead(small), errs: map[string][]error{"bury": {failure.ErrTooLarge, failure.ErrRefused}},
			writes: []string{"bury", "bury"}, told: []string{"end"},
		},
		"its line is refused": {
			dec: dead(small), errs: map[string][]error{"record": {failure.ErrTooLarge}},
			writes: []string{"bury", "record"}, told: []string{"stored 3", "end"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answer: func(what string) (err error) {
					if left := test.errs[what]; len(left) > 0 {
						err, test.errs[what] = left[0], left[1:]
					}
					return err
				}}
				var pending sync.WaitGroup
				w := NewWriter(s, make(chan struct{}), &pending, slog.New(slog.DiscardHandler))
				d := small
				w.Write(&test.part, &d, test.dec)
				pending.Wait()
				if !slices.Equal(s.writes, test.writes) || !slices.Equal(test.part.told, test.told) {
					t.Errorf("writes %q, told %q", s.writes, test.part.told)
				}
				if test.reason != "" && !strings.Contains(s.last.Reason, test.reason) {
					t.Errorf("its reason is %q", s.last.Reason)
				}
				if w.Failing() {
					t.Error("it says that the store fails")
				}
			})
		})
	}
}

// The line says when the next attempt is due, which the store may have put off.
func TestLineTellsWhenItIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: func(string) error { return nil }}
		var pending sync.WaitGroup
		w := NewWriter(s, make(chan struct{}), &pending, slog.New(slog.DiscardHandler))
		d := delivery.Delivery{Endpoint: "ep_a", Event: event.Event{ID: "evt_1"}, Attempt: 1}
		res := attempt.Result{Verdict: attempt.Failed, Class: attempt.ClassStatus, Started: now}
		w.Write(&piece{}, &d, Decide(&d, &endpoint.Endpoint{}, &res, schedule, now))
		pending.Wait()
		if want := now.Add(time.Minute + time.Second).Format(time.RFC3339); !strings.Contains(s.line, `"next":"`+want+`"`) {
			t.Errorf("%s, want %s", s.line, want)
		}
	})
}

// While the store takes nothing, that is known, and tried again for as long as the process lives; when it stops, the part does
// not end, so that the message comes again.
func TestWriterInsistsUntilTheProcessStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: func(string) error { return errors.New("no answer") }}
		var pending sync.WaitGroup
		stop := make(chan struct{})
		w := NewWriter(s, stop, &pending, slog.New(slog.DiscardHandler))
		p, d := &piece{}, delivery.Delivery{Endpoint: "ep_a", Attempt: 1}
		w.Write(p, &d, Wait(&d, now, delivery.WhyTurn))
		time.Sleep(time.Hour)
		synctest.Wait()
		s.mu.Lock()
		n := len(s.writes)
		s.mu.Unlock()
		if least := int(time.Hour / (retryStore + 2*time.Millisecond)); n < least || !w.Failing() {
			t.Errorf("%d tries in an hour; failing: %t", n, w.Failing())
		}
		close(stop)
		pending.Wait()
		if len(p.told) != 0 {
			t.Errorf("the part was told %q", p.told)
		}
	})
}
