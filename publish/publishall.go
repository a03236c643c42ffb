package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"

	"jethook/publish/event"
	"jethook/publish/groupcommit"
)

// PublishAll stores the events of one request, all to the same stream, and returns once all are acknowledged. They
// are stored by one atomic batch for each thousand: all of those, or none. Where the store refuses the batch
// because it knows one of them already, as after a redelivery, each is stored by itself; then an error can leave
// some of them stored, and publishing all again completes them. An id that comes twice is stored once.
// Errors are those of [Bus.Publish].
func (b *Bus) PublishAll(ctx context.Context, events []*event.Event) error {
	for part := range slices.Chunk(once(events), groupcommit.MaxGroup) { // a copy, which may be changed
		err := b.aside.LightenAll(ctx, part)
		if err == nil {
			err = b.committerFor(part[0]).PublishGroup(ctx, messages(part))
		}
		b.noteFailure(err)
		if err != nil {
			return fmt.Errorf("publishing %d events to %s and others: %w", len(part), part[0].Subject, err)
		}
	}
	return nil
}

// once leaves out events whose id came before: the store would refuse them together with all the others.
func once(events []*event.Event) []*event.Event {
	seen := make(map[string]bool, len(events))
	return slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool {
		twice := seen[e.ID]
		seen[e.ID] = true
		return twice
	})
}

// messages encodes events, which may share a header.
func messages(events []*event.Event) []*nats.Msg {
	msgs := make([]*nats.Msg, len(events))
	for i, e := range events {
		own := *e
		own.Header = maps.Clone(e.Header) // the events of one request have one header
		msgs[i] = own.Msg()
	}
	return msgs
}
