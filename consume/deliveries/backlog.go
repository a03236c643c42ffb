package deliveries

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/eventlog"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// ErrInOrder means that the endpoint gets its events in order, and has not come to this one.
var ErrInOrder = errors.New("endpoint is ordered and has earlier events waiting")

// backlogs tells what waits in the streams for endpoints that lag, or that are ordered. It is of one moment, and used by
// one goroutine.
type backlogs struct {
	bus   *publish.Bus
	table *cursor.Table
	ended map[string]map[string]bool // by endpoint: deliveries whose end was recorded lately

	onRecord map[string]map[string]int // by endpoint: deliveries that wait in the schedule, are being attempted, or are dead
}

func (l *Store) backlogs() *backlogs { return newBacklogs(l.bus, l.cursors) }

func newBacklogs(bus *publish.Bus, table *cursor.Table) *backlogs {
	return &backlogs{bus: bus, table: table, ended: make(map[string]map[string]bool), onRecord: make(map[string]map[string]int)}
}

// of returns how an event stands that an endpoint's own consumer may have, and the backlog that it waits in; nil: none.
func (s *backlogs) of(ctx context.Context, ep *endpoint.Endpoint, e *event.Event) (*cursor.Backlog, cursor.Stand, error) {
	stream, place := e.Place()
	if place == 0 || !topology.MatchesAny(e.Subject, ep.Events) {
		return nil, cursor.Elsewhere, nil
	}
	b, err := s.table.Backlog(ctx, ep, stream)
	if err != nil || b == nil {
		return nil, cursor.Elsewhere, err
	}
	stand, err := s.stand(ctx, b, e)
	if stand == cursor.Elsewhere {
		b = nil
	}
	return b, stand, err
}

// stand tells how an event stands that matches. One that was taken, or was about to be delivered ahead, and of which
// something is recorded, is Elsewhere.
func (s *backlogs) stand(ctx context.Context, b *cursor.Backlog, e *event.Event) (cursor.Stand, error) {
	_, place := e.Place()
	stand := b.Of(place)
	if stand == cursor.Elsewhere || stand == cursor.Waits && !b.Record.Goes(place) && !b.MayBeForgotten(place) {
		return stand, nil
	}
	d := delivery.Delivery{Endpoint: b.Endpoint.ID, Event: *e}
	if stand == cursor.Waits && !b.Record.Goes(place) { // many may: what is on record is read once for all
		return s.unlessOnRecord(ctx, &d)
	}
	trace, err := s.bus.Find().Trace(ctx, d.ID())
	if err != nil || trace != (delivery.Trace{}) {
		return cursor.Elsewhere, err
	}
	if s.ended[d.Endpoint] == nil {
		if s.ended[d.Endpoint], err = RecentlyEnded(ctx, s.bus, d.Endpoint); err != nil {
			return cursor.Elsewhere, err
		}
	}
	if s.ended[d.Endpoint][d.ID()] {
		return cursor.Elsewhere, nil
	}
	return stand, nil
}

// unlessOnRecord tells how an event stands that waits unless something is recorded of its delivery.
func (s *backlogs) unlessOnRecord(ctx context.Context, d *delivery.Delivery) (cursor.Stand, error) {
	ids, ok := s.onRecord[d.Endpoint]
	if !ok {
		var err error
		if ids, err = s.bus.Find().OnRecord(ctx, d.Endpoint); err != nil {
			return cursor.Elsewhere, err
		}
		s.onRecord[d.Endpoint] = ids
	}
	if _, found := ids[d.ID()]; found {
		return cursor.Elsewhere, nil
	}
	return cursor.Waits, nil
}

// recentLines is how many of an endpoint's newest lines of history tell what of the events that are taken has its end:
// more than may be taken at once.
const recentLines = 5000

// RecentlyEnded names the deliveries to an endpoint whose end was recorded last.
func RecentlyEnded(ctx context.Context, bus *publish.Bus, endpoint string) (map[string]bool, error) {
	ended := make(map[string]bool)
	for before, read := uint64(0), 0; read < recentLines; {
		page, next, err := bus.Query().Reverse(ctx, delivery.HistoryKey{Endpoint: endpoint}.Selection(), before, paging.Max)
		if err != nil {
			return nil, fmt.Errorf("reading what was delivered: %w", err)
		}
		for i := range page {
			line := gjson.GetManyBytes(page[i].Data, "delivery", "outcome")
			if out := history.Outcome(line[1].Str); out == history.Delivered || out == history.Dead {
				ended[line[0].Str] = true
			}
		}
		if read, before = read+len(page), next; next == 0 {
			break
		}
	}
	return ended, nil
}

