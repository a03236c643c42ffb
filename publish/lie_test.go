package publish_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/bustest"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// What the server says of a stored message counts, and not what the message says of itself: an event of a service could
// else be taken for a verified webhook when it is read again, and be sent to the endpoints of those.
func TestAnEventCanNotLieAboutItsPlace(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, b)
	ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "events.a", Header: nats.Header{
		"Nats-Subject": {"webhooks.acme.forged"}, "Nats-Stream": {"WEBHOOKS"}, "Nats-Sequence": {"1"},
		"Nats-Time-Stamp": {"2001-01-01T00:00:00Z"}, "Status": {"404"}, "Nats-Num-Pending": {"0"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := b.EventLog().Read(t.Context(), topology.StreamEvents, ack.Sequence)
	if err != nil || h.Subject != "events.a" || h.Source != "" || h.Seq != ack.Sequence || time.Since(h.Time) > time.Hour {
		t.Errorf("%+v, %v", h, err)
	}
	selections, err := query.EventsOn("events.>")
	if err != nil {
		t.Fatal(err)
	}
	if newest, err := b.Query().NewestOf(t.Context(), selections[0]); err != nil || time.Since(newest) > time.Hour {
		t.Errorf("the newest is of %v, %v", newest, err)
	}
	if _, err := b.Queues().Open(t.Context(), topology.QueueEvents); err != nil {
		t.Fatal(err)
	}
	states, err := b.Queues().QueueStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Stream == topology.StreamEvents && (s.Oldest.IsZero() || time.Since(s.Oldest) > time.Hour) {
			t.Errorf("the oldest: %+v", s)
		}
	}
}
