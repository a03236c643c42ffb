package outcome

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/outage"
)

// retryStore is the pause before an outcome that could not be stored is stored again.
const retryStore = 250 * time.Millisecond

// Store is what a [delivery.Store] does for a Writer. Each calls done once.
type Store interface {
	MustCarry(*delivery.Delivery) bool
	Schedule(d *delivery.Delivery, done func(error))
	ScheduleUnlessMoved(d *delivery.Delivery, place uint64, done func(error))
	DeadLetter(d *delivery.Delivery, done func(error))
	Record(t delivery.HistoryKey, line []byte, done func(error))
}

// Part is the part of a held message that an outcome ends.
type Part interface {
	// Elsewhere returns where the delivery lies in DELIVERIES, if somebody else may have, or may have had, its message too:
	// then it is scheduled only unless they have gone on with it.
	Elsewhere() (place uint64, ok bool)
	// Carry gives a delivery its body, and waits for room to store a copy of it. It returns false when the process stops first.
	Carry(*delivery.Delivery) bool
	// Stored is told when the delivery waits, or is dead, and before the line of the history is written.
	Stored(*Decision)
	// End is called last, unless the process stops first: then the message comes again.
	End()
}

// Writer stores outcomes. It is safe for concurrent use.
type Writer struct {
	store   Store
	log     *slog.Logger
	stop    <-chan struct{}
	pending *sync.WaitGroup
	failing atomic.Bool // the last outcome could not be stored

	recording outage.Outage // lines of the history
	leaving   outage.Outage // outcomes behind when the process stops
}

// NewWriter returns a writer that gives up what can't be stored once stop is closed. Pending counts what it is storing.
func NewWriter(store Store, stop <-chan struct{}, pending *sync.WaitGroup, log *slog.Logger) *Writer {
	return &Writer{
		store: store, stop: stop, pending: pending, log: log,
		recording: outage.Outage{Fails: "cannot record attempts", Works: "recording attempts again"},
		leaving:   outage.Outage{Fails: "cannot store outcomes; their events will be redelivered"},
	}
}

// Failing reports whether the last outcome could not be stored: what is attempted now could not be noted.
func (w *Writer) Failing() bool { return w.failing.Load() }

// Write stores what was decided about d, which is the part's delivery, and then ends the part. It does not wait for that.
// An action other than Return is expected.
func (w *Writer) Write(p Part, d *delivery.Delivery, dec Decision) {
	w.pending.Add(1)
	x := &writing{Writer: w, part: p, d: d, Decision: dec}
	switch {
	case dec.Action == Schedule:
		x.begin(scheduling, w.store.MustCarry(dec.Next))
	case dec.Action == Bury:
		x.begin(burying, dec.Next.BodySize() >= delivery.LargeBody)
	default:
		x.record()
	}
}

// Note writes a line of the history that belongs to no delivery.
func (w *Writer) Note(l history.Line) {
	w.Write(nobody{}, nil, Decision{Action: Record, Line: &l})
}

// nobody is the part that a line ends which belongs to no delivery.
type nobody struct{}

func (nobody) Elsewhere() (uint64, bool)     { return 0, false }
func (nobody) Carry(*delivery.Delivery) bool { return true }
func (nobody) Stored(*Decision)              {}
func (nobody) End()                          {}

// step is what is being stored of an outcome.
type step int

const (
	scheduling  step = iota // the delivery, to be attempted again
	burying                 // the dead letter
	buryingBare             // the same without its body, which was refused
	recording               // the line of the history
)

// writing is an outcome on its way into the store, one step after the other.
type writing struct {
	*Writer
	Decision
	part Part
	d    *delivery.Delivery // as it came
	step step
	text []byte // of the line
}

// begin stores a delivery. A large one is given what its copy needs first, by itself: a crowd of them must hold up nobody.
func (x *writing) begin(s step, carries bool) {
	x.step = s
	if !carries {
		x.put()
		return
	}
	x.pending.Go(func() {
		if !x.part.Carry(x.Next) {
			x.pending.Done()
			return
		}
		x.put()
	})
}

// put tries to store the present step.
func (x *writing) put() {
	place, elsewhere := uint64(0), false
	if x.step == scheduling {
		place, elsewhere = x.part.Elsewhere()
	}
	switch {
	case elsewhere:
		x.store.ScheduleUnlessMoved(x.Next, place, func(err error) {
			if errors.Is(err, failure.ErrConflict) { // they have gone on with it; or an answer was lost: it is stored already
				err = nil
			}
			x.answered(err)
		})
	case x.step == scheduling:
		x.store.Schedule(x.Next, x.answered)
	case x.step == recording:
		x.store.Record(x.Line.Trait(), x.text, x.answered)
	default:
		x.store.DeadLetter(x.Next, x.answered)
	}
}

// answered goes on when the step is stored, or will never be. Else it tries again.
func (x *writing) answered(err error) {
	switch {
	case err == nil:
		if x.failing.CompareAndSwap(true, false) {
			x.log.Info("storing outcomes again")
		}
		x.stored()
	case errors.Is(err, failure.ErrTooLarge), errors.Is(err, failure.ErrRefused):
		x.failing.Store(false) // the store answers
		x.refused(err)
	case x.stopping() && !errors.Is(err, failure.ErrBusy):
		x.leaving.Tell(x.log, err)
		x.pending.Done()
	default:
		if x.failing.CompareAndSwap(false, true) {
			x.log.Error("cannot store outcomes; retrying", "error", err)
		}
		time.AfterFunc(retryStore, x.put)
	}
}

func (x *writing) stored() {
	if x.step == recording {
		x.recording.Tell(x.log, nil)
		x.end()
		return
	}
	x.part.Stored(&x.Decision)
	if x.Action == Schedule && x.Line != nil {
		due := x.Next.Due.UTC() // which may be later than what was decided
		x.Line.Next = &due
	}
	x.record()
}

func (x *writing) refused(err error) {
	switch x.step {
	case scheduling:
		x.Decision = unstorable(x.d, err)
		x.begin(burying, x.Next.BodySize() >= delivery.LargeBody)
	case burying:
		bare := *x.Next
		bare.Detach()
		bare.Reason += " (without its body: " + err.Error() + ")"
		x.Next = &bare
		x.begin(buryingBare, false)
	case buryingBare:
		x.log.Error("cannot store a dead letter", "delivery", x.Next.ID(), "trace_id", x.Next.Event.TraceID(), "error", err)
		x.end()
	case recording: // the delivery's outcome stands without it
		x.recording.Tell(x.log, err)
		x.end()
	}
}

// record writes the line of the history, if there is one.
func (x *writing) record() {
	if x.Line == nil {
		x.end()
		return
	}
	if a := &x.Line.Attempt; x.d != nil && x.log.Enabled(context.Background(), slog.LevelDebug) { // the arguments cost more than the question
		x.log.Debug("attempt", "delivery", a.Delivery, "event_id", a.EventID, "type", a.Type, "attempt", a.Attempt,
			"outcome", a.Outcome, "status", a.Status, "class", a.Class, "error", a.Error, "duration_ms", a.DurationMS, "trace_id", x.d.Event.TraceID())
	}
	var err error
	if x.text, err = json.Marshal(x.Line); err != nil {
		x.recording.Tell(x.log, err, "endpoint", x.Line.Endpoint)
		x.end()
		return
	}
	x.step = recording
	x.put()
}

func (x *writing) end() {
	x.part.End()
	x.pending.Done()
}

func (w *Writer) stopping() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}
