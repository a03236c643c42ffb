package consume

import (
	"context"
	"fmt"
	"testing"
	"time"

	"jethook/consume/ack"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// handedOut returns so many events, as a message that came again, and its delivery.
func handedOut(t *testing.T, bus *publish.Bus, n int) (jobs []*job) {
	t.Helper()
	for i := range n {
		if _, err := bus.Publish(t.Context(), internalEvent(fmt.Sprint("evt_", i))); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := bus.Queues().Open(t.Context(), topology.QueueEvents)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	batch, err := consumer.Take(ctx, n, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := sharedIntake(bus)
	for m := range batch.Messages() {
		h := in.hold(m)
		in.bytes.TryAcquire(h.size)
		h.again, h.repeat = true, true
		event, err := event.Decode(m)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, &job{d: delivery.Delivery{Endpoint: "ep_a", Event: event, Attempt: 1}, h: h})
	}
	if len(jobs) != n {
		t.Fatalf("%d of %d events came: %v", len(jobs), n, batch.Error())
	}
	return jobs
}

// After a kill the server hands out again what was not acknowledged. What became of all that is looked for at once: the
// deliveries that have yet to be made wait for it.
func TestWhatComesAgainIsLookedForAtOnce(t *testing.T) {
	t.Parallel()
	bus, js, e := idle(t)
	jobs := handedOut(t, bus, 64)
	delivered, dead, open := jobs[:32], jobs[32:48], jobs[48:]
	for _, j := range delivered {
		noteDelivered(t, bus, j)
	}
	for _, j := range dead {
		must(t, func(done func(error)) { bus.Deliveries().DeadLetter(&j.d, done) })
	}
	for _, j := range jobs { // they come after all that
		j.h.came = time.Now()
	}
	asked, err := js.Conn().SubscribeSync("$JS.API.>")
	if err == nil {
		err = js.Conn().Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want bool, jobs ...*job) {
		t.Helper()
		for _, j := range jobs {
			message := j.h.message()
			if over, err := e.dedup.Has(t.Context(), &j.d, &message); over != want || err != nil {
				t.Fatalf("%s has an outcome: %t, want %t (%v)", j.d.ID(), over, want, err)
			}
		}
	}
	expect(true, delivered...)
	expect(true, dead...)
	expect(false, open...)
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := asked.Pending(); n == 0 || n > 16 || err != nil {
		t.Errorf("%d requests for %d messages (%v)", n, len(jobs), err)
	}
	// What was recorded after the look, of a message that came after it, is found too.
	late := open[0]
	noteDelivered(t, bus, late)
	late.h.came = time.Now()
	expect(true, late)
}

// What is found to be delivered may be known by a line of the history that a killed server loses: the message rests before it is
// acknowledged, and comes again if the server was killed since.
func TestWhatIsFoundRests(t *testing.T) {
	t.Parallel()
	bus, _, e := idle(t)
	jobs := handedOut(t, bus, 2)
	acks := ack.NewQueue(time.Hour)
	for _, j := range jobs {
		noteDelivered(t, bus, j)
		j.h.came, j.h.in.acks = time.Now(), acks
		if found, err := e.hasOutcome(t.Context(), j.h, &j.d); !found || err != nil {
			t.Fatalf("%s has an outcome: %t (%v)", j.d.ID(), found, err)
		}
	}
	rests, lost := jobs[0].h, jobs[1].h
	e.submit(t.Context(), rests, nil)
	if !rests.in.holds(rests) {
		t.Error("the message did not rest")
	}
	lost.link++
	e.submit(t.Context(), lost, nil)
	if again := takeOne(t, bus, sharedIntake(bus), false); again.seq != lost.seq {
		t.Errorf("message %d came again, want %d", again.seq, lost.seq)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := acks.Run(ctx); err != nil || rests.in.holds(rests) {
		t.Errorf("the message is still held (%v)", err)
	}
}

// Of an event for several endpoints, the server may be killed after the first was delivered to and before the last was: what is
// recorded of the first may have gone with it, so the event comes again.
func TestAServerIsKilledBetweenTwoParts(t *testing.T) {
	t.Parallel()
	bus, _, _ := idle(t)
	h := handedOut(t, bus, 1)[0].h
	h.in.acks = ack.NewQueue(time.Hour)
	h.split(2)
	h.late.Store(true) // the first was delivered
	h.done()
	h.link++ // the server was killed, and the connection is back
	h.done()
	if again := takeOne(t, bus, sharedIntake(bus), false); again.seq != h.seq {
		t.Errorf("message %d came again, want %d", again.seq, h.seq)
	}
}
