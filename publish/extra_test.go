package publish

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"jethook/publish/delivery"
	"jethook/publish/event"
)

// What goes on to receivers is bounded, no credential, and the same after it was stored with a delivery.
func TestForwardedHeaders(t *testing.T) {
	t.Parallel()
	h := nats.Header{
		"Jethook-Header-X-Order": {"7"}, "jethook-header-x-lower": {"8"}, "Jethook-Header-Authorization": {"Bearer x"},
		"Jethook-Header-X-Api-Key": {"x"}, "Jethook-Header-Cookie": {"x"}, "Jethook-Header-": {"x"}, "X-Other": {"x"},
		"Jethook-Header-X-Long": {strings.Repeat("x", 1025)}, "Ce-Id": {"1"},
	}
	want := map[string]string{"X-Order": "7", "X-Lower": "8"}
	if got := event.Forwarded(h); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	h["Ce-Specversion"], h["Ce-Token"] = []string{"1.0"}, []string{"x"}
	want["Ce-Specversion"], want["Ce-Id"] = "1.0", "1"
	got := event.Forwarded(h)
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	d := delivery.Delivery{Endpoint: "ep_1", Event: event.Event{ID: "e", Forward: got}, Attempt: 1}
	m := d.Msg()
	back, err := delivery.ParseDelivery(m.Header, nil, 1)
	if err != nil || !maps.Equal(back.Event.Forward, want) {
		t.Errorf("kept as %v: %v, %v", m.Header, back.Event.Forward, err)
	}

	many := nats.Header{}
	for i := range 50 {
		many[fmt.Sprintf("Jethook-Header-X-%02d", i)] = []string{"x"}
	}
	if got := event.Forwarded(many); len(got) != event.MaxForwarded || got["X-19"] == "" {
		t.Errorf("got %d: %v", len(got), got)
	}
	for _, none := range []nats.Header{{"X-A": {"b"}}, {"Tracestate": {"vendor=1"}}} {
		if got := event.Forwarded(none); got != nil {
			t.Errorf("got %v, and there are none", got)
		}
	}
	traced := nats.Header{"traceparent": {event.NewTraceparent()}, "tracestate": {"vendor=1"}}
	if got := event.Forwarded(traced); !maps.Equal(got, map[string]string{"Tracestate": "vendor=1"}) {
		t.Errorf("the state of the event's trace became %v", got)
	}
}
