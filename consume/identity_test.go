package consume_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/consume/deliveries"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// Events that come with the id of one that still waits are events of their own once the deduplication window is over:
// each is attempted, and each ends in a state of its own.
func TestSameIDAfterTheWindowWhileTheFirstWaits(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	cfg.DedupWindow = 100 * time.Millisecond
	r := start(t, cfg)
	rc := receive(t, always(http.StatusInternalServerError))
	ep := r.add(t, rc.URL, nil, "events.>")
	const copies = 3
	for i := range copies {
		eventually(t, "the id is forgotten", func() bool {
			receipt, err := r.bus.Publish(t.Context(), numbered(i))
			return err == nil && !receipt.Duplicate
		})
		rc.next(t)
	}
	waiting := func() []deliveries.Delivery {
		all := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting, EventID: "evt_1"})
		slices.SortFunc(all, func(a, b deliveries.Delivery) int { return strings.Compare(a.ID, b.ID) }) // by place
		return all
	}
	eventually(t, "each waits by itself", func() bool {
		ids := map[string]bool{}
		for _, d := range waiting() {
			ids[d.ID] = d.Waits == string(delivery.WhyRetry)
		}
		return len(ids) == copies
	})

	// Each is moved on by its own id, and the others stay as they are.
	before := waiting()
	if err := r.ledger.Retry(t.Context(), before[1].ID); err != nil {
		t.Fatal(err)
	}
	if got := string(rc.next(t).body); got != `{"n":1}` {
		t.Errorf("retrying the second one sent %s", got)
	}
	eventually(t, "the retry was the last", func() bool {
		dead := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusDead})
		return len(dead) == 1 && dead[0].ID == before[1].ID
	})
	eventually(t, "the other two are left as they were", func() bool { // one that dies is dead before it leaves the schedule
		left := waiting()
		return len(left) == 2 && left[0].ID == before[0].ID && left[1].ID == before[2].ID
	})
}

// numbered returns the same event as often as it is asked, with a body of its own.
func numbered(n int) *event.Event {
	e := internal("evt_1", "order.changed")
	e.Body = fmt.Appendf(nil, `{"n":%d}`, n)
	return e
}

// A service may name its events by Jethook-Id alone, which no store deduplicates: both are delivered or wait.
func TestSameIDWithoutAMessageID(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusInternalServerError))
	ep := r.add(t, rc.URL, nil, "events.>")
	for n := range 2 {
		m := &nats.Msg{Subject: "events.a", Header: nats.Header{event.HeaderID: {"evt_1"}}, Data: fmt.Appendf(nil, `{"n":%d}`, n)}
		if _, err := r.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	rc.next(t)
	rc.next(t)
	eventually(t, "both wait", func() bool {
		found := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusWaiting})
		return len(found) == 2 && found[0].ID != found[1].ID && found[0].EventID == "evt_1" && found[1].EventID == "evt_1"
	})
}

// An event without any id gets the place of its message for one, which no other store gives again: receivers remember ids.
func TestIDsOfPlacesAreUniqueOverStores(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 2 {
		r := start(t, settings(t))
		rc := receive(t, always(http.StatusOK))
		r.add(t, rc.URL, nil, "events.>")
		ack, err := r.js.Publish(t.Context(), "events.a", []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		id := rc.next(t).header.Get("webhook-id")
		if want := fmt.Sprintf("EVENTS-%d", ack.Sequence); id != want {
			t.Errorf("the id is %q; want %q", id, want)
		}
		if seen[id] {
			t.Errorf("%q is the id of an event of another store", id)
		}
		seen[id] = true
		r.stop()
	}
}

// What an earlier release stored of a delivery, without the place of its event, goes on as it was: it is neither lost nor
// made twice.
func TestDeliveriesOfAnEarlierReleaseGoOn(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, always(http.StatusOK))
	ep := r.add(t, rc.URL, nil, "events.none")
	r.publish(t, "evt_1", "a")
	m := formerDelivery("jethook.retry."+ep.ID+".events:evt_1", ep.ID, "evt_1")
	m.Header.Set("Nats-Schedule", "@at "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	m.Header.Set("Nats-Schedule-Target", "jethook.due."+ep.ID+".events:evt_1")
	if _, err := r.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := r.js.PublishMsg(t.Context(), formerDelivery("jethook.dead."+ep.ID+".events:evt_2", ep.ID, "evt_2")); err != nil {
		t.Fatal(err)
	}
	r.publish(t, "evt_2", "a")

	waits := ep.ID + ".events:evt_1"
	if d, err := r.ledger.Delivery(t.Context(), waits); err != nil || d.Status != deliveries.StatusWaiting {
		t.Fatalf("%v, %v", d, err)
	}
	// Asked to send the event again, the one that waits is it.
	for _, id := range []string{"evt_1", "evt_2"} {
		if err := r.ledger.Redeliver(t.Context(), ep.ID, r.stored(t, id), deliveries.Asked{Key: "k"}); err != nil {
			t.Fatal(err)
		}
		if got := rc.next(t).header.Get("webhook-id"); got != id {
			t.Errorf("sent %q", got)
		}
	}
	eventually(t, "both are delivered", func() bool {
		return len(r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusDelivered})) == 2
	})
	r.settled(t, topology.StreamDeliveries)
	if found := r.list(t, deliveries.Query{Endpoint: ep.ID, Status: deliveries.StatusDead}); len(found) > 0 {
		t.Errorf("still dead: %v", found)
	}
	if len(rc.got) > 0 {
		t.Errorf("sent once more: %v", (<-rc.got).header)
	}
}

// formerDelivery is a delivery as a release stored it that named it by the event's id alone.
func formerDelivery(subject, endpoint, anEvent string) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: nats.Header{
		event.HeaderID: {anEvent}, event.HeaderType: {"a"}, "Jethook-Subject": {"events.a"}, "Jethook-Endpoint": {endpoint},
		"Jethook-Attempt": {"2"}, "Jethook-Received": {time.Now().UTC().Format(time.RFC3339Nano)}, "Jethook-Why": {"retry"},
		"Jethook-Due": {time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)},
	}, Data: []byte("{}")}
}
