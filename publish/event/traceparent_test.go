package event_test

import (
	"testing"
	"time"

	"jethook/publish/event"
)

func TestFreshTrace(t *testing.T) {
	t.Parallel()
	const foreign = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	fresh := event.NewTraceparent()
	if !event.ValidTraceparent(fresh) || !event.IsFreshTrace(fresh) || event.NewTraceparent() == fresh {
		t.Errorf("%s is no fresh trace", fresh)
	}
	if event.IsFreshTrace(foreign) || event.IsFreshTrace("nonsense") || event.IsFreshTrace("") {
		t.Error("what Jethook has not made is fresh")
	}
	for traceparent, want := range map[string]string{foreign: foreign[3:35], "nonsense": "", "": ""} {
		if got := (&event.Event{Traceparent: traceparent}).TraceID(); got != want {
			t.Errorf("the trace of %q is %q, want %q", traceparent, got, want)
		}
	}
}

// Whoever reads an event that was published without a trace finds the same one.
func TestTraceOfAPlace(t *testing.T) {
	t.Parallel()
	at := time.Now()
	one := event.TraceparentOf("EVENTS", 1, at)
	if !event.IsFreshTrace(one) || event.TraceparentOf("EVENTS", 1, at) != one {
		t.Errorf("%s is not the trace of its place", one)
	}
	for _, other := range []string{
		event.TraceparentOf("EVENTS", 2, at), event.TraceparentOf("WEBHOOKS", 1, at), event.TraceparentOf("EVENTS", 1, at.Add(1)),
	} {
		if other == one {
			t.Errorf("%s is the trace of another place", other)
		}
	}
}
