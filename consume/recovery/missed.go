package recovery

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"

	"jethook/consume/cursor"
	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// window is when the events were stored that the endpoint may have missed: since it exists, unless those of before
// are asked for too. An ordered endpoint misses no others: they wait for it in the stream.
func (s *redeliverer) window() (since, until time.Time) {
	since, until = s.rec.Since, s.rec.Until
	if !s.rec.Missing && since.Before(s.ep.CreatedAt) {
		since = s.ep.CreatedAt
	}
	if s.ep.Ordered && until.After(s.ep.CreatedAt) {
		until = s.ep.CreatedAt
	}
	return since, until
}

// chooseMissed returns deliveries of the events that match and left no trace for the endpoint.
func (s *redeliverer) chooseMissed(ctx context.Context, stream string, page []query.Stored) ([]delivery.Delivery, error) {
	if s.traces == nil {
		since, _ := s.window()
		s.traces = newTraces(s.bus, s.ep.ID, since)
		if err := s.traces.follow(ctx); err != nil {
			s.traces = nil
			return nil, err
		}
	}
	since, until := s.window()
	// What waits for an endpoint that lags is on its way. What does not, at this moment, has its outcome stored by now.
	behind, err := s.cursors.Backlog(ctx, s.ep, stream)
	if err != nil {
		return nil, err
	}
	var perhaps []delivery.Delivery
	for i := range page {
		if page[i].Time.Before(since) || !page[i].Time.Before(until) || !topology.MatchesAny(page[i].Subject, s.ep.Events) {
			continue
		}
		if behind != nil && behind.Of(page[i].Seq) != cursor.Elsewhere {
			continue
		}
		d := delivery.Delivery{Endpoint: s.ep.ID, Event: event.Of(&page[i], stream), Attempt: 1}
		if !s.traces.has(&d) {
			perhaps = append(perhaps, d)
		}
	}
	if len(perhaps) == 0 {
		return nil, nil
	}
	known, err := s.lookUp(ctx, perhaps)
	if err != nil {
		return nil, err
	}
	// What was on its way is recorded as delivered before it leaves the bus: so the history is asked last.
	if err := s.traces.follow(ctx); err != nil {
		return nil, err
	}
	var missed []delivery.Delivery
	for i := range perhaps {
		if !known[i] && !s.traces.has(&perhaps[i]) {
			missed = append(missed, perhaps[i])
		}
	}
	return missed, nil
}

// lookUp reports which deliveries wait, are being attempted, or are dead. One that dies meanwhile is dead before it
// leaves the bus, and so found in one of the two places.
func (s *redeliverer) lookUp(ctx context.Context, deliveries []delivery.Delivery) ([]bool, error) {
	known := make([]bool, len(deliveries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range deliveries {
		g.Go(func() error {
			d := &deliveries[i]
			trace, err := s.bus.Find().Trace(ctx, d.ID(), d.FormerID())
			known[i] = trace != delivery.Trace{}
			return err
		})
	}
	return known, g.Wait()
}

// maxTraces bounds how many deliveries a recovery remembers, at about 20 bytes each.
const maxTraces = 2_000_000

// traces remembers, by a hash of 64 bits, what the history says was delivered to an endpoint. Two million deliveries
// share a hash with another of a million events with a chance of one in ten million.
type traces struct {
	bus       *publish.Bus
	selection query.Selection
	since     time.Time
	lines     *history.Reader // nil: reading begins at since
	seed      maphash.Seed
	seen      map[uint64]struct{}
}

func newTraces(bus *publish.Bus, endpoint string, since time.Time) *traces {
	return &traces{
		bus: bus, selection: delivery.HistoryKey{Endpoint: endpoint, Outcome: string(history.Delivered)}.Selection(), since: since,
		seed: maphash.MakeSeed(), seen: make(map[uint64]struct{}),
	}
}

func (t *traces) has(d *delivery.Delivery) bool { return t.hasID(d.ID()) || t.hasID(d.FormerID()) }

func (t *traces) hasID(delivery string) bool {
	_, ok := t.seen[maphash.String(t.seed, delivery)]
	return ok
}

func (t *traces) add(delivery string) { t.seen[maphash.String(t.seed, delivery)] = struct{}{} }

// follow reads what the history has got since it was read last.
func (t *traces) follow(ctx context.Context) error {
	if t.lines == nil {
		lines, err := history.Since(ctx, t.bus.Query(), t.selection, t.since)
		if err != nil {
			return err
		}
		t.lines = &lines
	}
	return t.lines.ReadOn(ctx, 4*batch, func(s *query.Stored) error {
		t.add(gjson.GetBytes(s.Data, "delivery").Str)
		if len(t.seen) > maxTraces {
			return fmt.Errorf("%w: more than %d were delivered; choose a narrower one", ErrTooMuch, maxTraces)
		}
		return nil
	})
}
