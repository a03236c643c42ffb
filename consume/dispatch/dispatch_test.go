package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"jethook/consume/ack"
	"jethook/consume/conclusion"
	"jethook/consume/cursor"
	"jethook/consume/dedup"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/handover"
	"jethook/consume/held"
	"jethook/consume/held/heldtest"
	"jethook/consume/lane"
	"jethook/consume/outcome"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// rig is a Dispatcher on a bus, with lanes that must get nothing.
type rig struct {
	*Dispatcher
	in   *heldtest.Intake
	acks *ack.Queue
	pool *lane.Pool[*held.Job]
}

// nobody fails the test if a lane makes an attempt.
type nobody struct{ t *testing.T }

func (n nobody) Attempt(*held.Lane, *held.Job) { n.t.Error("it was attempted") }

func newRig(t *testing.T, bus *publish.Bus, acks *ack.Queue) *rig {
	t.Helper()
	log, f, began := slog.New(slog.DiscardHandler), flight.New(), time.Now()
	outcomes := dedup.New(bus.Query(), bus.Find(), struct {
		*delivery.Finder
		*delivery.Store
	}{bus.Find(), bus.Deliveries()}, func() time.Time { return began })
	throttle := lane.NewThrottle()
	r := &rig{in: heldtest.NewIntake(bus, acks), acks: acks, pool: lane.NewPool(nobody{t}, lane.Limits{Deliveries: 10, Bytes: 1 << 20}, throttle, f.Stopped())}
	cursors := cursor.NewTable(bus, log)
	open := func(ep *endpoint.Endpoint) *held.Lane {
		return r.pool.Open(ep.ID, func() *endpoint.Endpoint { return ep })
	}
	ends := conclusion.New(conclusion.Settings{
		Dedup: outcomes, Uniter: dedup.NewUniter(outcomes, f.Stopped(), f.Pending(), log), Ended: func(string) {}, Flight: f, Log: log,
	})
	r.Dispatcher = New(Settings{
		Bus: bus, Cursors: cursors, Dedup: outcomes, Outcomes: outcome.NewWriter(bus.Deliveries(), f.Stopped(), f.Pending(), log),
		Lane: open, Throttle: throttle, Ends: ends, Window: 10, Log: log,
		Handover: handover.New(handover.Settings{Cursors: cursors, Lane: open, Ends: ends, Flight: f, Log: log}),
	})
	return r
}

// handedOut returns the jobs of so many events, as messages that came again.
func (r *rig) handedOut(t *testing.T, n int) (jobs []*held.Job) {
	t.Helper()
	for i := range n {
		r.in.Publish(t, fmt.Sprint("evt_", i))
	}
	for _, m := range r.in.Take(t, n) {
		m.Again, m.Repeat = true, true
		jobs = append(jobs, heldtest.Job(t, m))
	}
	return jobs
}

// After a kill the server hands out again what was not acknowledged. What became of all that is looked for at once: the
// deliveries that have yet to be made wait for it.
func TestWhatComesAgainIsLookedForAtOnce(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	nc, _ := bustest.Client(t, bus)
	r := newRig(t, bus, ack.NewQueue(0))
	jobs := r.handedOut(t, 64)
	delivered, dead, open := jobs[:32], jobs[32:48], jobs[48:]
	for _, j := range delivered {
		heldtest.Delivered(t, bus, j)
	}
	for _, j := range dead {
		heldtest.Dead(t, bus, j)
	}
	for _, j := range jobs { // they come after all that
		j.Message.Came = time.Now()
	}
	asked, err := nc.SubscribeSync("$JS.API.>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want bool, jobs ...*held.Job) {
		t.Helper()
		for _, j := range jobs {
			if over, err := r.hasOutcome(t.Context(), j.Message, &j.Delivery); over != want || err != nil {
				t.Fatalf("%s has an outcome: %t, want %t (%v)", j.Delivery.ID(), over, want, err)
			}
		}
	}
	expect(true, delivered...)
	expect(true, dead...)
	expect(false, open...)
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := asked.Pending(); n == 0 || n > 16 || err != nil {
		t.Errorf("%d requests for %d messages (%v)", n, len(jobs), err)
	}
	// What was recorded after the look, of a message that came after it, is found too.
	late := open[0]
	heldtest.Delivered(t, bus, late)
	late.Message.Came = time.Now()
	expect(true, late)
}

// What is found to be delivered may be known by a line of the history that a killed server loses: the message rests before it is
// acknowledged, and comes again if the server was killed since.
func TestWhatIsFoundRests(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	r := newRig(t, bus, ack.NewQueue(time.Hour))
	jobs := r.handedOut(t, 2)
	for _, j := range jobs {
		heldtest.Delivered(t, bus, j)
		j.Message.Came = time.Now()
		if found, err := r.hasOutcome(t.Context(), j.Message, &j.Delivery); !found || err != nil {
			t.Fatalf("%s has an outcome: %t (%v)", j.Delivery.ID(), found, err)
		}
	}
	rests, lost := jobs[0].Message, jobs[1].Message
	r.submit(t.Context(), rests, nil)
	if !rests.IsHeld() {
		t.Error("the message did not rest")
	}
	r.in.Break()
	r.submit(t.Context(), lost, nil)
	if again := r.in.Take(t, 1)[0]; again.Seq != lost.Seq {
		t.Errorf("message %d came again, want %d", again.Seq, lost.Seq)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.acks.Run(ctx); err != nil || rests.IsHeld() {
		t.Errorf("the message is still held (%v)", err)
	}
}

// An event that was matched before it was known whose it is, and that is the cursor's by the time it reaches the lane, is
// passed over.
func TestTheCursorsEventReachesTheLane(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	r := newRig(t, bus, ack.NewQueue(0))
	key := cursor.Key{Endpoint: heldtest.Endpoint, Stream: topology.StreamEvents}
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- r.Cursors.Run(ctx, func(cursor.Key) {}) }()
	defer func() { cancel(); <-ended }()
	if _, err := bus.Queues().Open(t.Context(), topology.QueueEvents); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Cursors.Leave(t.Context(), key, cursor.Behind); err != nil {
		t.Fatal(err)
	}
	r.in.Publish(t, "evt_1")
	j := heldtest.Job(t, r.in.Take(t, 1)[0])
	if err := r.Cursors.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := r.Lane(&endpoint.Endpoint{ID: key.Endpoint})
	r.startShared(t.Context(), l, j)
	r.Ends.Flight.Wait()
	if j.Message.IsHeld() || r.pool.Busy() > 0 || l.HoldsShared(key.Stream) > 0 {
		t.Error("the lane took it")
	}
}
