package held_test

import (
	"testing"
	"time"

	"jethook/consume/ack"
	"jethook/consume/held"
	"jethook/consume/held/heldtest"
	"jethook/publish/bustest"
)

// taken returns the message of an event, and what brought it. What is acknowledged rests for an hour.
func taken(t *testing.T, rest time.Duration) (*heldtest.Intake, *held.Message) {
	t.Helper()
	in := heldtest.NewIntake(bustest.Open(t, bustest.Settings(t)), ack.NewQueue(rest))
	in.Publish(t, "evt_1")
	return in, in.Take(t, 1)[0]
}

// Of an event for several endpoints, the server may be killed after the first was delivered to and before the last was: what is
// recorded of the first may have gone with it, so the event comes again.
func TestAServerIsKilledBetweenTwoParts(t *testing.T) {
	t.Parallel()
	in, m := taken(t, time.Hour)
	m.Split(2)
	m.MustRest() // the first was delivered
	m.Done()
	in.Break() // the server was killed, and the connection is back
	m.Done()
	if m.IsHeld() {
		t.Error("the message did not end")
	}
	if again := in.Take(t, 1)[0]; again.Seq != m.Seq || !again.Repeat {
		t.Errorf("message %d came, want %d again", again.Seq, m.Seq)
	}
}

// A message is acknowledged when its last part ends, and not before.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	in, m := taken(t, 0)
	m.Split(2)
	m.Done()
	if !m.IsHeld() {
		t.Fatal("it ended with its first part")
	}
	m.Done()
	if m.IsHeld() {
		t.Fatal("it did not end with its last part")
	}
	in.Publish(t, "evt_2")
	if next := in.Take(t, 1)[0]; next.Seq == m.Seq {
		t.Error("it came again")
	}
}

// A part without an outcome lets the whole message come again, as late as any of them asks for.
func TestComesBack(t *testing.T) {
	t.Parallel()
	in, m := taken(t, 0)
	m.Split(3)
	m.ComeBack(2 * time.Millisecond)
	m.Done()
	m.ComeBack(0)
	m.Done()
	m.Done()
	if m.IsHeld() {
		t.Fatal("it is still held")
	}
	if again := in.Take(t, 1)[0]; again.Seq != m.Seq || !again.Again {
		t.Errorf("message %d came, want %d again", again.Seq, m.Seq)
	}
}

// A copy of a message that is held is not worked on.
func TestHeldOnce(t *testing.T) {
	t.Parallel()
	in, m := taken(t, 0)
	if in.Hold(m.Msg) != nil {
		t.Error("it is held twice")
	}
	if list := in.AppendTo(nil); len(list) != 1 || list[0] != m {
		t.Errorf("held: %v", list)
	}
	m.GiveBack()
	if list := in.AppendTo(nil); len(list) != 0 {
		t.Errorf("held after it was given back: %v", list)
	}
	if m = in.Hold(m.Msg); m == nil || m.Size() != int64(len(m.Msg.Data())) {
		t.Error("it is not held again")
	}
}

// Somebody else may have a message if the connection that brought it broke.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	in, m := taken(t, 0)
	m.Again = false // the server has just been started
	if m.IsElsewhere() || m.IsForgotten() {
		t.Error("nobody else has had it")
	}
	in.Break()
	if !m.IsElsewhere() || !m.IsForgotten() {
		t.Error("the server may have handed it out again")
	}
}
