package consume_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/consume/endpoint"
	"jethook/publish/query"
)

// A service may give its events any header, also those that the server's own answers have, with which it ends a request for
// messages. Such events are delivered like any other, and hold up none.
func TestEventsThatLookLikeAnswersOfTheServer(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	shared, ordered := receive(t, always(http.StatusOK)), receive(t, always(http.StatusOK))
	r.add(t, shared.URL, nil, "events.>")
	r.add(t, ordered.URL, func(s *endpoint.Spec) { yes := true; s.Ordered = &yes }, "events.>")
	n := 0
	for _, h := range []nats.Header{
		{"Status": {"409"}, "Description": {"Consumer Deleted"}},
		{"Status": {"409"}, "Description": {"Batch Completed"}},
		{"Status": {"404"}},
		{"Status": {"408"}},
		{"Status": {"100"}},
		{"Status": {"503"}},
		{"Status": {"423"}},
		{"Nats-Pin-Id": {"another"}},
		{"Nats-Pending-Messages": {"x"}, "Status": {"408"}},
	} {
		for _, body := range []string{"", "{}"} {
			if _, err := r.js.PublishMsg(t.Context(), &nats.Msg{Subject: "events.a", Header: h, Data: []byte(body)}); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	r.publish(t, "evt_last", "a")
	for range n + 1 {
		shared.next(t)
		ordered.next(t)
	}
	tail, err := r.bus.EventLog().Tail(t.Context(), part(t, "events.>"), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	heads := 0
	for !tail.Done() {
		got, err := tail.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heads += len(got)
	}
	if heads != n+1 {
		t.Errorf("%d events are listed, %d are there", heads, n+1)
	}
}

func part(t *testing.T, pattern string) query.Selection {
	t.Helper()
	selections, err := query.EventsOn(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return selections[0]
}
