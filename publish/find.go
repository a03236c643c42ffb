package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// eventShelves list the streams that hold events.
var eventShelves = []Shelf{
	{stream: StreamEvents, subject: EventsPrefix + ">"},
	{stream: StreamWebhooks, subject: WebhooksPrefix + ">"},
	{stream: StreamOps, subject: OpsPrefix + ">"},
}

// findPages bounds how far back FindEvent looks in each stream: 20 pages of 500 events.
const (
	findPages = 20
	findPage  = 500
)

// FindEvent returns the stored event with an id, or ErrNotFound. An event is found by its place, such as
// EVENTS-17, wherever it lies, and by its id among the newest 10,000 of each stream; the newest of equal ids.
func (b *Bus) FindEvent(ctx context.Context, id string) (Event, error) {
	for _, sh := range eventShelves {
		place, ok := strings.CutPrefix(id, sh.stream+"-")
		seq, err := strconv.ParseUint(place, 10, 64)
		if !ok || err != nil {
			continue
		}
		e, err := b.eventAt(ctx, sh.stream, seq)
		if !errors.Is(err, ErrNotFound) {
			return e, err
		}
	}
	for _, sh := range eventShelves {
		e, err := b.searchEvent(ctx, sh, id)
		if !errors.Is(err, ErrNotFound) {
			return e, err
		}
	}
	return Event{}, ErrNotFound
}

func (b *Bus) searchEvent(ctx context.Context, sh Shelf, id string) (Event, error) {
	before := uint64(0)
	for range findPages {
		page, next, err := b.Before(ctx, sh, before, findPage)
		if err != nil {
			return Event{}, err
		}
		for i := range page {
			m := &page[i]
			if decodeEvent(m.Subject, m.Header, nil, sh.stream, m.Seq, m.Time).ID == id {
				return b.eventAt(ctx, sh.stream, m.Seq) // a page has no bodies
			}
		}
		if next == 0 {
			break
		}
		before = next
	}
	return Event{}, ErrNotFound
}

func (b *Bus) eventAt(ctx context.Context, stream string, seq uint64) (Event, error) {
	m, err := b.shelves[stream].GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Event{}, ErrNotFound
	}
	if err != nil {
		return Event{}, fmt.Errorf("reading an event: %w", classify(err))
	}
	return decodeEvent(m.Subject, m.Header, m.Data, stream, m.Sequence, m.Time), nil
}