// WaitsBehind describes the delivery of an event that waits in its stream.
func WaitsBehind(b *cursor.Backlog, h *eventlog.Head, stand cursor.Stand) Delivery {
	d := Describe(&delivery.Delivery{Endpoint: b.Endpoint.ID, Event: h.Event, Attempt: 1, Since: h.Time}, StatusWaiting)
	d.Next, d.Waits = nil, string(b.Why())
	if b.Why() == cursor.Order && stand == cursor.Taken { // it is its turn
		d.Waits = WaitsFirst
	}
	return d
}

// behind finds the event that a delivery's id names, if it waits in its stream; nil: it does not.
func (l *Store) behind(ctx context.Context, id string) (*cursor.Backlog, *eventlog.Head, cursor.Stand, error) {
	name, key, place, ok := delivery.PlaceOf(id)
	if !ok || l.endpoints == nil {
		return nil, nil, cursor.Elsewhere, nil
	}
	ep, ok := l.endpoints.Lookup(name)
	if !ok {
		return nil, nil, cursor.Elsewhere, nil
	}
	for _, stream := range streamsOf(key) {
		b, err := l.cursors.Backlog(ctx, ep, stream)
		if err != nil {
			return nil, nil, cursor.Elsewhere, err
		}
		if b == nil || b.Of(place) == cursor.Elsewhere {
			continue
		}
		h, err := l.bus.EventLog().Read(ctx, stream, place)
		if errors.Is(err, failure.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, cursor.Elsewhere, err
		}
		if d := (delivery.Delivery{Endpoint: name, Event: h.Event}); d.ID() != id || !topology.MatchesAny(h.Subject, ep.Events) {
			continue
		}
		stand, err := l.backlogs().stand(ctx, b, &h.Event)
		if err != nil || stand != cursor.Elsewhere {
			return b, &h, stand, err
		}
	}
	return nil, nil, cursor.Elsewhere, nil
}

// Unbegun returns a delivery whose event waits in its stream, with that event as it is stored. ErrNoDelivery: it does not.
func (l *Store) Unbegun(ctx context.Context, id string) (delivery.Delivery, error) {
	b, h, _, err := l.behind(ctx, id)
	if err != nil || b == nil {
		return delivery.Delivery{}, cmp.Or(err, ErrNoDelivery)
	}
	return delivery.Delivery{Endpoint: b.Endpoint.ID, Event: h.Event, Attempt: 1}, nil
}

// streamsOf returns where the event of a delivery may lie, by its key.
func streamsOf(key string) []string {
	if strings.HasPrefix(key, "events:") {
		return []string{topology.StreamEvents, topology.StreamOps, topology.StreamWebhooks}
	}
	return []string{topology.StreamWebhooks}
}

// goAhead makes a delivery due at once that waits behind its endpoint's cursor. ErrNoDelivery: it does not; ErrUnderWay:
// the cursor has come to it. Package cursor says why that neither loses nor doubles it.
func (l *Store) goAhead(ctx context.Context, id string) error {
	b, h, stand, err := l.behind(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("looking for what waits: %w", err)
	case stand == cursor.Elsewhere:
		return ErrNoDelivery
	case b.Record == nil && stand == cursor.Waits:
		return ErrInOrder
	case stand == cursor.Taken:
		return ErrUnderWay
	}
	_, place := h.Event.Place()
	key := b.Record.Key
	noted, err := l.cursors.GoAhead(ctx, key, place)
	if err != nil {
		return err
	}
	lag, err := l.bus.Consumers().Lag(ctx, b.Record.Consumer())
	switch {
	case err != nil:
		return err
	case !noted, !lag.NotThere && place <= lag.Taken: // it came to it in between
		return ErrUnderWay
	}
	d := delivery.Delivery{Endpoint: key.Endpoint, Event: h.Event, Attempt: 1}
	return SendAhead(ctx, l.bus, l.cursors, key, &d)
}

// SendAhead makes a delivery due that is noted to be about to, and notes that it is.
func SendAhead(ctx context.Context, bus *publish.Bus, table *cursor.Table, key cursor.Key, d *delivery.Delivery) error {
	if err := bus.Deliveries().Send(ctx, d, "ahead"); err != nil && !errors.Is(err, failure.ErrConflict) { // else it is on its way
		return err
	}
	_, place := d.Event.Place()
	return table.Gone(ctx, key, place)
}

// WaitsFirst is what a delivery waits for that nobody has looked at yet.
const WaitsFirst = "first"
