package overdue

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/consume/dedup"
	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// idle opens a bus on which no engine runs, and a client of its own.
func idle(t *testing.T) (*publish.Bus, jetstream.JetStream, *Watch) {
	t.Helper()
	bus := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, bus)
	store := struct {
		*delivery.Finder
		*delivery.Store
	}{bus.Find(), bus.Deliveries()}
	outcomes := dedup.New(bus.Query(), bus.Find(), store, time.Now)
	return bus, js, New(bus, outcomes, slog.New(slog.DiscardHandler))
}

// forgotten is a delivery that is due at a time, and that the server does not make due before the test is over.
func forgotten(id string, due time.Time) *nats.Msg {
	return &nats.Msg{Subject: "jethook.retry.ep_a.events:" + id, Data: []byte("{}"), Header: nats.Header{
		"Jethook-Id": {id}, "Jethook-Endpoint": {"ep_a"}, "Jethook-Attempt": {"2"}, "Jethook-Why": {"retry"},
		"Jethook-Due":   {due.UTC().Format(time.RFC3339Nano)},
		"Nats-Schedule": {"@at " + time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339)}, "Nats-Schedule-Target": {"jethook.due.ep_a.x"},
	}}
}

// awaitDue waits until a delivery has come due: the server looks at schedules every so often.
func awaitDue(t *testing.T, bus *publish.Bus, id string) {
	t.Helper()
	for due := false; !due; <-time.After(5 * time.Millisecond) {
		trace, err := bus.Find().Trace(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		due = trace.Scheduled.IsZero() && !trace.Due.IsZero()
	}
}

// A delivery whose schedule the server has forgotten is made due; one whose time is yet to come stays.
func TestLook(t *testing.T) {
	t.Parallel()
	bus, js, w := idle(t)
	late := time.Now().Add(-time.Hour)
	for id, due := range map[string]time.Time{"late": late, "dead": late, "delivered": late, "early": time.Now().Add(time.Hour)} {
		if _, err := js.PublishMsg(t.Context(), forgotten(id, due)); err != nil {
			t.Fatal(err)
		}
	}
	// What became of two of them is stored: their schedules came back by themselves.
	stored := make(chan error, 2)
	bus.Deliveries().DeadLetter(&delivery.Delivery{Endpoint: "ep_a", Event: event.Event{ID: "dead"}, Attempt: 3}, func(err error) { stored <- err })
	bus.Deliveries().Record(delivery.HistoryKey{Endpoint: "ep_a", Outcome: string(history.Delivered), Class: "ok", Status: 200},
		[]byte(`{"delivery":"ep_a.events:delivered","attempt":2,"outcome":"delivered"}`), func(err error) { stored <- err })
	for range 2 {
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
	}
	if open, err := w.look(t.Context(), time.Now().Add(-lateAfter)); open || err != nil {
		t.Fatal(open, err)
	}
	for _, id := range []string{"dead", "delivered"} {
		if trace, err := bus.Find().Trace(t.Context(), "ep_a.events:"+id); err != nil || !trace.Scheduled.IsZero() || !trace.Due.IsZero() {
			t.Errorf("the %s one: %+v %v", id, trace, err)
		}
	}
	awaitDue(t, bus, "ep_a.events:late")
	if trace, err := bus.Find().Trace(t.Context(), "ep_a.events:early"); err != nil || trace.Scheduled.IsZero() || !trace.Due.IsZero() {
		t.Errorf("the early one: %+v %v", trace, err)
	}
}

// The server was killed after it made a delivery due and before it removed the schedule, and forgot that. Whoever gets what
// came due leaves it to the schedule, which therefore stays.
func TestLateAndDue(t *testing.T) {
	t.Parallel()
	bus, js, w := idle(t)
	late := forgotten("evt_1", time.Now().Add(-time.Hour))
	if _, err := js.PublishMsg(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	const id = "ep_a.events:evt_1"
	due := &nats.Msg{Subject: "jethook.due." + id, Data: late.Data, Header: nats.Header{
		"Jethook-Id": {"evt_1"}, "Jethook-Endpoint": {"ep_a"}, "Jethook-Attempt": {"2"},
	}}
	ack, err := js.PublishMsg(t.Context(), due)
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := bus.Find().OnItsWay(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	m := dedup.Message{Again: true, Stored: d.Since, Place: ack.Sequence}
	if dropped, err := w.outcomes.Has(t.Context(), &d, &m); !dropped || err != nil {
		t.Fatal(dropped, err)
	}
	before := time.Now().Add(-lateAfter)
	if open, err := w.look(t.Context(), before); !open || err != nil {
		t.Error("while it is due:", open, err)
	}
	s, err := js.Stream(t.Context(), topology.StreamDeliveries)
	if err == nil {
		err = s.DeleteMsg(t.Context(), ack.Sequence) // as its acknowledgement does
	}
	if err != nil {
		t.Fatal(err)
	}
	if trace, err := bus.Find().Trace(t.Context(), id); err != nil || trace.Scheduled.IsZero() {
		t.Fatalf("it is in no state: %+v %v", trace, err)
	}
	if open, err := w.look(t.Context(), before); open || err != nil {
		t.Error("afterwards:", open, err)
	}
	awaitDue(t, bus, id)
}

// While what came due is not taken, the server may be making more due: nothing counts as forgotten.
func TestLateInAHerd(t *testing.T) {
	t.Parallel()
	bus, js, w := idle(t)
	if _, err := bus.Queues().Open(t.Context(), topology.QueueDue); err != nil {
		t.Fatal(err)
	}
	late := forgotten("late", time.Now().Add(-time.Hour))
	herd := &nats.Msg{Subject: "jethook.due.ep_b.events:other", Data: []byte("{}")}
	for _, m := range []*nats.Msg{late, herd} {
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for untaken := uint64(0); untaken == 0 && t.Context().Err() == nil; { // the server counts it a moment later
		var err error
		if untaken, err = bus.Queues().Untaken(t.Context(), topology.QueueDue); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-lateAfter)
	if open, err := w.lookUnlessBusy(t.Context(), before); !open || err != nil {
		t.Error("in the herd:", open, err)
	}
	if trace, err := bus.Find().Trace(t.Context(), "ep_a.events:late"); err != nil || trace.Scheduled.IsZero() || !trace.Due.IsZero() {
		t.Errorf("in the herd: %+v %v", trace, err)
	}
	s, err := js.Stream(t.Context(), topology.StreamDeliveries)
	if err == nil {
		err = s.Purge(t.Context(), jetstream.WithPurgeSubject(herd.Subject))
	}
	if err != nil {
		t.Fatal(err)
	}
	if open, err := w.lookUnlessBusy(t.Context(), before); open || err != nil {
		t.Error("after it:", open, err)
	}
	awaitDue(t, bus, "ep_a.events:late")
}

// What came due and is given to nobody any more is removed if it has its outcome, and else made due once more.
func TestReclaim(t *testing.T) {
	t.Parallel()
	bus, js, w := idle(t)
	open := []string{"open", "replayed", "skewed_open"}
	for _, id := range []string{"open", "waits", "dead", "tried", "replayed", "skewed", "skewed_open"} {
		due := &nats.Msg{Subject: "jethook.due.ep_a.events:" + id, Data: []byte("{}"), Header: nats.Header{
			"Jethook-Id": {id}, "Jethook-Endpoint": {"ep_a"}, "Jethook-Attempt": {"2"},
		}}
		if strings.HasPrefix(id, "skewed") {
			due.Header["Jethook-Follows"] = []string{"-"}
		}
		if _, err := js.PublishMsg(t.Context(), due); err != nil {
			t.Fatal(err)
		}
	}
	d := func(id string) *delivery.Delivery {
		return &delivery.Delivery{Endpoint: "ep_a", Event: event.Event{ID: id}, Attempt: 3, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry}
	}
	stored := make(chan error, 6)
	done := func(err error) { stored <- err }
	record := func(id, outcome string, began time.Time, more string) {
		bus.Deliveries().Record(delivery.HistoryKey{Endpoint: "ep_a", Outcome: outcome}, fmt.Appendf(nil, `{"time":%q,"delivery":"ep_a.events:%s","attempt":2,"outcome":%q%s}`,
			began.UTC().Format(time.RFC3339Nano), id, outcome, more), done)
	}
	record("tried", "delivered", time.Now(), "")
	record("replayed", "dead", time.Now().Add(-time.Minute), "") // the line about the death before the replay comes late
	// The clock of who made an attempt tells nothing; the place of what was attempted does.
	record("skewed", "delivered", time.Now().Add(-time.Minute), `,"place":6`)
	record("skewed_open", "dead", time.Now().Add(time.Minute), `,"place":6`)
	bus.Deliveries().Schedule(d("waits"), done)
	bus.Deliveries().DeadLetter(d("dead"), done)
	for range 6 {
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
	}
	page, _, err := bus.Query().Forward(t.Context(), query.Due("").WithBodies(), 1, 10)
	if err != nil || len(page) != 7 || page[5].Seq != 6 {
		t.Fatal(page, err)
	}
	for i := range page {
		d, err := delivery.Of(&page[i])
		if err != nil {
			t.Fatal(err)
		}
		if over, err := w.reclaimOne(t.Context(), &d); over == slices.Contains(open, d.Event.ID) || err != nil {
			t.Errorf("%s: %t %v", d.Event.ID, over, err)
		}
	}
	for _, id := range open {
		awaitDue(t, bus, "ep_a.events:"+id)
	}
	for id, want := range map[string]bool{"waits": true, "dead": false, "tried": false, "skewed": false} {
		if trace, err := bus.Find().Trace(t.Context(), "ep_a.events:"+id); err != nil || !trace.Due.IsZero() || trace.Scheduled.IsZero() == want {
			t.Errorf("%s: %+v %v", id, trace, err)
		}
	}
}
