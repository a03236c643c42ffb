package status_test

import (
	"testing"
	"time"

	"jethook/consume/status"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/quarantine"
)

// What is stored, delivered, failed and refused is counted in the step in which it was, and once.
func TestTrends(t *testing.T) {
	t.Parallel()
	r := start(t)
	wait := make(chan error, 16)
	told := func(err error) { wait <- err }
	sent := 0
	record := func(outcome string, n int) {
		for range n {
			r.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: "ep_1", Outcome: outcome, Class: "ok", Status: 200}, []byte(`{}`), told)
			sent++
		}
	}
	record("delivered", 3)
	record("failed", 2)
	record("dead", 1)
	record("circuit_opened", 1) // which is no attempt
	for range 4 {
		r.bus.Rejected().Reject(&quarantine.Request{Source: "shop", Reason: "bad_signature", Received: time.Now()}, told)
		sent++
	}
	for range sent {
		if err := <-wait; err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		if _, err := r.bus.Publish(t.Context(), &event.Event{Type: "a", Subject: "events.a", Received: time.Now(), Body: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
	}
	trends := status.NewTrends(r.bus)
	for range 2 { // counted, and as it was counted
		steps, err := trends.Last(t.Context(), time.Hour, 24)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != 24 {
			t.Fatalf("%d steps", len(steps))
		}
		var sum status.Step
		for i, s := range steps {
			if i > 0 && !s.Start.Equal(steps[i-1].End) {
				t.Errorf("step %d begins at %s, the one before ends at %s", i, s.Start, steps[i-1].End)
			}
			if i < 22 && s.Received+s.Delivered+s.Failed+s.Refused != 0 { // an hour may end while this runs
				t.Errorf("something in the past: %+v", s)
			}
			sum.Received += s.Received
			sum.Delivered += s.Delivered
			sum.Failed += s.Failed
			sum.Refused += s.Refused
		}
		if sum.Received != 5 || sum.Delivered != 3 || sum.Failed != 3 || sum.Refused != 4 {
			t.Errorf("counted %+v", sum)
		}
	}
	recent, err := trends.Recent(t.Context(), &status.Status{Sources: []status.Source{{Name: "shop"}, {Name: "quiet"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(recent.Refused) != 2 || recent.Refused[0].Hour != 4 || recent.Refused[0].Reasons["bad_signature"] != 4 || recent.Refused[1].Hour != 0 {
		t.Errorf("recent: %+v", recent)
	}
}

func TestSpikes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hour  uint64
		usual float64
		want  bool
	}{{0, 0, false}, {4, 0, false}, {5, 0, true}, {40, 10, false}, {41, 10, true}, {1000, 400, false}} {
		r := status.Refusal{Hour: test.hour, Usual: test.usual}
		if r.Spike() != test.want {
			t.Errorf("%d in an hour, %v usually: %v", test.hour, test.usual, !test.want)
		}
	}
}
