package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/bustest"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

// A cursor's consumer begins where it is told when it is made, and keeps its place afterwards. One of another epoch is not
// taken for it.
func TestCursorConsumerHasAnEpoch(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	var first uint64
	for i := range 4 {
		r, err := b.Publish(t.Context(), bustest.Event(fmt.Sprint("evt_", i)))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r.Seq
		}
	}
	openAt := func(epoch string, start uint64) (*pull.Consumer, bool, error) {
		return b.Consumers().OpenCursor(t.Context(), pull.Own{Stream: topology.StreamWebhooks, Endpoint: "ep_a", Epoch: epoch}, []string{"webhooks.>"}, start)
	}
	for i, want := range []uint64{first + 2, first + 3} {
		c, made, err := openAt("a", first+2)
		if err != nil {
			t.Fatal(err)
		}
		if got := takeOne(t, c); got != want || made != (i == 0) {
			t.Errorf("opened %d times: at %d, want %d; made: %t", i+1, got, want, made)
		}
	}
	c, made, err := openAt("b", first)
	if err != nil {
		t.Fatal(err)
	}
	if got := takeOne(t, c); got != first || !made {
		t.Errorf("another epoch: at %d, want %d; made: %t", got, first, made)
	}
	if lag, err := b.Consumers().Lag(t.Context(), pull.Own{Stream: topology.StreamWebhooks, Endpoint: "ep_none", Epoch: "a"}); err != nil || !lag.NotThere {
		t.Errorf("one that is not there: %+v %v", lag, err)
	}
}

func takeOne(t *testing.T, c *pull.Consumer) uint64 {
	t.Helper()
	batch, err := c.TakeStored(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := <-batch.Messages()
	if !ok {
		t.Fatal("none came")
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	meta, err := m.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return meta.Sequence.Stream
}

// Where a stream may have no more consumers, the error says what to raise.
func TestTooManyCursors(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	b := bustest.Open(t, cfg)
	_, js := bustest.Client(t, b)
	if err := js.DeleteStream(t.Context(), topology.StreamOps); err != nil {
		t.Fatal(err)
	}
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: topology.StreamOps, Subjects: []string{"jethook.ops.>"}, MaxConsumers: 1})
	for i := range 2 {
		if err == nil {
			_, _, err = b.Consumers().OpenCursor(t.Context(), pull.Own{Stream: topology.StreamOps, Endpoint: fmt.Sprintf("ep_%d", i), Epoch: "a"}, []string{"jethook.ops.>"}, 1)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "default_max_consumers") {
		t.Errorf("got %v", err)
	}
}
