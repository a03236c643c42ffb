package publish_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// In a cluster the server's word that a request for messages has ended overtakes the messages themselves. All of them come
// nevertheless, each once: none waits for the ack wait, to be handed out again.
func TestPullLosesNothingInACluster(t *testing.T) {
	t.Parallel()
	var url string
	for _, node := range nodes(t) {
		url = startNode(t, node)
	}
	b, err := publish.Open(t.Context(), onCluster(url), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const total, at = 2560, 256
	events := make([]*event.Event, total)
	for i := range events {
		events[i] = bustest.Event(fmt.Sprint("evt_", i))
	}
	if err := b.PublishAll(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	c, err := b.Queues().Open(t.Context(), topology.QueueWebhooks)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen := make(map[uint64]bool)
	// The second bound of bytes ends each request before it has as many messages as it asks for.
	for _, bytes := range []int{4 << 20, 20_000} {
		for upTo := len(seen) + total/2; len(seen) < upTo; {
			batch, err := c.Take(ctx, min(at, upTo-len(seen)), bytes)
			if err != nil {
				t.Fatal(err)
			}
			came := 0
			for m := range batch.Messages() {
				meta, err := m.Metadata()
				if err != nil {
					t.Fatal(err)
				}
				if meta.NumDelivered > 1 || seen[meta.Sequence.Stream] {
					t.Fatalf("after %d events, %d comes again", len(seen), meta.Sequence.Stream)
				}
				seen[meta.Sequence.Stream] = true
				if err := m.Ack(); err != nil {
					t.Fatal(err)
				}
				came++
			}
			if err := batch.Error(); err != nil || came == 0 {
				t.Fatalf("after %d events came %d: %v", len(seen), came, err)
			}
		}
	}
}
