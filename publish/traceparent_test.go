package publish_test

import (
	"testing"
	"time"

	"jethook/publish"
)

func TestFreshTrace(t *testing.T) {
	t.Parallel()
	const foreign = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	fresh := publish.NewTraceparent()
	if !publish.ValidTraceparent(fresh) || !publish.IsFreshTrace(fresh) || publish.NewTraceparent() == fresh {
		t.Errorf("%s is no fresh trace", fresh)
	}
	if publish.IsFreshTrace(foreign) || publish.IsFreshTrace("nonsense") || publish.IsFreshTrace("") {
		t.Error("what Jethook has not made is fresh")
	}
	for traceparent, want := range map[string]string{foreign: foreign[3:35], "nonsense": "", "": ""} {
		if got := (&publish.Event{Traceparent: traceparent}).TraceID(); got != want {
			t.Errorf("the trace of %q is %q, want %q", traceparent, got, want)
		}
	}
}

// Whoever reads an event that was published without a trace finds the same one.
func TestTraceOfAPlace(t *testing.T) {
	t.Parallel()
	at := time.Now()
	one := publish.TraceparentOf("EVENTS", 1, at)
	if !publish.IsFreshTrace(one) || publish.TraceparentOf("EVENTS", 1, at) != one {
		t.Errorf("%s is not the trace of its place", one)
	}
	for _, other := range []string{
		publish.TraceparentOf("EVENTS", 2, at), publish.TraceparentOf("WEBHOOKS", 1, at), publish.TraceparentOf("EVENTS", 1, at.Add(1)),
	} {
		if other == one {
			t.Errorf("%s is the trace of another place", other)
		}
	}
}
