package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/publish"
)

// More endpoints may lag than a NATS server allows a stream consumers by default.
func TestManyCursors(t *testing.T) {
	t.Parallel()
	b := open(t, settings(t))
	var g errgroup.Group
	g.SetLimit(16)
	for i := range 1010 {
		g.Go(func() error {
			_, _, err := b.CursorConsumer(t.Context(), publish.StreamEvents, fmt.Sprintf("ep_%d", i), []string{"events.>"}, "epoch", 1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A cursor's consumer of an earlier epoch is made anew where the new one begins; one of the same epoch keeps its place.
func TestCursorConsumerFollowsItsEpoch(t *testing.T) {
	t.Parallel()
	b := open(t, settings(t))
	var first uint64
	for i := range 4 {
		r, err := b.Publish(t.Context(), event(fmt.Sprint("evt_", i)))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r.Seq
		}
	}
	for _, step := range []struct {
		epoch       string
		start, want uint64
	}{{"a", first + 2, first + 2}, {"a", first, first + 3}, {"b", first + 1, first + 1}} {
		c, _, err := b.CursorConsumer(t.Context(), publish.StreamWebhooks, "ep_a", []string{"webhooks.>"}, step.epoch, step.start)
		if err != nil {
			t.Fatal(err)
		}
		if got := takeOne(t, c); got != step.want {
			t.Errorf("epoch %s from %d: began at %d, want %d", step.epoch, step.start, got, step.want)
		}
	}
	if lag, err := b.Lag(t.Context(), publish.StreamWebhooks, "ep_none"); err != nil || !lag.NotThere {
		t.Errorf("one that is not there: %+v %v", lag, err)
	}
}

func takeOne(t *testing.T, c *publish.Consumer) uint64 {
	t.Helper()
	batch, err := c.TakeStored(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		return meta.Sequence.Stream
	}
	t.Fatal("none came")
	return 0
}

// Where a stream may have no more consumers, the error says what to raise.
func TestTooManyCursors(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	b := open(t, cfg)
	_, js := client(t, b)
	if err := js.DeleteStream(t.Context(), publish.StreamOps); err != nil {
		t.Fatal(err)
	}
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: publish.StreamOps, Subjects: []string{"jethook.ops.>"}, MaxConsumers: 1})
	for i := range 2 {
		if err == nil {
			_, _, err = b.CursorConsumer(t.Context(), publish.StreamOps, fmt.Sprintf("ep_%d", i), []string{"jethook.ops.>"}, "epoch", 1)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "default_max_consumers") {
		t.Errorf("got %v", err)
	}
}
